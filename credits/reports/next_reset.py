"""The reset to come: when, for how many, and how many credits. Its sums ask every professional."""

from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache

from credits.engine.database import ledger_database
from credits.jobs.reset import forecast_reset
from credits.models import JobRun
from credits.periods import add_months, period_of, start_of

KEPT = 15 * 60
"""Seconds for which the sums are kept."""


@dataclass(frozen=True)
class ResetDate:
    """Which reset is next."""

    period: str
    at: datetime
    """The first moment of its month."""

    is_outstanding: bool
    """Its month has begun, and it should have happened."""


@dataclass(frozen=True)
class NextReset:
    """What the next reset would do if it happened now."""

    date: ResetDate
    professionals: int
    """Whom it would reset."""

    granted: int
    """Credits it would add."""

    expired: int
    """Credits it would take from who holds more than the monthly amount."""

    computed_at: datetime


def next_reset_date(*, as_of: datetime) -> ResetDate:
    """Return the reset that is next: this month's until a whole one succeeded."""
    period = period_of(as_of)
    done = JobRun.objects.using(ledger_database()).filter(
        job=JobRun.Job.RESET, period=period, is_whole=True, status=JobRun.Status.SUCCEEDED
    )
    if not done.exists():
        return ResetDate(period, start_of(period), is_outstanding=True)
    at = add_months(start_of(period), 1)
    return ResetDate(period_of(at), at, is_outstanding=False)


def known_reset(date: ResetDate) -> NextReset | None:
    """Return the sums if they were computed a short while ago."""
    known: NextReset | None = cache.get(_key(date))
    return known


def next_reset(*, as_of: datetime) -> NextReset:
    """
    Return what the next reset will do; asks every professional unless it is known.

    Raises:
        NoEligibilityRule: the project does not say who is eligible.
    """
    date = next_reset_date(as_of=as_of)
    if known := known_reset(date):
        return known
    tally = forecast_reset(as_of=as_of, period=date.period).tally
    computed = NextReset(date, tally.succeeded, tally.granted, tally.expired, computed_at=as_of)
    cache.set(_key(date), computed, KEPT)
    return computed


def _key(date: ResetDate) -> str:
    return f"credits:next-reset:{date.period}:{date.is_outstanding:d}"
