"""
Does every credit have its row? Each invariant is one question in SQL, whose rows are offenders.

A question reads its tables once, in bulk; nothing is asked a professional at a time.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connections

from credits.engine import totals
from credits.engine.database import interrupt


@dataclass(frozen=True)
class Invariant:
    """What must be true, and the query for what is not."""

    name: str
    sentence: str
    offenders: str


@dataclass(frozen=True)
class Finding:
    """How one invariant stands."""

    invariant: Invariant
    count: int
    """Offenders in all."""

    shown: tuple[str, ...]
    """The first offenders, one line each."""


LEDGER_SUMS = """
SELECT professional_id,
    SUM(CASE WHEN credit_type = 'free' THEN amount ELSE 0 END) AS free,
    SUM(CASE WHEN credit_type = 'paid' THEN amount ELSE 0 END) AS paid,
    SUM(remaining_amount) AS remaining,
    SUM(CASE WHEN transaction_type IN ('purchase', 'bonus', 'adjustment')
          OR (transaction_type = 'monthly_reset' AND amount > 0) THEN amount ELSE 0 END) AS earned,
    -SUM(CASE WHEN transaction_type IN ('spend', 'refund') THEN amount ELSE 0 END) AS spent,
    -SUM(CASE WHEN transaction_type = 'expiry'
          OR (transaction_type = 'monthly_reset' AND amount < 0) THEN amount ELSE 0 END) AS expired
