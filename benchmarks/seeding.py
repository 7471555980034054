"""
The marketplace that is measured: a million professionals in a minute or two, books in order.

Of every hundred professionals eighty are eligible, and were reset in October by run 1. Each has a
lot of forty credits: one in a hundred falls due on the first of November, four on the second, the
others on the first of March. Where more of a ledger is wanted (``moves``), each moved as often
since: a bonus, a spend, by turns.
"""

from contextlib import closing

from benchmarks.engines import Engine, bare_connection, in_process, manage

FEW_DUE = "2026-11-01 00:01:00"
"""When one lot in a hundred is due; also the moment of the reset of November."""

MORE_DUE = "2026-11-02 00:01:00"
"""When five are."""

WARNED = "2027-02-24 08:00:00"
"""When ninety-five in a hundred have a lot that expires within a week."""

LATE = "2027-03-01 00:00:30"

_THEN = "2026-05-01 00:00:30"

# What both engines read alike; {m:…} is how each writes a moment, {json} how it builds an object.
_USERS = """
INSERT INTO homezy_user (id, email, password, role, verification, business_name, first_name,
    last_name, language, time_zone, is_active, is_staff, is_superuser, date_joined)
{numbers} SELECT n, 'pro' || n || '@example.com', '', 'pro',
    CASE WHEN n % 5 = 0 THEN 'unverified' ELSE 'basic' END, '', '', '', 'en', 'Asia/Dubai',
    TRUE, FALSE, FALSE, {then} FROM numbers
"""

_BONUSES = """
INSERT INTO credits_credittransaction (id, professional_id, transaction_type, credit_type, amount,
    granted_amount, remaining_amount, balance_before, balance_after, description, metadata,
    currency, created_at)
{numbers} SELECT n, n, 'bonus', 'free', n % 150 + 1, 0, 0, 0, n % 150 + 1, 'Bonus', '{{}}', '',
    {then} FROM numbers
"""

_LOTS = """
INSERT INTO credits_credittransaction (id, professional_id, transaction_type, credit_type, amount,
    granted_amount, remaining_amount, expires_at, balance_before, balance_after, description,
    metadata, price, remaining_price, currency, created_at)
{numbers} SELECT {count} + n, n, 'purchase', 'paid', 40, 40, 40 - {spent},
    CASE WHEN n % 100 = 0 THEN {first} WHEN n % 100 < 5 THEN {second} ELSE {late} END,
    n % 150 + 1, n % 150 + 41, 'Purchase', '{{}}', 200, 200 - 5 * {spent}, 'AED', {then}
FROM numbers
"""

_MOVES = """
INSERT INTO credits_credittransaction (id, professional_id, transaction_type, credit_type, amount,
    granted_amount, remaining_amount, balance_before, balance_after, description, metadata,
    currency, idempotency_key, created_at)
{numbers} SELECT {count} * {place} + n, n, {kind}, {pool}, {amount}, 0, 0, n % 150 + {before},
    n % 150 + {before} + {amount}, 'Move', '{{}}', '', 'move-{place}-' || n, {then} FROM numbers
"""

_ALLOCATIONS = """
INSERT INTO credits_creditallocation (lot_id, transaction_id, amount, price)
{numbers} SELECT {count} + n, {count} * {place} + n, -1, -5 FROM numbers
"""

_BALANCES = """
INSERT INTO credits_creditbalance (professional_id, free_credits, paid_credits, lifetime_earned,
    lifetime_spent, lifetime_expired, last_reset_period, last_reset_date, free_before_reset,
    claimed_by_id)
{numbers} SELECT n, n % 150 + 1 + {given}, 40 - {spent}, n % 150 + 41 + {given}, {spent}, 0,
    CASE WHEN n % 5 = 0 THEN '' ELSE '2026-10' END, CASE WHEN n % 5 <> 0 THEN {then} END,
    CASE WHEN n % 5 <> 0 THEN n % 150 END, CASE WHEN n % 5 <> 0 THEN 1 END FROM numbers
"""

_RUN = """
INSERT INTO credits_jobrun (id, job, period, as_of, status, trigger, is_whole, started_at,
    heartbeat_at, host, process_id, chunk_count, total_count, success_count, error_count,
    credits_granted, credits_expired, notices_staged, error_summary)
VALUES (1, 'floor', '', {then}, 'succeeded', '', TRUE, {then}, {then}, '', 1, 0, 0, 0, 0, 0, 0, 0,
    '')
"""

# Twice: PostgreSQL notes the end of the ledger first and counts up to it afterwards.
_ROLL_UP = """
import django
django.setup()
from credits.engine.totals import roll_up
for _ in range(2):
    roll_up(using="default")
"""

_TABLES = ("homezy_user", "credits_credittransaction", "credits_jobrun")


def moment(key: str, text: str) -> str:
    """Return a moment in UTC as an engine writes it, and as Django does."""
    return f"'{text}'" if key == "sqlite" else f"TIMESTAMPTZ '{text}+00'"


def numbers(key: str, count: int) -> str:
    """Return the head of a statement that may then read ``n`` from ``numbers``."""
    if key == "sqlite":
        return (
            "WITH RECURSIVE numbers(n) AS"
            f" (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
        )
    return f"WITH numbers AS (SELECT generate_series(1, {count}) AS n)"


def seed(
    engine: Engine, count: int, *, moves: int = 0, late: str = LATE, name: str = "seed"
) -> None:
    """
    Make and fill a database.

    Args:
        moves: what each professional did besides, an even number.
        late: when the lots expire that are not due yet.
    """
    engine.create(name)
    manage(engine, name, "migrate", "-v0")
    half = moves // 2
    words = {
        "numbers": numbers(engine.key, count),
        "count": count,
        "spent": half,
        "given": half,
        "then": moment(engine.key, _THEN),
        "first": moment(engine.key, "2026-11-01 00:00:30"),
        "second": moment(engine.key, "2026-11-02 00:00:30"),
        "late": moment(engine.key, late),
    }
    with closing(bare_connection(engine.url(name))) as connection:
        for statement in (_USERS, _BONUSES, _LOTS, _RUN, _BALANCES):
            connection.execute(statement.format(**words))
        for move in range(moves):
            is_bonus = move % 2 == 0
            words |= {
                "place": move + 2,
                "kind": "'bonus'" if is_bonus else "'spend'",
                "pool": "'free'" if is_bonus else "'paid'",
                "amount": 1 if is_bonus else -1,
                # From 41 on: a bonus leads to 42, a spend back.
                "before": 41 if is_bonus else 42,
            }
            connection.execute(_MOVES.format(**words))
            if not is_bonus:
                connection.execute(_ALLOCATIONS.format(**words))
        if engine.key == "postgresql":
            # The keys were given, not drawn.
            for table in _TABLES:
                connection.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) FROM {table}"
                )
    # As the jobs of yesterday left it: else the first one here counts the whole ledger.
    in_process(engine, name, "-c", _ROLL_UP)
    engine.settle(name)
