from typing import Any

from django.core.management.base import CommandParser

from credits.engine.database import database_now, ledger_database
from credits.jobs.pausing import resume_job
from credits.management import arguments
from credits.management.explained_command import ExplainedCommand
from credits.management.talk import Talk, add_json
from credits.models import JobPause


class Command(ExplainedCommand):
    help = "Let a paused job be started again; what became due meanwhile is done by the next check."
    examples = """\
  manage.py resume_credit_job expire_credits --by aisha@example.com
"""
    exit_codes = """\
exit codes:
  0  resumed, or it was not paused      2  bad arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", metavar="JOB", help=f"One of {', '.join(JobPause.Job.values)}.")
        parser.add_argument("--by", metavar="EMAIL|ID", help="Who resumes it.")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """End the pause and say how long it was."""
        talk = Talk(self, options["job"], options)
        with talk.refusals():
            job, by = arguments.pausable(options["job"]), options["by"]
            pause = resume_job(
                job,
                actor_id=None if by is None else arguments.user("--by", by),
                at=database_now(using=ledger_database()),
            )
            if pause is None:
                talk.say(f"{job} was not paused.")
            else:
                talk.say(
                    f"{job} is resumed; it was paused since {pause.paused_at:%Y-%m-%d %H:%M} UTC"
                    f" (“{pause.reason}”)."
                )
            talk.document(was_paused=pause is not None, exit_code=0)
