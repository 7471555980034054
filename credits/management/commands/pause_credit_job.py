from typing import Any

from django.core.management.base import CommandParser

from credits.engine.database import database_now, ledger_database
from credits.jobs.pausing import pause_job
from credits.management import arguments
from credits.management.explained_command import ExplainedCommand
from credits.management.talk import Talk, add_json
from credits.models import JobPause


class Command(ExplainedCommand):
    help = "Let nobody start a job until it is resumed; a run under way ends after its chunk."
    examples = """\
  manage.py pause_credit_job expire_credits --by aisha@example.com --reason "Wrong dates"
"""
    exit_codes = """\
exit codes:
  0  paused      1  it has been paused already      2  bad arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", metavar="JOB", help=f"One of {', '.join(JobPause.Job.values)}.")
        parser.add_argument("--reason", required=True, help="Why; shown wherever the job is.")
        parser.add_argument("--by", metavar="EMAIL|ID", required=True, help="Who wants it so.")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause the job and say how it goes on."""
        talk = Talk(self, options["job"], options)
        with talk.refusals():
            pause = pause_job(
                arguments.pausable(options["job"]),
                reason=arguments.reason(options["reason"]),
                actor_id=arguments.user("--by", options["by"]),
                at=database_now(using=ledger_database()),
            )
            talk.say(f"{pause.job} is paused. Go on with: manage.py resume_credit_job {pause.job}")
            talk.document(paused_at=pause.paused_at.isoformat(), reason=pause.reason, exit_code=0)
