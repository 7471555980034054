"""
What is due and what is late: the runs in the database say it, not the clock of whoever calls.

The month's reset is due from the 1st, 00:01 where months begin, until the month has passed or a
whole run of it has succeeded. The expiry is due daily from 02:00 UTC, until a whole run as of that
moment or later has succeeded. A run that failed, ended partial or was interrupted, whoever started
it, is tried again after ``PAUSES``, as long as what it was for is still due.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from credits.conf import get_settings
from credits.engine.database import ledger_database
from credits.jobs.pausing import pause_of, pauses
from credits.models import CreditTransaction, JobPause, JobRun
from credits.periods import add_months, period_of, start_of

RESET_AT = timedelta(minutes=1)
"""From the start of the month until its reset is due."""

EXPIRE_AT = timedelta(hours=2)
"""From midnight UTC until the day's expiry is due."""

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 240, 720))
"""From the end of the first, second … try until the next; the last holds for all that follow."""

RESET_GRACE = timedelta(hours=6)
"""From the start of the month until a reset that has not happened is late."""

EXPIRY_GRACE = timedelta(hours=26)
"""From the last expiry until the next one is late."""


@dataclass(frozen=True)
class Verdict:
    """Whether a job is due at a moment, and when it is due next."""

    job: str
    next_at: datetime
    """When it is due next; of a job that is due, since when."""

    is_due: bool = False
    tries: int = 0
    """How often it was tried in vain since it became due."""

    pause: JobPause | None = None
    """Why it is not started although it may be due."""


@dataclass(frozen=True)
class LateJob:
    """A job that should have run and has not."""

    job: JobRun.Job
    about: str
    """The month or the day that was missed."""

    command: str
    """What mends it."""


def judge_reset(*, as_of: datetime) -> Verdict:
    """Say whether this month's reset is due at ``as_of``."""
    period = period_of(as_of)
    return _judge(
        JobRun.Job.RESET,
        _whole_runs(JobRun.Job.RESET).filter(period=period),
        due_at=start_of(period) + RESET_AT,
        then_at=add_months(start_of(period), 1) + RESET_AT,
        as_of=as_of,
    )


def judge_expiry(*, as_of: datetime) -> Verdict:
    """Say whether the latest day's expiry is due at ``as_of``."""
    due_at = as_of.replace(hour=0, minute=0, second=0, microsecond=0) + EXPIRE_AT
    if due_at > as_of:
        # Yesterday's, which may not have been made good yet.
        due_at -= timedelta(days=1)
    return _judge(
        JobRun.Job.EXPIRY,
        _whole_runs(JobRun.Job.EXPIRY).filter(as_of__gte=due_at),
        due_at=due_at,
        then_at=due_at + timedelta(days=1),
        as_of=as_of,
    )


def _judge(
    job: JobRun.Job,
    runs: QuerySet[JobRun],
    *,
    due_at: datetime,
    then_at: datetime,
    as_of: datetime,
) -> Verdict:
    """
    Judge by the runs that were for what became due at ``due_at``.

    Args:
        then_at: when the job becomes due the next time; what was due before is not any more.
    """
    pause = pause_of(job)
    if runs.filter(status=JobRun.Status.SUCCEEDED).exists():
        return Verdict(job, then_at, pause=pause)
    tried = runs.filter(status__in=JobRun.UNFINISHED)
    # By the key: started_at is what some host's clock said.
    last = tried.order_by("-pk").first()
    tries = 0
    if last is not None:
        tries = tried.count()
        due_at = min(_ended_at(last) + PAUSES[min(tries, len(PAUSES)) - 1], then_at)
    is_due = pause is None and due_at <= as_of
    return Verdict(job, due_at, is_due=is_due, tries=tries, pause=pause)


def _ended_at(run: JobRun) -> datetime:
    # How long it took is right by the clock of any host; when it was is not.
    return run.as_of + ((run.finished_at or run.heartbeat_at) - run.started_at)


def _whole_runs(job: JobRun.Job) -> QuerySet[JobRun]:
    return JobRun.objects.using(ledger_database()).filter(job=job, is_whole=True)


def late_jobs(*, as_of: datetime) -> list[LateJob]:
    """
    Return the jobs that are late at ``as_of``.

    A job that is paused or under way is not late, and nothing is before there was anything to do:
    the grace begins with the first transaction or run there ever was.
    """
    happened = Q(status__in=[JobRun.Status.SUCCEEDED, JobRun.Status.PARTIAL])
    missed = []

    period = period_of(as_of)
    resets = _whole_runs(JobRun.Job.RESET).filter(happened, period=period)
    if start_of(period) + RESET_GRACE <= as_of and not resets.exists():
        command = f"manage.py reset_monthly_credits --period {period}"
        missed.append((RESET_GRACE, LateJob(JobRun.Job.RESET, period, command)))

    expiries = _whole_runs(JobRun.Job.EXPIRY).filter(happened, as_of__gt=as_of - EXPIRY_GRACE)
    if not expiries.exists():
        late = LateJob(JobRun.Job.EXPIRY, f"{as_of:%Y-%m-%d}", "manage.py expire_credits")
        missed.append((EXPIRY_GRACE, late))

    # Mostly all has happened, and what would excuse it need not be known.
    if not missed or (begun_at := _begun_at()) is None:
        return []
    excused = {*pauses(), *_under_way(as_of=as_of)}
    return [late for grace, late in missed if begun_at + grace <= as_of and late.job not in excused]


def _under_way(*, as_of: datetime) -> QuerySet[JobRun, str]:
    alive_since = as_of - timedelta(seconds=get_settings().lease_seconds)
    runs = JobRun.objects.using(ledger_database()).filter(status=JobRun.Status.RUNNING)
    return runs.filter(heartbeat_at__gt=alive_since).values_list("job", flat=True)


def _begun_at() -> datetime | None:
    """Return when the first transaction was written or the first run was for."""
    using = ledger_database()
    runs = JobRun.objects.using(using).order_by("pk").values_list("as_of", flat=True)
    transactions = CreditTransaction.objects.using(using).order_by("created_at", "pk")
    found = [*runs[:1], *transactions.values_list("created_at", flat=True)[:1]]
    return min(found, default=None)
