from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management.base import CommandError
from django.db import transaction

from credits.management.explained_command import ExplainedCommand

VIEWS = (
    "view_creditbalance",
    "view_credittransaction",
    "view_creditallocation",
    "view_transactionreason",
    "view_jobrun",
    "view_jobfailure",
    "view_jobpause",
    "view_notice",
    "view_noticeevent",
    "view_noticeoptout",
    "view_suppressedaddress",
)

GROUPS = {
    # Who answers the telephone: sees everything, makes good, and takes nothing away.
    "Credits support": (
        *VIEWS,
        "grant_credits",
        "refund_credits",
        "extend_credits",
        "send_notices",
        "delete_suppressedaddress",
    ),
    # Who answers for the books: corrects, reports, and sees to the jobs.
    "Credits finance": (
        *VIEWS,
        "view_monthlytotal",
        "adjust_credits",
        "export_credits",
        "run_credit_jobs",
    ),
}


class Command(ExplainedCommand):
    help = "Create the groups of people who work with credits, or give them what they lack."
    examples = """\
  manage.py create_credit_groups             safe to call again, after every upgrade
"""
    exit_codes = """\
exit codes:
  0  done, or nothing to do      1    failed: the permissions are not there yet
"""

    def handle(self, *args: Any, **options: Any) -> None:
        """Create each group with its permissions; those given by hand stay."""
        with transaction.atomic():
            sentences = [_create(name, wanted) for name, wanted in GROUPS.items()]
        for sentence in sentences:
            self.stdout.write(sentence)


def _create(name: str, codenames: tuple[str, ...]) -> str:
    wanted = Permission.objects.filter(
        content_type__app_label="credits", codename__in=codenames
    ).order_by("codename")
    found = {permission.codename for permission in wanted}
    if missing := sorted(set(codenames) - found):
        raise CommandError(
            f"The permission {missing[0]} does not exist: run manage.py migrate first."
        )
    group, is_new = Group.objects.get_or_create(name=name)
    has = set(group.permissions.values_list("pk", flat=True))
    lacking = [permission for permission in wanted if permission.pk not in has]
    group.permissions.add(*lacking)
    if is_new:
        return f"Created the group {name} with {len(lacking)} permissions."
    if lacking:
        names = ", ".join(permission.codename for permission in lacking)
        return f"Gave the group {name} what it lacked: {names}."
    return f"The group {name} has all its permissions."
