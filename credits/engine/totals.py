"""
What the ledger adds up to, month by month, without reading it: totals of all that was counted.

What the two jobs wrote stands in their runs, which count it in the transaction that writes it; only
what it was worth is counted here. Of everybody else's rows ``roll_up`` counts what is new, by key,
and ``monthly_totals`` adds what is not counted yet.

Keys are drawn in order but not committed in order: on PostgreSQL and MariaDB a transaction that is
still open may yet bring a lower key than one that is there. So the end of the ledger is noted
first, and counted once every transaction that was open at that moment is over. Nobody waits for
anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import connections, transaction
from django.db.models import F, Max

from credits.conf import get_settings
from credits.engine.database import attempts
from credits.engine.inserting import insert_unless_there
from credits.engine.mariadb import gate_of, is_gate_free
from credits.models import (
    CreditTransaction,
    CreditType,
    JobRun,
    MonthlyTotal,
    TotalsMark,
    TransactionType,
)


@dataclass(frozen=True)
class Total:
    """What the rows of one month, type, pool and currency add up to."""

    period: str
    transaction_type: str
    credit_type: str
    currency: str
    """Of the price; empty for the credits, which have none."""

    count: int
    """Transactions."""

    amount: int
    """Signed change of the balances, in credits."""

    price: Decimal
    """Signed change of what the open lots are worth, in the currency; of purchases, the sales."""

    def joined_by(self, other: "Total") -> "Total":
        """Return both as one."""
        return replace(
            self,
            count=self.count + other.count,
            amount=self.amount + other.amount,
            price=self.price + other.price,
        )


_PERIOD = {
    # Django's Python function, for each row.
    "sqlite": "SUBSTR(django_datetime_cast_date({moment}, '{zone}', 'UTC'), 1, 7)",
    "postgresql": "TO_CHAR({moment} AT TIME ZONE '{zone}', 'YYYY-MM')",
    # Nothing, and refused by its column, where the server was taught no zones: credits.E027.
    "mysql": "CAST(CONVERT_TZ({moment}, '+00:00', '{zone}') AS CHAR(7))",
}

# A moment is UTC, and as text it begins with its month.
_PERIOD_OF_TEXT = {
    "sqlite": "SUBSTR({moment}, 1, 7)",
    "mysql": "CAST({moment} AS CHAR(7))",
}

# Credits, what lots brought, what draws took: each row and each allocation is read once. A run's
# rows are left to the run, all but what they drew.
_COUNTED = """
WITH moved AS (
    SELECT {period} AS period, t.transaction_type, t.credit_type,
        CASE WHEN t.price IS NULL THEN '' ELSE t.currency END AS currency,
        COUNT(*) AS count, SUM(t.amount) AS amount, SUM(t.price) AS price
    FROM credits_credittransaction t WHERE {rows} AND t.run_id IS NULL GROUP BY 1, 2, 3, 4
)
SELECT period, transaction_type, credit_type, '' AS currency, count, amount, 0 AS price FROM moved
UNION ALL
SELECT period, transaction_type, credit_type, currency, 0, 0, price
FROM moved WHERE price IS NOT NULL
UNION ALL
SELECT {period}, t.transaction_type, t.credit_type, lot.currency, 0, 0, SUM(a.price)
FROM credits_creditallocation a
JOIN credits_credittransaction t ON t.id = a.transaction_id
JOIN credits_credittransaction lot ON lot.id = a.lot_id
WHERE {draws} AND a.price IS NOT NULL GROUP BY 1, 2, 3, 4
"""

# A run's rows carry its moment, and its counts are theirs: ``verify_credits`` asks for both.
_RUNS = f"""
SELECT {{period}} AS period,
    CASE r.job WHEN '{JobRun.Job.RESET.value}' THEN '{TransactionType.MONTHLY_RESET.value}'
        ELSE '{TransactionType.EXPIRY.value}' END AS transaction_type,
    CASE r.job WHEN '{JobRun.Job.RESET.value}' THEN '{CreditType.FREE.value}'
        ELSE '{CreditType.PAID.value}' END AS credit_type,
    '' AS currency, r.success_count AS count, r.credits_granted - r.credits_expired AS amount,
    0 AS price
FROM credits_jobrun r WHERE r.success_count > 0
"""

_SUMMED = """
SELECT period, transaction_type, credit_type, currency,
    SUM(count) AS count, SUM(amount) AS amount, SUM(price) AS price
