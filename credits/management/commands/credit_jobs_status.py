from typing import Any

from django.core.management.base import CommandError, CommandParser

from credits.engine.database import database_now, ledger_database
from credits.management.explained_command import ExplainedCommand
from credits.management.status_report import tell_status
from credits.management.talk import Talk, add_json
from credits.reports.jobs_status import jobs_status


class Command(ExplainedCommand):
    help = "Say what ran, what is late and what is next; exit 1 when something is late or failed."
    examples = """\
  manage.py credit_jobs_status              a line for each job
  manage.py credit_jobs_status --json       one document, for a monitor
  manage.py credit_jobs_status -v 0         nothing but what is wrong, and the exit code
"""
    exit_codes = """\
exit codes:
  0  all is well, or paused      1  a job is late or has failed      2  bad arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Look once, and say how it is."""
        # The document says all that the table does.
        verbosity = 0 if options["json"] else options["verbosity"]
        talk = Talk(self, "credit_jobs_status", options | {"verbosity": verbosity})
        with talk.refusals():
            status = jobs_status(as_of=database_now(using=ledger_database()))
            code, message = tell_status(talk, status)
            if code:
                raise CommandError(message, returncode=code)
