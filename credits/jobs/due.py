"""What did not happen: the database says when each job last succeeded, not the caller's clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from credits.engine.database import ledger_database
from credits.models import JobRun
from credits.periods import period_of, start_of

RESET_GRACE = timedelta(hours=6)
"""From the start of the month until a reset that has not happened is late."""

EXPIRY_GRACE = timedelta(hours=26)
"""From the last expiry until the next one is late."""


@dataclass(frozen=True)
class LateJob:
    """A job that should have run and has not."""

    job: JobRun.Job
    about: str
    """The month or the day that was missed."""

    command: str
    """What mends it."""


def late_jobs(*, as_of: datetime) -> list[LateJob]:
    """Return the jobs that are late at ``as_of``."""
    done = JobRun.objects.using(ledger_database()).filter(
        is_whole=True, status__in=[JobRun.Status.SUCCEEDED, JobRun.Status.PARTIAL]
    )
    late = []
    period = period_of(as_of)
    resets = done.filter(job=JobRun.Job.RESET, period=period)
    if as_of >= start_of(period) + RESET_GRACE and not resets.exists():
        late.append(
            LateJob(JobRun.Job.RESET, period, f"manage.py reset_monthly_credits --period {period}")
        )
    expiries = done.filter(job=JobRun.Job.EXPIRY, as_of__gt=as_of - EXPIRY_GRACE)
    if not expiries.exists():
        late.append(LateJob(JobRun.Job.EXPIRY, f"{as_of:%Y-%m-%d}", "manage.py expire_credits"))
    return late