FROM ({parts}) parts GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""

_KEPT = """
SELECT period, transaction_type, credit_type, currency, transaction_count AS count, amount, price
FROM credits_monthlytotal
"""

_MARK = "(SELECT COALESCE(MAX(through), 0) FROM credits_totalsmark)"

# The totals and, in a row without a month, how far they go: of one and the same moment.
_KEPT_AND_MARK = f"{_KEPT} UNION ALL SELECT '', '', '', '', {_MARK}, 0, 0"


def monthly_totals(*, using: str) -> list[Total]:
    """
    Return the totals of the whole ledger: every row once, as of the second of two statements.

    The first reads what was counted and how far, the second what stands behind, and the runs:
    whatever is counted in between is behind that mark still. In one statement PostgreSQL would not
    know how little that is when it makes its plan, and it would prepare for millions of rows.
    """
    kept = _ask(_KEPT_AND_MARK, [], using=using)
    (through,) = (row.count for row in kept if not row.period)
    behind = _counted("{id} > %s", using=using)
    rest = _ask(
        _SUMMED.format(parts=f"{behind} UNION ALL {_runs(using=using)}"),
        [through] * 2,
        using=using,
    )
    return _added_up([row for row in kept if row.period] + rest)


def _added_up(rows: Sequence[Total]) -> list[Total]:
    together: dict[tuple[str, str, str, str], Total] = {}
    for row in rows:
        key = row.period, row.transaction_type, row.credit_type, row.currency
        known = together.get(key)
        together[key] = row if known is None else known.joined_by(row)
    return [together[key] for key in sorted(together)]


def roll_up(*, using: str) -> int:
    """
    Count what is new in the ledger and in no run into the totals; return how many transactions.

    What may still be joined by a lower key waits for the next call. Calling again does no harm.
    """
    notes_first = {"postgresql": _postgresql_step, "mysql": _mariadb_step}
    step = notes_first.get(connections[using].vendor)
    counted = 0
    # Twice: what the first noted, the second can mostly count at once.
    for _ in range(2 if step else 1):
        for attempt in attempts(using=using):
            with attempt, transaction.atomic(using=using):
                rows = (step or _step)(using=using)
        counted += rows
    return counted


def recount(*, using: str) -> int:
    """Forget the totals and count the ledger anew; return how many transactions of no run."""
    with transaction.atomic(using=using):
        mark = _lock_mark(using=using)
        MonthlyTotal.objects.using(using).all().delete()
        TotalsMark.objects.using(using).filter(pk=mark.pk).update(through=0)
    return roll_up(using=using)


def mend(*, using: str) -> int:
    """Recount the ledger if a total is wrong; return how many transactions were counted."""
    with connections[using].cursor() as cursor:
        cursor.execute(f"{offenders(using=using)} LIMIT 1")
        is_wrong = cursor.fetchone() is not None
    return recount(using=using) if is_wrong else 0


def _step(*, using: str) -> int:
    # SQLite: this transaction is the only writer, so the last key is the last.
    mark = _lock_mark(using=using)
    return _count_through(_end(using=using), mark, using=using)


def _postgresql_step(*, using: str) -> int:
    # The order is what makes it safe. Every writer here has its transaction's id before it draws a
    # key, because it locks a balance or moves a run first. So who may still bring a key up to this
    # end has an id by now, below the one that this transaction gets when it locks the mark. The
    # snapshot's own upper end would not do: it is next to the last id that is *over*, and open
    # ones may be above it.
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(MAX(id), 0), txid_current_if_assigned() FROM credits_credittransaction"
        )
        end, id_before = cursor.fetchone()
    mark = _lock_mark(using=using)
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT txid_current(), txid_snapshot_xmin(txid_current_snapshot()),"
            " txid_snapshot_xmax(txid_current_snapshot())"
        )
        own, oldest, beyond = cursor.fetchone()
    counted = 0
    is_over = oldest >= mark.next_horizon
    if is_over and mark.next_through > mark.through:
        counted = _count_through(mark.next_through, mark, using=using)
    # A mark from the future came with a dump into a new cluster, where ids begin anew.
    is_free = is_over or mark.next_horizon > beyond
    # In a transaction that wrote before this, the id is older than the end: nothing to go by.
    if is_free and id_before is None:
        TotalsMark.objects.using(using).filter(pk=mark.pk).update(
            next_through=end, next_horizon=own
        )
    return counted


