"""
Six months from a date that has no like six months later, and an expiry to the microsecond.

The control is the original's ``setMonth(+6)``, which makes 3 March of 31 August.
"""

import calendar
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection

from credits.exceptions import InsufficientCredits
from credits.jobs.expiry import expire_credits
from credits.ledger import balance_of, spend
from proof.findings import Finding
from proof.stage import clear
from proof.time_travel import BEGIN, only_jobs
from tests.factories import buy, make_professional

MOMENT = timedelta(microseconds=1)


def months_without_the_day() -> Finding:
    """Buy on every date that has no same day six months later; expire a microsecond around it."""
    begun = time.monotonic()
    complaints: list[str] = []
    clear()
    days = [BEGIN + timedelta(days=number, hours=9) for number in range(365 * 4 + 1)]
    odd = [day for day in days if day.day > _length(_months_later(day))]
    with only_jobs():
        for day in odd:
            complaints += [f"{day:%Y-%m-%d}: {complaint}" for complaint in _one_lot(day)]
    control = sum(_as_javascript(day) != _clamped(day) for day in odd)
    clear()
    return Finding(
        experiment="time: days that are not",
        engine=connection.vendor,
        trials=len(odd),
        trial="dates",
        complaints=tuple(complaints),
        control_trials=len(odd),
        control_bad=control,
        seconds=time.monotonic() - begun,
        remarks="the control is setMonth(+6)",
    )


def _one_lot(day: datetime) -> Iterator[str]:
    person = make_professional()
    lot = buy(person, 10, at=day)
    expires_at = _clamped(day)
    if lot.expires_at != expires_at:
        yield f"expires at {lot.expires_at}, not {expires_at}"
    only = [person.pk]
    if expire_credits(as_of=expires_at - MOMENT, professionals=only).success_count:
        yield "was written off a microsecond early"
    one = {"professional_id": person.pk, "amount": 1}
    spend(**one, at=expires_at - MOMENT, idempotency_key=f"last-{person.pk}")
    try:
        spend(**one, at=expires_at, idempotency_key=f"late-{person.pk}")
        yield "could be spent at its expiry"
    except InsufficientCredits:
        pass
    written = [
        expire_credits(as_of=expires_at + after, professionals=only).credits_expired
        for after in (timedelta(0), MOMENT)
    ]
    if written != [9, 0] or balance_of(person.pk).total:
        yield f"wrote off {written}, not [9, 0]"


def _months_later(day: datetime) -> tuple[int, int]:
    """Return year and month six months later, by arithmetic of this file's own."""
    year, month = divmod(day.year * 12 + day.month - 1 + 6, 12)
    return year, month + 1


def _length(month: tuple[int, int]) -> int:
    return calendar.monthrange(*month)[1]


def _clamped(day: datetime) -> datetime:
    year, month = _months_later(day)
    return day.replace(year=year, month=month, day=min(day.day, _length((year, month))))


def _as_javascript(day: datetime) -> datetime:
    year, month = _months_later(day)
    return day.replace(year=year, month=month, day=1) + timedelta(days=day.day - 1)
