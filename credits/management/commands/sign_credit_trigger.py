from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from credits.conf import get_settings
from credits.jobs.named import JobName
from credits.management import arguments
from credits.management.explained_command import ExplainedCommand
from credits.triggering import signing


class Command(ExplainedCommand):
    help = "Print a curl line that starts a job by a request, good for five minutes."
    examples = """\
  manage.py sign_credit_trigger expire_credits            the line that starts it
  manage.py sign_credit_trigger expire_credits --status   the line that asks what became of it
"""
    exit_codes = """\
exit codes:
  0  the line is printed      1  requests start no jobs here      2  bad arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", help=f"One of {', '.join(JobName)}.")
        parser.add_argument(
            "--status", action="store_true", help="Ask what became of it instead of starting it."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        settings, job = get_settings(), options["job"]
        if job not in set(JobName):
            raise arguments.bad_argument(f"“{job}” is no job; write {' or '.join(JobName)}.")
        if job not in settings.trigger_jobs:
            raise CommandError(f'Requests may not start {job}: add it to CREDITS["TRIGGER_JOBS"].')
        secrets = signing.secrets()
        if not secrets:
            raise CommandError(
                'CREDITS["TRIGGER_SECRET"] is not set; python -c "import secrets;'
                ' print(secrets.token_urlsafe(48))" makes one.'
            )
        if not settings.site_url:
            raise CommandError('CREDITS["SITE_URL"] is not set: where is the site reached?')
        method, view = ("GET", "job") if options["status"] else ("POST", "trigger")
        try:
            path = reverse(f"credits:{view}", args=[job])
        except NoReverseMatch:
            raise CommandError("The project's URLs leave out credits.urls.") from None
        token = signing.make_token(secrets[0], method=method, job=job, at=timezone.now())
        url = f"{settings.site_url.rstrip('/')}{path}"
        self.stdout.write(f'curl -X {method} -H "Authorization: Bearer {token}" {url}')
