from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from credits.conf import get_settings
from credits.exceptions import CreditsError
from credits.management.explained_command import ExplainedCommand

if TYPE_CHECKING:
    from credits.management import crontab


class Command(ExplainedCommand):
    help = "Install the lines of CRONJOBS in your crontab, beside what it holds, and look for them."
    examples = """\
  manage.py install_crontab              at each deployment; the second time changes nothing
  manage.py install_crontab --dry-run    which lines would come and go
  manage.py install_crontab --remove     take them away, and no others
"""
    exit_codes = """\
exit codes:
  0  the crontab is as it should be      1  refused: the crontab is as it was
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Show the lines, write nothing.")
        parser.add_argument("--remove", action="store_true", help="Take the lines away.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not apps.is_installed("django_crontab"):
            raise CommandError('Add "django_crontab" to INSTALLED_APPS: it writes the lines.')
        try:
            # An extra of this app: a project without cron needs none of it.
            from credits.management import crontab  # noqa: PLC0415
        except ImportError as error:
            raise CommandError(
                f"{error.name} is not installed: pip install 'django-credits-ledger[cron]'."
            ) from error
        remove = options["remove"]
        try:
            jobs = [] if remove else crontab.jobs()
            change = crontab.planned(remove=remove)
            if not options["dry_run"] and change.before != change.after:
                crontab.apply(change, remove=remove)
        except CreditsError as error:
            raise CommandError(str(error)) from error
        self._tell(change, dry_run=options["dry_run"])
        if jobs:
            self._warn_of_logs(crontab.missing_directories(change))
            self._warn_of_zone(jobs)

    def _tell(self, change: "crontab.Change", *, dry_run: bool) -> None:
        for sign, lines in (("-", change.removed), ("+", change.added)):
            for line in lines:
                self.stdout.write(f"{sign} {line.rstrip()}")
        counts = f"{len(change.removed)} lines removed, {len(change.added)} added"
        kept = len(change.after) - len(change.added)
        where = f"{kept} others kept; the jobs run with {settings.CRONTAB_DJANGO_SETTINGS_MODULE}"
        if change.before == change.after:
            self.stdout.write("The crontab is as it should be: nothing to change.")
        else:
            self.stdout.write(f"{counts}, {where}{' (dry run, nothing written)' * dry_run}.")

    def _warn_of_logs(self, directories: list[str]) -> None:
        for directory in directories:
            self.stderr.write(
                f"Warning: there is no directory {directory}: the shell could not open the log, and"
                f' no job would start. Type: sudo install -d -o "$USER" {directory}'
            )

    def _warn_of_zone(self, jobs: "list[crontab.Job]") -> None:
        from credits.management import cron_zone  # noqa: PLC0415

        zone, now = cron_zone.host_zone(), timezone.now()
        own = get_settings().period_time_zone
        if cron_zone.is_of_the_months(zone, as_of=now):
            return
        self.stderr.write(
            f"Warning: cron reads these times in this host's zone, {zone}"
            f" (now {now.astimezone(zone):%z}), not in {own}."
        )
        for line in cron_zone.consequences(jobs, zone, as_of=now):
            self.stderr.write(line, style_func=str)
        self.stderr.write(
            f"  To have {own}: timedatectl set-timezone {'Etc/UTC' if own == 'UTC' else own}"
            " && systemctl restart cron",
            style_func=str,
        )
