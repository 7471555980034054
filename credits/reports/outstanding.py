"""What professionals hold, what was paid for it, and when it will be lost."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from django.core.cache import cache

from credits.conf import get_settings
from credits.engine import outlook
from credits.engine.database import ledger_database
from credits.engine.totals import Total, monthly_totals
from credits.models import CreditType
from credits.periods import add_months, period_of, start_of

WINDOWS = (7, 30, 90)
"""Days ahead that the dashboard looks."""

FEW = 10_000
"""Open lots that are looked through each time; more of them are counted once a while."""

KEPT = 15 * 60
"""Seconds for which it is known then."""

_KEY = "credits:ahead"

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Outstanding:
    """All the credits of all professionals, lots included that wait to be written off."""

    free: int
    paid: int
    worth: tuple[tuple[str, Decimal], ...]
    """Currency and what was paid for the paid credits that are left, by currency."""

    @property
    def credits(self) -> int:
        """Free and paid credits together."""
        return self.free + self.paid


@dataclass(frozen=True)
class Expiring:
    """What is lost within some days unless it is spent."""

    days: int
    credits: int
    professionals: int
    warned: int
    """Of the professionals, how many were sent a warning about the day on which they lose."""


@dataclass(frozen=True)
class ExpiryMonth:
    """The credits whose lots expire in a calendar month."""

    begins_at: datetime
    ends_at: datetime
    credits: int
    is_overdue: bool = False
    """Expired already and not written off yet."""

    is_rest: bool = False
    """This month and every one after it."""


@dataclass(frozen=True)
class Ahead:
    """What will be lost, soon and by month."""

    expiring: tuple[Expiring, ...]
    months: tuple[ExpiryMonth, ...]
    counted_at: datetime


def outstanding(totals: Sequence[Total] | None = None) -> Outstanding:
    """Return what is outstanding, from the monthly totals: as of the last transaction."""
    if totals is None:
        totals = monthly_totals(using=ledger_database())
    credits: defaultdict[str, int] = defaultdict(int)
    worth: defaultdict[str, Decimal] = defaultdict(Decimal)
    for total in totals:
        credits[total.credit_type] += total.amount
        if total.currency:
            worth[total.currency] += total.price
    return Outstanding(
        free=credits[CreditType.FREE],
        paid=credits[CreditType.PAID],
        worth=tuple(sorted((name, price) for name, price in worth.items() if price)),
    )


def known_ahead(*, as_of: datetime) -> Ahead | None:
    """Return what will be lost, unless there is so much of it that to count it takes a while."""
    known: Ahead | None = cache.get(_KEY)
    if known or outlook.are_more_open_than(FEW, using=ledger_database()):
        return known
    return _counted(as_of)


def ahead(*, as_of: datetime) -> Ahead:
    """Return what will be lost, counted now or, where that takes a while, a short while ago."""
    if known := known_ahead(as_of=as_of):
        return known
    counted = _counted(as_of)
    cache.set(_KEY, counted, KEPT)
    return counted


def _counted(as_of: datetime) -> Ahead:
    return Ahead(tuple(expiring(as_of=as_of)), tuple(by_expiry_month(as_of=as_of)), as_of)


def expiring(*, as_of: datetime) -> list[Expiring]:
    """Return what will be lost within each of the ``WINDOWS``, and how many know."""
    using = ledger_database()
    spans = [timedelta(days=days) for days in WINDOWS]
    leads = get_settings().expiry_warning_days
    lost = outlook.expiring_within(spans, as_of=as_of, using=using)
    warned = outlook.warned_within(
        spans, as_of=as_of, longest_lead=max(leads, default=0) + 1, using=using
    )
    return [
        Expiring(days, credits, professionals, told)
        for days, (credits, professionals), told in zip(WINDOWS, lost, warned, strict=True)
    ]


def by_expiry_month(*, as_of: datetime, months: int = 12) -> list[ExpiryMonth]:
    """
    Return the open credits by the calendar month of their expiry, from that of ``as_of`` on.

    What is overdue stands before them, and what expires after the last of ``months`` in one
    entry behind them; either only if there is any. Months without credits at the end are left out.
    """
    first = start_of(period_of(as_of))
    starts = [add_months(first, number) for number in range(1, months + 1)]
    bounds = [_BEGINNING, as_of, *starts, _END]
    credits = outlook.open_between(bounds, using=ledger_database())
    rows = [
        ExpiryMonth(
            begin,
            end,
            amount,
            is_overdue=begin == _BEGINNING,
            is_rest=end == _END,
        )
        for (begin, end), amount in zip(pairwise(bounds), credits, strict=True)
    ]
    overdue, *ahead = rows
    while ahead and not ahead[-1].credits:
        ahead.pop()
    return ([overdue] if overdue.credits else []) + ahead
