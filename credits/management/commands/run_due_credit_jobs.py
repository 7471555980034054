from typing import Any

from django.core.management.base import CommandError, CommandParser

from credits.engine.database import database_now, ledger_database
from credits.jobs.run_due import forecast_due, run_due_credit_jobs
from credits.jobs.running import Watch
from credits.management import arguments
from credits.management.due_report import tell_forecast, tell_report
from credits.management.explained_command import ExplainedCommand
from credits.management.stopping import stop_on_signals
from credits.management.talk import Talk, add_json


class Command(ExplainedCommand):
    help = (
        "Do what is due and nothing else: this month's reset, today's expiry, warnings, sending."
        " The database says what is due, so any host may call it, every minute."
    )
    examples = """\
  manage.py run_due_credit_jobs              as cron, a timer or a cloud scheduler does
  manage.py run_due_credit_jobs --dry-run    what it would do now, and what is next
  manage.py run_due_credit_jobs --json --trigger kubernetes
"""
    exit_codes = """\
exit codes:
  0  done, or nothing is due, or another host is at it
  1  failed; tried again after a pause     3    partial: some professionals failed
  2  bad arguments                         130  interrupted; its last chunk was finished
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what is due, and write nothing."
        )
        add_json(parser)
        parser.add_argument(
            "--trigger",
            metavar="WORD",
            default="due",
            help="Who or what starts it, as cron; the runs keep it.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        talk = Talk(self, "run_due_credit_jobs", options)
        with talk.refusals():
            trigger = arguments.trigger(options["trigger"])
            as_of = database_now(using=ledger_database())
            if options["dry_run"]:
                tell_forecast(talk, forecast_due(as_of=as_of))
                return
            with stop_on_signals(talk.say) as stop:
                watch = Watch(should_stop=stop.is_set)
                report = run_due_credit_jobs(as_of=as_of, trigger=trigger, watch=watch)
            code, message = tell_report(talk, report)
            if code:
                raise CommandError(message, returncode=code)
