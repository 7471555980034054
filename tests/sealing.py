"""How a test seals: days are closed one after the other, and what was said of them is asked."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Max

from credits.engine import totals
from credits.engine.seals import SealReport, check_seals
from credits.jobs.sealing import seal_days
from credits.models import CreditTransaction, DaySeal, MonthlyTotal

CLOSING = datetime(2026, 3, 2, 2, tzinfo=UTC)
"""When the first day is sealed."""

A_DAY = timedelta(days=1)


def close_day(number: int = 0, *, since: datetime = CLOSING) -> DaySeal | None:
    """Seal the day before ``since``, or one so many days after it."""
    if connection.in_atomic_block:
        # The test's own transaction is open for ever, and counting would wait for it.
        count_all()
    return seal_days(as_of=since + number * A_DAY)


def count_all(*, anew: bool = False) -> None:
    """Count the whole ledger into the monthly totals, from inside a transaction that wrote."""
    mark = totals._lock_mark(using="default")  # noqa: SLF001
    if anew:
        MonthlyTotal.objects.all().delete()
        mark.through = 0
    end = CreditTransaction.objects.aggregate(end=Max("pk"))["end"] or 0
    totals._count_through(end, mark, using="default")  # noqa: SLF001


def report(**asked: object) -> SealReport:
    """Compare the ledger with its seals, right after the last."""
    last = DaySeal.objects.order_by("number").last()
    as_of = last.sealed_at if last else CLOSING
    options = {"keys": [settings.CREDITS["SEAL_KEY"]], "as_of": as_of, "using": "default"} | asked
    return check_seals(**options)


def breaches(**asked: object) -> list[str]:
    """Return what is not as it was sealed, the day before each."""
    return [f"{breach.day}: {breach.what}" for breach in report(**asked).breaches]
