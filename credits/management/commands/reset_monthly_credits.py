from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from credits.engine.database import ledger_database
from credits.engine.tally import Forecast
from credits.jobs.reset import forecast_reset, reset_monthly_credits
from credits.jobs.running import Watch
from credits.management import arguments
from credits.management.job_command import JobCommand, Order
from credits.management.job_report import JobReport
from credits.models import JobRun
from credits.periods import period_of


class ResetReport(JobReport):
    job = JobRun.Job.RESET
    title = "Monthly credit reset"
    noun = "verified professionals for credit reset"

    def nothing_left(self, run: JobRun) -> str:
        return f"Nothing to do: all of them were reset in {run.period} already."


class Command(JobCommand):
    help = "Set every eligible professional's free credits to the monthly amount, once a month."
    report_class = ResetReport
    may_look_ahead = False
    examples = """\
  manage.py reset_monthly_credits                    this month's reset, or what is left of it
  manage.py reset_monthly_credits --dry-run          what it would do, with the largest changes
  manage.py reset_monthly_credits --professional aisha@example.com
  manage.py reset_monthly_credits --period 2026-11 --json
"""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--period", metavar="YYYY-MM", help="The month to reset; that of --as-of if not given."
        )

    def forecast(self, order: Order) -> Forecast:
        return forecast_reset(
            as_of=order.as_of,
            period=order.period,
            professionals=order.professionals,
            limit=order.limit,
        )

    def run_job(self, order: Order, watch: Watch) -> JobRun:
        return reset_monthly_credits(
            as_of=order.as_of,
            period=order.period,
            professionals=order.professionals,
            limit=order.limit,
            chunk_size=order.chunk_size,
            trigger=order.trigger,
            even_if_paused=order.even_if_paused,
            watch=watch,
        )

    def _period(self, options: dict[str, Any], as_of: datetime, now: datetime) -> str:
        given = options["period"]
        period = period_of(as_of) if given is None else arguments.period(given)
        if period > (current := period_of(now)):
            raise arguments.bad_argument(
                f"--period: {period} has not begun; the present month is {current}."
            )
        if period < current and not _may_go_on(period):
            raise arguments.bad_argument(
                f"--{'as-of' if given is None else 'period'}: {period} is over, and a month that"
                f" passed is not made good; the present month is {current}."
            )
        return period


def _may_go_on(period: str) -> bool:
    # Of two resets after one another each would give what was spent in between.
    runs = JobRun.objects.using(ledger_database()).filter(job=JobRun.Job.RESET)
    last = runs.order_by("-pk").first()
    # One that seems to run may have died; if not, it is told who is at it.
    begun = {*JobRun.UNFINISHED, JobRun.Status.RUNNING}
    return last is not None and last.period == period and last.status in begun
