"""
What becomes of the jobs where cron's zone is not that of the months.

Cron reads a schedule in the zone of its host. The ledger's months begin where
``CREDITS["PERIOD_TIME_ZONE"]`` says, its days in UTC.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsim import CronSim

from credits.management.crontab import Job
from credits.periods import period_of, period_zone, start_of

RESET = "reset_monthly_credits"
EXPIRY = "expire_credits"
DUE_CHECK = "run_due_credit_jobs"

# What cron reads. Not tzlocal's answer, nor TZ: Django has set TZ to TIME_ZONE in this process.
LOCALTIME = Path("/etc/localtime")

_A_YEAR = timedelta(days=370)
_MOMENT = "%Y-%m-%d %H:%M"


def host_zone() -> tzinfo:
    """Return the zone of this host, whatever Django made of this process's."""
    if not LOCALTIME.exists():
        return UTC
    _, _, name = str(LOCALTIME.resolve()).rpartition("/zoneinfo/")
    with LOCALTIME.open("rb") as file:
        return ZoneInfo.from_file(file, key=name or str(LOCALTIME))


def is_of_the_months(zone: tzinfo, *, as_of: datetime) -> bool:
    """Return whether the zone's clock is that of the months all through the year from ``as_of``."""
    days = (as_of + timedelta(days=day) for day in range(_A_YEAR.days))
    own = period_zone()
    return all(day.astimezone(zone).utcoffset() == day.astimezone(own).utcoffset() for day in days)


def consequences(jobs: Iterable[Job], zone: tzinfo, *, as_of: datetime) -> list[str]:
    """Return, line by line, when the jobs of cron would run in ``zone`` and what that means."""
    jobs = list(jobs)
    lines = []
    for job in jobs:
        if _fires_all_day(job, zone, as_of):
            continue
        upcoming = list(takewhile(lambda at: at < as_of + _A_YEAR, _firings(job, zone, as_of)))
        lines.append(f"  {job.schedule}  {job.name}: next at {_utc(upcoming[0])}.")
        if job.name == RESET:
            lines.append(f"    {_of_reset(upcoming, jobs, zone)}")
        elif job.name == EXPIRY:
            lines.append("    Harmless: what has expired cannot be spent, written off or not.")
        lines += [f"    {sentence}" for sentence in _summer_time(job, upcoming)]
    return lines


def _firings(job: Job, zone: tzinfo, since: datetime) -> Iterator[datetime]:
    """Yield the moments at which Debian's cron runs a job, in the zone's own time."""
    return CronSim(job.schedule, since.astimezone(zone))


def _fires_all_day(job: Job, zone: tzinfo, as_of: datetime) -> bool:
    # Every quarter of an hour is that in any zone.
    first, second = islice(_firings(job, zone, as_of), 2)
    return second - first < timedelta(hours=12)


def _of_reset(upcoming: list[datetime], jobs: list[Job], zone: tzinfo) -> str:
    early = [at for at in upcoming if period_of(at) < f"{at:%Y-%m}"]
    if not early:
        return f"Harmless: by then the month has begun in {period_zone()} too, and is reset."
    first = early[0]
    month = f"{first:%Y-%m}"
    sentence = (
        f"{len(early)} of its next {len(upcoming)} runs come before the month begins in"
        f" {period_zone()}, as that at {_utc(first)}: it finds {period_of(first)} reset already and"
        " does nothing."
    )
    made_good = [
        next(_firings(job, zone, start_of(month) - timedelta(minutes=1)))
        for job in jobs
        if job.name == DUE_CHECK
    ]
    if not made_good:
        return f"{sentence} Nobody makes {month} good: add {DUE_CHECK} to CRONJOBS."
    return f"{sentence} {DUE_CHECK} makes {month} good at {_utc(min(made_good))}."


def _summer_time(job: Job, upcoming: list[datetime]) -> Iterator[str]:
    """Yield a sentence for each time of day that the clock leaves out or shows twice."""
    for at in upcoming:
        shown = at.replace(tzinfo=None)
        asked = next(islice(CronSim(job.schedule, shown - timedelta(minutes=1)), 1))
        if asked != shown:
            yield (
                f"On {at:%Y-%m-%d} the clock leaves that minute out: cron runs it when the clock"
                f" has moved on, at {_utc(at)}."
            )
        elif at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset():
            yield (
                f"On {at:%Y-%m-%d} the clock shows that minute twice: Debian's cron runs it once,"
                " and a second run would find nothing to do."
            )


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):{_MOMENT}} UTC"
