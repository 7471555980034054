"""
What is open and when it will be lost, through the index of open lots by expiry alone; and how the
last notices fared.

A few statements, each over ranges of that index: nothing of the ledger itself is read. Who loses
credits is counted lot by lot, so that is asked only where the lots are few, or seldom.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connections

from credits.models import CreditTransaction, Notice

_OPEN_BETWEEN = """
SELECT {place} AS place, SUM(remaining_amount) FROM credits_credittransaction
WHERE remaining_amount > 0 AND expires_at >= %s AND expires_at < %s
"""

_EXPIRING = """
SELECT {sums}, {counts} FROM (
    SELECT professional_id, MIN(expires_at) AS first, {lost}
    FROM credits_credittransaction
    WHERE remaining_amount > 0 AND expires_at > %s AND expires_at < %s
    GROUP BY professional_id
) owners
"""

_DAY = {
    # A moment is stored as UTC text that begins with its day.
    "sqlite": "SUBSTR(lot.expires_at, 1, 10)",
    "mysql": "CAST(lot.expires_at AS CHAR(10))",
    "postgresql": "TO_CHAR(lot.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}

# The key of a warning is ``expiry_warning:2026-03-01:7:42``: the day that it is about is in it.
# Few notices, then their owner's lots: the other way round every open lot would be looked at.
_WARNED = """
SELECT {counts} FROM (
    SELECT warning.professional_id, MIN(lot.expires_at) AS first
    FROM credits_notice warning
    JOIN credits_credittransaction lot ON lot.professional_id = warning.professional_id
        AND lot.remaining_amount > 0 AND lot.expires_at > %s AND lot.expires_at < %s
        AND {day} = SUBSTR(warning.key, {begin}, 10)
    WHERE warning.kind = %s AND warning.created_at >= %s AND warning.status IN (%s, %s)
    GROUP BY warning.professional_id
) owners
"""

_LAST_OUTCOMES = """
SELECT status, COUNT(*) FROM (SELECT status FROM credits_notice ORDER BY id DESC LIMIT %s) latest
GROUP BY status
"""


def open_between(bounds: Sequence[datetime], *, using: str) -> list[int]:
    """Return the credits of the open lots that expire from each bound until before the next."""
    pairs = list(pairwise(bounds))
    statement = " UNION ALL ".join(_OPEN_BETWEEN.format(place=place) for place in range(len(pairs)))
    moments = [moment for pair in pairs for moment in pair]
    found = dict(_ask(statement, moments, using=using))
    return [int(found[place] or 0) for place in range(len(pairs))]


def are_more_open_than(number: int, *, using: str) -> bool:
    """Say whether there are more open lots than that; looks at so many of them at most."""
    # In the order of the index: without it PostgreSQL may look for them in the whole table.
    lots = CreditTransaction.objects.using(using).open_lots().order_by("expires_at")
    return bool(lots.values("expires_at")[number : number + 1])


def expiring_within(
    spans: Sequence[timedelta], *, as_of: datetime, using: str
) -> list[tuple[int, int]]:
    """Return, for each span from ``as_of`` on, the credits that expire and whose they are."""
    ends = [as_of + span for span in spans]
    places = range(len(ends))
    statement = _EXPIRING.format(
        sums=", ".join(f"SUM(lost_{place})" for place in places),
        counts=_counts(len(ends)),
        lost=", ".join(
            f"SUM(CASE WHEN expires_at < %s THEN remaining_amount ELSE 0 END) AS lost_{place}"
            for place in places
        ),
    )
    (row,) = _ask(statement, [*ends, *ends, as_of, max(ends)], using=using)
    numbers = [int(number or 0) for number in row]
    return list(zip(numbers[: len(ends)], numbers[len(ends) :], strict=True))


def warned_within(
    spans: Sequence[timedelta], *, as_of: datetime, longest_lead: int, using: str
) -> list[int]:
    """
    Return, for each span, how many owners were sent a warning of the day their lot expires.

    Args:
        longest_lead: days; no warning of a lot that is still open was promised before.
    """
    ends = [as_of + span for span in spans]
    kind = Notice.Kind.EXPIRY_WARNING
    statement = _WARNED.format(
        counts=_counts(len(ends)),
        day=_DAY[connections[using].vendor],
        begin=len(kind.value) + 2,
    )
    told = [Notice.Status.SENT.value, Notice.Status.DELIVERED.value]
    begin = as_of - timedelta(days=longest_lead)
    (row,) = _ask(statement, [*ends, as_of, max(ends), kind.value, begin, *told], using=using)
    return [int(number or 0) for number in row]


def last_outcomes(number: int, *, using: str) -> dict[str, int]:
    """Return how many of the last notices have each status; those with none are left out."""
    return dict(_ask(_LAST_OUTCOMES, [number], using=using))


def _counts(spans: int) -> str:
    return ", ".join(["SUM(CASE WHEN first < %s THEN 1 ELSE 0 END)"] * spans)


def _ask(sql: str, params: Sequence[Any], *, using: str) -> list[Any]:
    connection = connections[using]
    values = [
        connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
        for value in params
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
