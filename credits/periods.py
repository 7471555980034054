"""Calendar months: the period a moment belongs to, and months added to a moment."""

import re
from datetime import UTC, datetime

from dateutil.relativedelta import relativedelta

_PERIOD = re.compile(r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])")


def period_of(moment: datetime) -> str:
    """Return the calendar month of ``moment`` in UTC, as ``2026-11``."""
    # Not %Y: it leaves years before 1000 without their zeros, and periods are compared as text.
    return moment.astimezone(UTC).date().isoformat()[:7]


def parse_period(text: str) -> str:
    """Return ``text``, a calendar month written ``2026-11``; raise ``ValueError`` if it is not."""
    if not _PERIOD.fullmatch(text) or text.startswith("0000"):
        raise ValueError(f"“{text}” is not a month; write it as 2026-11.")
    return text


def start_of(period: str) -> datetime:
    """Return the first moment of a calendar month."""
    year, month = period.split("-")
    return datetime(int(year), int(month), 1, tzinfo=UTC)


def add_months(moment: datetime, months: int) -> datetime:
    """
    Return ``moment`` that many calendar months later, on the last day where the day is missing.

    31 August and six months is 28 February (29 in a leap year), never 3 March.
    """
    return moment.astimezone(UTC) + relativedelta(months=months)
