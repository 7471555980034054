from credits.engine.tally import Forecast
from credits.jobs.expiry import expire_credits, forecast_expiry
from credits.jobs.running import Watch
from credits.management.job_command import JobCommand, Order
from credits.management.job_report import JobReport
from credits.models import JobRun


class ExpiryReport(JobReport):
    job = JobRun.Job.EXPIRY
    title = "Credit expiry"
    noun = "expired lots of purchased credits"


class Command(JobCommand):
    help = "Write off what is left in every lot whose expiry has passed."
    report_class = ExpiryReport
    may_look_ahead = True
    examples = """\
  manage.py expire_credits                           every lot that has expired by now
  manage.py expire_credits --dry-run --as-of 2027-01-01    what will be lost by then
  manage.py expire_credits --professional 42 --professional aisha@example.com
  manage.py expire_credits --chunk-size 1000 -v 2    small bites, a line for each lot
"""

    def forecast(self, order: Order) -> Forecast:
        return forecast_expiry(
            as_of=order.as_of, professionals=order.professionals, limit=order.limit
        )

    def run_job(self, order: Order, watch: Watch) -> JobRun:
        return expire_credits(
            as_of=order.as_of,
            professionals=order.professionals,
            limit=order.limit,
            chunk_size=order.chunk_size,
            trigger=order.trigger,
            even_if_paused=order.even_if_paused,
            watch=watch,
        )