FROM credits_credittransaction GROUP BY professional_id
"""

BALANCES = Invariant(
    "balances",
    "free, paid and lifetime credits are the sums of the ledger's rows, paid also of its lots",
    f"""
    SELECT b.professional_id AS professional, b.free_credits, b.paid_credits,
        COALESCE(l.free, 0) AS free_in_ledger, COALESCE(l.paid, 0) AS paid_in_ledger,
        COALESCE(l.remaining, 0) AS paid_in_lots,
        b.lifetime_earned - COALESCE(l.earned, 0) AS earned_off_by,
        b.lifetime_spent - COALESCE(l.spent, 0) AS spent_off_by,
        b.lifetime_expired - COALESCE(l.expired, 0) AS expired_off_by
    FROM credits_creditbalance b
    LEFT JOIN ({LEDGER_SUMS}) l ON l.professional_id = b.professional_id
    WHERE b.free_credits <> COALESCE(l.free, 0)
        OR b.paid_credits <> COALESCE(l.paid, 0)
        OR b.paid_credits <> COALESCE(l.remaining, 0)
        OR b.lifetime_earned <> COALESCE(l.earned, 0)
        OR b.lifetime_spent <> COALESCE(l.spent, 0)
        OR b.lifetime_expired <> COALESCE(l.expired, 0)
    """,
)

INVARIANTS = (
    BALANCES,
    Invariant(
        "owners",
        "every transaction belongs to a professional with a balance",
        """
        SELECT DISTINCT t.professional_id AS professional FROM credits_credittransaction t
        LEFT JOIN credits_creditbalance b ON b.professional_id = t.professional_id
        WHERE b.professional_id IS NULL
        """,
    ),
    Invariant(
        "chain",
        "each transaction's balance before is the balance after the one before it",
        """
        SELECT id AS "transaction", professional_id AS professional, balance_before,
            carried AS expected
        FROM (SELECT id, professional_id, balance_before, balance_after, amount,
                COALESCE(LAG(balance_after) OVER (PARTITION BY professional_id ORDER BY id), 0)
                    AS carried
            FROM credits_credittransaction) chain
        WHERE balance_before <> carried OR balance_after <> balance_before + amount
        """,
    ),
    Invariant(
        "lots",
        "what a lot granted and what was drawn from it make what remains",
        """
        SELECT t.id AS lot, t.granted_amount, t.remaining_amount, COALESCE(a.moved, 0) AS moved
        FROM credits_credittransaction t
        LEFT JOIN (SELECT lot_id, SUM(amount) AS moved FROM credits_creditallocation
            GROUP BY lot_id) a ON a.lot_id = t.id
        WHERE (t.granted_amount <> 0 OR t.remaining_amount <> 0 OR a.moved IS NOT NULL)
            AND (t.remaining_amount <> t.granted_amount + COALESCE(a.moved, 0)
                OR t.remaining_amount < 0)
        """,
    ),
    Invariant(
        "prices",
        "what was paid for a lot and what went with the credits drawn make what the rest is worth",
        # Rounded: SQLite adds decimals up as floating-point numbers.
        """
        SELECT t.id AS lot, t.price, COALESCE(a.moved, 0) AS moved, t.remaining_price
        FROM credits_credittransaction t
        LEFT JOIN (SELECT lot_id, SUM(price) AS moved FROM credits_creditallocation
            GROUP BY lot_id) a ON a.lot_id = t.id
        WHERE (t.price IS NULL AND (t.remaining_price IS NOT NULL OR a.moved IS NOT NULL))
            OR (t.price IS NOT NULL AND (t.granted_amount = 0 OR t.remaining_price IS NULL
                OR t.remaining_price < 0 OR t.currency = ''
                OR ROUND(t.price + COALESCE(a.moved, 0) - t.remaining_price, 2) <> 0
                OR (t.remaining_amount = 0 AND t.remaining_price <> 0)))
        """,
    ),
    Invariant(
        "allocations",
        "what a paid transaction allocated and granted makes its amount; a free one does neither",
        """
        SELECT t.id AS "transaction", t.amount, t.granted_amount,
            COALESCE(a.moved, 0) AS allocated
        FROM credits_credittransaction t
        LEFT JOIN (SELECT transaction_id, SUM(amount) AS moved FROM credits_creditallocation
            GROUP BY transaction_id) a ON a.transaction_id = t.id
        WHERE (t.credit_type = 'paid' AND t.amount <> t.granted_amount + COALESCE(a.moved, 0))
            OR (t.credit_type <> 'paid' AND (t.granted_amount <> 0 OR a.moved IS NOT NULL))
        """,
    ),
    Invariant(
        "own lots",
        "nobody draws from another professional's lot, nor on one that has expired",
        # What refers to no row is named as well: of a life that is gone nothing else tells.
        """
        SELECT a.id AS allocation, a.lot_id AS lot, a.transaction_id AS "transaction"
        FROM credits_creditallocation a
        LEFT JOIN credits_credittransaction lot ON lot.id = a.lot_id
        LEFT JOIN credits_credittransaction t ON t.id = a.transaction_id
        WHERE lot.id IS NULL OR t.id IS NULL OR lot.professional_id <> t.professional_id
            OR (t.transaction_type <> 'expiry' AND t.created_at >= lot.expires_at)
        """,
    ),
    Invariant(
        "resets",
        "each professional has at most one monthly reset a period",
        """
        SELECT MIN(id) AS "transaction", professional_id AS professional,
            COUNT(*) AS resets, MIN(idempotency_key) AS "key"
        FROM credits_credittransaction WHERE transaction_type = 'monthly_reset'
        GROUP BY professional_id, SUBSTR(idempotency_key, 1, 13)
        HAVING COUNT(*) > 1 OR COUNT(idempotency_key) = 0
            OR MIN(idempotency_key) NOT LIKE 'reset:____-__:%%'
        """,
    ),
    Invariant(
        "expiries",
        "each lot is expired at most once, by its owner, and not before it expires",
        """
        SELECT t.id AS "transaction", t.origin_id AS lot
        FROM credits_credittransaction t
        LEFT JOIN credits_credittransaction lot ON lot.id = t.origin_id
        WHERE t.transaction_type = 'expiry' AND (lot.id IS NULL OR lot.expires_at IS NULL
            OR t.created_at < lot.expires_at OR lot.professional_id <> t.professional_id)
        UNION ALL
        SELECT MAX(id), origin_id FROM credits_credittransaction
        WHERE transaction_type = 'expiry' GROUP BY origin_id HAVING COUNT(*) > 1
        """,
    ),
    Invariant(
        "refunds",
        "no spend is refunded beyond what it took, nor to another professional",
        """
        SELECT spend.id AS spend, spend.amount, SUM(r.amount) AS refunded
        FROM credits_credittransaction r
        JOIN credits_credittransaction spend ON spend.id = r.origin_id
        WHERE r.transaction_type = 'refund'
        GROUP BY spend.id, spend.amount, spend.transaction_type
        HAVING SUM(r.amount) > -spend.amount OR spend.transaction_type <> 'spend'
            OR SUM(CASE WHEN r.professional_id = spend.professional_id THEN 0 ELSE 1 END) > 0
        """,
    ),
    Invariant(
        "runs",
        "a run's counts are those of the transactions and failures that carry its id, and the"
        " transactions carry its moment",
        # From all ids there are: of a run that is gone the rows that carry its id still tell.
        """
        WITH written AS (SELECT run_id, COUNT(*) AS written,
                SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS granted,
                -SUM(CASE WHEN amount < 0 THEN amount ELSE 0 END) AS expired,
                MIN(created_at) AS first_at, MAX(created_at) AS last_at
            FROM credits_credittransaction WHERE run_id IS NOT NULL GROUP BY run_id),
        failed AS (SELECT run_id, COUNT(*) AS failures FROM credits_jobfailure GROUP BY run_id)
        SELECT known.id AS run, run.success_count AS succeeded, COALESCE(t.written, 0) AS written,
            run.error_count AS failed, COALESCE(f.failures, 0) AS failures,
            run.credits_granted - COALESCE(t.granted, 0) AS granted_off_by,
            run.credits_expired - COALESCE(t.expired, 0) AS expired_off_by,
            CASE WHEN t.first_at <> run.as_of OR t.last_at <> run.as_of
                THEN 'yes' ELSE 'no' END AS misdated
        FROM (SELECT id FROM credits_jobrun UNION SELECT run_id FROM written
            UNION SELECT run_id FROM failed) known
        LEFT JOIN credits_jobrun run ON run.id = known.id
        LEFT JOIN written t ON t.run_id = known.id
        LEFT JOIN failed f ON f.run_id = known.id
        WHERE run.id IS NULL
            OR run.success_count <> COALESCE(t.written, 0)
            OR run.error_count <> COALESCE(f.failures, 0)
            OR run.credits_granted <> COALESCE(t.granted, 0)
            OR run.credits_expired <> COALESCE(t.expired, 0)
            OR t.first_at <> run.as_of OR t.last_at <> run.as_of
        """,
    ),
)


def invariants(*, using: str) -> tuple[Invariant, ...]:
    """Return all there are; that of the totals is asked in the words of the engine."""
    sentence = "the monthly totals are the sums of the transactions that were counted"
    return (*INVARIANTS, Invariant("totals", sentence, totals.offenders(using=using)))


def findings(*, using: str, most: int = 20, workers: int = 1) -> Iterator[Finding]:
    """
    Check every invariant; yield what was found of each, in their order.

    Args:
        most: so many of the offenders of each are described.
        workers: questions that are asked at once, each on a connection of its own if it is not 1.
    """
    asked = invariants(using=using)
    if workers == 1:
        yield from (_check(invariant, using=using, most=most) for invariant in asked)
        return
    busy: set[Any] = set()
    check = partial(_check_apart, using=using, most=most, busy=busy)
    with ThreadPoolExecutor(workers, thread_name_prefix="credits") as pool:
        try:
            yield from pool.map(check, asked)
        except BaseException:
            # Ctrl-C, or a caller who wants no more: nobody waits for what is still being asked.
            for connection in tuple(busy):
                interrupt(connection)
            raise


def _check_apart(invariant: Invariant, *, using: str, most: int, busy: set[Any]) -> Finding:
    connection = connections[using]
    busy.add(connection)
    try:
        return _check(invariant, using=using, most=most)
    finally:
        busy.discard(connection)
        # It is this thread's own, and nobody else would end it.
        connection.close()


def _check(invariant: Invariant, *, using: str, most: int) -> Finding:
    with connections[using].cursor() as cursor:
        cursor.execute(f"{invariant.offenders} LIMIT {most + 1}", ())
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        count = len(rows)
        if count > most:
            cursor.execute(f"SELECT COUNT(*) FROM ({invariant.offenders}) offenders", ())
            (count,) = cursor.fetchone()
    shown = tuple(
        " ".join(f"{name}={value}" for name, value in zip(names, row, strict=True))
        for row in rows[:most]
    )
    return Finding(invariant, count, shown)
