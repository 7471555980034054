"""
Calendar months: the period a moment belongs to, and months added to a moment.

Months begin where ``CREDITS["PERIOD_TIME_ZONE"]`` says, in UTC if it says nothing.
"""

import re
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from credits.conf import get_settings

_PERIOD = re.compile(r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])")


def period_zone() -> tzinfo:
    """Return the zone whose calendar the months are of."""
    name = get_settings().period_time_zone
    return UTC if name == "UTC" else ZoneInfo(name)


def period_of(moment: datetime) -> str:
    """Return the calendar month of ``moment``, as ``2026-11``."""
    # Not %Y: it leaves years before 1000 without their zeros, and periods are compared as text.
    return moment.astimezone(period_zone()).date().isoformat()[:7]


def parse_period(text: str) -> str:
    """Return ``text``, a calendar month written ``2026-11``; raise ``ValueError`` if it is not."""
    if not _PERIOD.fullmatch(text) or text.startswith("0000"):
        raise ValueError(f"“{text}” is not a month; write it as 2026-11.")
    return text


def first_day_of(period: str) -> date:
    """Return the first day of a calendar month: what to write its name from."""
    year, month = period.split("-")
    return date(int(year), int(month), 1)


def start_of(period: str) -> datetime:
    """Return the first moment of a calendar month, in UTC."""
    first = first_day_of(period)
    return datetime(first.year, first.month, 1, tzinfo=period_zone()).astimezone(UTC)


def add_months(moment: datetime, months: int) -> datetime:
    """
    Return ``moment`` that many calendar months later, on the last day where the day is missing.

    31 August and six months is 28 February (29 in a leap year), never 3 March.
    """
    local = moment.astimezone(period_zone())
    return (local + relativedelta(months=months)).astimezone(UTC)