def _mariadb_step(*, using: str) -> int:
    # Every writer holds one of two gates before it draws a key. Nobody holds the other one while
    # the end is read, for it is locked here: who may still bring a key up to it holds this turn's,
    # and the next turn counts no key before that is free.
    mark = _lock_mark(using=using)
    if not is_gate_free(gate_of(mark.next_horizon + 1), using=using):
        return 0
    counted = 0
    if mark.next_through > mark.through:
        counted = _count_through(mark.next_through, mark, using=using)
    if (end := _end(using=using)) != mark.next_through:
        TotalsMark.objects.using(using).filter(pk=mark.pk).update(
            next_through=end, next_horizon=F("next_horizon") + 1
        )
    return counted


def _count_through(end: int, mark: TotalsMark, *, using: str) -> int:
    new = _ask(
        _SUMMED.format(parts=_counted("{id} > %s AND {id} <= %s", using=using)),
        [mark.through, end] * 2,
        using=using,
    )
    totals = MonthlyTotal.objects.using(using)
    for total in new:
        kept, _ = totals.get_or_create(
            period=total.period,
            transaction_type=total.transaction_type,
            credit_type=total.credit_type,
            currency=total.currency,
        )
        totals.filter(pk=kept.pk).update(
            transaction_count=F("transaction_count") + total.count,
            amount=F("amount") + total.amount,
            price=F("price") + total.price,
        )
    TotalsMark.objects.using(using).filter(pk=mark.pk).update(through=max(end, mark.through))
    return sum(total.count for total in new)


def _lock_mark(*, using: str) -> TotalsMark:
    """Return the one mark, locked: two who count at once would count twice."""
    marks = TotalsMark.objects.using(using)
    insert_unless_there(TotalsMark(pk=1), using=using)
    return marks.select_for_update().get(pk=1)


def _end(*, using: str) -> int:
    end = CreditTransaction.objects.using(using).aggregate(end=Max("pk"))["end"]
    return int(end or 0)


def offenders(*, using: str) -> str:
    """Return the query for the totals that are not what the counted rows add up to."""
    counted = _SUMMED.format(parts=_counted(f"{{id}} <= {_MARK}", using=using))
    turned = f"""
        SELECT period, transaction_type, credit_type, currency, -count, -amount, -price
        FROM ({counted}) counted
    """
    # Rounded: SQLite adds decimals up as floating-point numbers.
    kind = connections[using].ops.quote_name("type")
    return f"""
        SELECT period, transaction_type AS {kind}, credit_type AS pool, currency,
            SUM(count) AS count_off_by, SUM(amount) AS amount_off_by,
            ROUND(SUM(price), 2) AS price_off_by
        FROM ({_KEPT} UNION ALL {turned}) both_ways
        GROUP BY period, transaction_type, credit_type, currency
        HAVING SUM(count) <> 0 OR SUM(amount) <> 0 OR ROUND(SUM(price), 2) <> 0
    """


def _counted(those: str, *, using: str) -> str:
    return _COUNTED.format(
        period=_period("t.created_at", using=using),
        rows=those.format(id="t.id"),
        draws=those.format(id="a.transaction_id"),
    )


def _runs(*, using: str) -> str:
    return _RUNS.format(period=_period("r.as_of", using=using))


def _period(moment: str, *, using: str) -> str:
    vendor, zone = connections[using].vendor, get_settings().period_time_zone
    # The name of a zone that was found, so there is no quote in it.
    short = _PERIOD_OF_TEXT.get(vendor) if zone == "UTC" else None
    return (short or _PERIOD[vendor]).format(moment=moment, zone=zone)


def _ask(sql: str, params: Sequence[Any], *, using: str) -> list[Total]:
    with connections[using].cursor() as cursor:
        # A % of its own has no place in these statements, so both paramstyles read them alike.
        cursor.execute(sql, params or None)
        rows = cursor.fetchall()
    return [
        Total(
            period,
            transaction_type,
            credit_type,
            currency,
            int(count),
            int(amount),
            Decimal(str(price)).quantize(Decimal("0.01")),
        )
        for period, transaction_type, credit_type, currency, count, amount, price in rows
    ]
