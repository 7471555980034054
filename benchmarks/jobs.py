"""
How fast are the two jobs? Each is timed against the floor: the same writes as single statements.

    .venv/bin/python -m benchmarks.jobs --professionals 100000 --rounds 5

Every round starts from a fresh copy of the same database, floor and job by turns, and the median
of the paired ratios is what counts: absolute times on a shared machine are noise. Every
professional has a balance to reset and a lot to expire.
"""

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg

from tests.plugins.postgres import throwaway_cluster

ROOT = Path(__file__).resolve().parent.parent

AS_OF = "2026-11-01T00:01:00+00:00"
PERIOD = "2026-11"

USERS = """
INSERT INTO homezy_user (id, email, password, role, verification, business_name, first_name,
    last_name, language, time_zone, is_active, is_staff, is_superuser, date_joined)
SELECT n, 'pro' || n || '@example.com', '', 'pro', 'basic', '', '', '', 'en', 'Asia/Dubai',
    TRUE, FALSE, FALSE, '2026-01-01 00:00:00+00:00'
FROM numbers
"""

# n % 150 free credits and a lot of 40 that falls due half a minute before the moment of the runs.
BONUSES = """
INSERT INTO credits_credittransaction (professional_id, transaction_type, credit_type, amount,
    granted_amount, remaining_amount, balance_before, balance_after, description, metadata,
    currency, created_at)
SELECT n, 'bonus', 'free', n % 150 + 1, 0, 0, 0, n % 150 + 1, 'Bonus', '{}', '',
    '2026-05-01 00:00:30+00:00' FROM numbers
"""
LOTS = """
INSERT INTO credits_credittransaction (professional_id, transaction_type, credit_type, amount,
    granted_amount, remaining_amount, expires_at, balance_before, balance_after, description,
    metadata, price, remaining_price, currency, created_at)
SELECT n, 'purchase', 'paid', 40, 40, 40, '2026-11-01 00:00:30+00:00', n % 150 + 1, n % 150 + 41,
    'Purchase', '{}', 200, 200, 'AED', '2026-05-01 00:00:30+00:00' FROM numbers
"""

BALANCES = """
INSERT INTO credits_creditbalance (professional_id, free_credits, paid_credits, lifetime_earned,
    lifetime_spent, lifetime_expired, last_reset_period)
SELECT n, n % 150 + 1, 40, n % 150 + 41, 0, 0, '' FROM numbers
"""

RUN = """
INSERT INTO credits_jobrun (job, period, as_of, status, trigger, is_whole, started_at, heartbeat_at,
    host, process_id, chunk_count, total_count, success_count, error_count, credits_granted,
    credits_expired, notices_staged, error_summary)
SELECT 'floor', '', '2026-05-01 00:00:30+00:00', 'succeeded', '', TRUE,
    '2026-05-01 00:00:30+00:00', '2026-05-01 00:00:30+00:00', '', 1, 0, 0, 0, 0, 0, 0, 0, ''
FROM numbers WHERE n = 1
"""

RESET_FLOOR = (
    f"""
    UPDATE credits_creditbalance SET free_before_reset = free_credits, free_credits = 100,
        lifetime_earned = lifetime_earned
            + CASE WHEN free_credits < 100 THEN 100 - free_credits ELSE 0 END,
        lifetime_expired = lifetime_expired
            + CASE WHEN free_credits > 100 THEN free_credits - 100 ELSE 0 END,
        last_reset_period = '{PERIOD}', last_reset_date = '{AS_OF}'
    WHERE professional_id IN (SELECT id FROM homezy_user
        WHERE role = 'pro' AND verification IN ('basic', 'comprehensive') AND is_active)
    """,
    f"""
    INSERT INTO credits_credittransaction (professional_id, transaction_type, credit_type, amount,
        granted_amount, remaining_amount, balance_before, balance_after, description, metadata,
        currency, idempotency_key, run_id, created_at)
    SELECT professional_id, 'monthly_reset', 'free', 100 - free_before_reset, 0, 0,
        free_before_reset + paid_credits, free_credits + paid_credits,
        'Monthly free credits reset to 100', {{json}}('previous_free_credits', free_before_reset),
        '', 'reset:{PERIOD}:' || professional_id, 1, '{AS_OF}'
    FROM credits_creditbalance WHERE last_reset_period = '{PERIOD}' ORDER BY professional_id
    """,
    f"""
    INSERT INTO credits_notice (kind, key, professional_id, run_id, context, address, language,
        status, reason, attempts, next_attempt_at, message_id, created_at)
    SELECT 'reset', 'reset:{PERIOD}:' || professional_id, professional_id, 1,
        {{json}}('before', free_before_reset, 'after', free_credits, 'period', '{PERIOD}'), '', '',
        'pending', '', 0, '{AS_OF}', '', '{AS_OF}'
    FROM credits_creditbalance
    WHERE last_reset_period = '{PERIOD}' AND free_before_reset <> free_credits
    """,
)

EXPIRY_FLOOR = (
    f"""
    INSERT INTO credits_credittransaction (professional_id, transaction_type, credit_type, amount,
        granted_amount, remaining_amount, balance_before, balance_after, description, metadata,
        currency, origin_id, run_id, created_at)
    SELECT professional_id, 'expiry', 'paid', -remaining_amount, 0, 0,
        total - fallen + remaining_amount, total - fallen, 'Credits expired',
        {{json}}('lot', id), '', id, 1, '{AS_OF}'
    FROM (SELECT t.professional_id, t.id, t.remaining_amount,
            b.free_credits + b.paid_credits AS total,
            SUM(t.remaining_amount)
                OVER (PARTITION BY t.professional_id ORDER BY t.expires_at, t.id) AS fallen
        FROM credits_credittransaction t
        JOIN credits_creditbalance b ON b.professional_id = t.professional_id
        WHERE t.remaining_amount > 0 AND t.expires_at <= '{AS_OF}') due
    ORDER BY professional_id, id
    """,
    """
    INSERT INTO credits_creditallocation (lot_id, transaction_id, amount, price)
    SELECT t.origin_id, t.id, t.amount, -lot.remaining_price
    FROM credits_credittransaction t JOIN credits_credittransaction lot ON lot.id = t.origin_id
    WHERE t.transaction_type = 'expiry'
    """,
    f"""
    UPDATE credits_creditbalance SET paid_credits = paid_credits - lost,
        lifetime_expired = lifetime_expired + lost
    FROM (SELECT professional_id AS owner, SUM(remaining_amount) AS lost
        FROM credits_credittransaction WHERE remaining_amount > 0 AND expires_at <= '{AS_OF}'
        GROUP BY professional_id) due
    WHERE professional_id = owner
    """,
    f"""
    UPDATE credits_credittransaction SET remaining_amount = 0, remaining_price = 0
    WHERE remaining_amount > 0 AND expires_at <= '{AS_OF}'
    """,
    f"""
    INSERT INTO credits_notice (kind, key, professional_id, run_id, context, address, language,
        status, reason, attempts, next_attempt_at, message_id, created_at)
    SELECT 'expiry_receipt', 'expiry_receipt:1:' || professional_id, professional_id, 1,
        {{json}}('credits', -SUM(amount), 'lots', COUNT(*)), '', '',
        'pending', '', 0, '{AS_OF}', '', '{AS_OF}'
    FROM credits_credittransaction WHERE transaction_type = 'expiry' GROUP BY professional_id
    """,
)


class Engine(Protocol):
    """A database to measure on."""

    name: str
    json_object: str
    numbers: str

    def url(self, copy: str) -> str: ...

    def copy(self, name: str) -> None: ...

    def drop(self, name: str) -> None: ...

    def connect(self, name: str) -> Any: ...


class SQLite:
    name = "SQLite"
    json_object = "json_object"
    numbers = (
        "WITH RECURSIVE numbers(n) AS"
        " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
    )

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.sqlite3"

    def url(self, name: str) -> str:
        return f"sqlite:///{self._path(name)}"

    def copy(self, name: str) -> None:
        shutil.copyfile(self._path("seed"), self._path(name))

    def drop(self, name: str) -> None:
        for path in self._directory.glob(f"{name}.sqlite3*"):
            path.unlink()

    def connect(self, name: str) -> Any:
        connection = sqlite3.connect(self._path(name), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


class PostgreSQL:
    name = "PostgreSQL"
    json_object = "jsonb_build_object"
    numbers = "WITH numbers AS (SELECT generate_series(1, {count}) AS n)"

    def __init__(self, server: str) -> None:
        self._server = server
        self._execute("CREATE DATABASE seed")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement)

    def url(self, name: str) -> str:
        # Not urlunsplit: it loses the empty host of a URL that names a socket.
        return self._server.replace("/postgres?", f"/{name}?")

    def copy(self, name: str) -> None:
        self._execute(f"CREATE DATABASE {name} TEMPLATE seed")

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name}")

    def connect(self, name: str) -> Any:
        return psycopg.connect(self.url(name), autocommit=True)


def manage(engine: Engine, database: str, *words: str) -> tuple[str, int]:
    """Run a management command; return its output and its peak memory in bytes."""
    environment = os.environ | {"DATABASE_URL": engine.url(database)}
    process = subprocess.Popen(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"manage.py {' '.join(words)} failed on {engine.name}:\n{output}")
    return output, usage.ru_maxrss * 1024


def seed(engine: Engine, count: int) -> None:
    """Fill the database that every round copies."""
    manage(engine, "seed", "migrate", "-v0")
    numbers = engine.numbers.format(count=count)
    with closing(engine.connect("seed")) as connection:
        for statement in (USERS, BONUSES, LOTS, BALANCES, RUN):
            head, select = statement.split("SELECT", 1)
            connection.execute(f"{head} {numbers} SELECT {select}")
        connection.execute("ANALYZE")
        if engine.name == "SQLite":
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            connection.execute("VACUUM ANALYZE")


@contextmanager
def fresh_copy(engine: Engine) -> Iterator[str]:
    engine.copy("round")
    try:
        yield "round"
    finally:
        engine.drop("round")


def floor(engine: Engine, statements: tuple[str, ...]) -> float:
    """Do the work as single statements in one transaction; return the seconds."""
    with fresh_copy(engine) as name, closing(engine.connect(name)) as connection:
        begin = time.perf_counter()
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement.format(json=engine.json_object))
        connection.execute("COMMIT")
        return time.perf_counter() - begin


def job(engine: Engine, command: str, count: int) -> tuple[float, int]:
    """Do the work with the command; return its own seconds and its peak memory."""
    with fresh_copy(engine) as name:
        output, memory = manage(engine, name, command, "--as-of", AS_OF, "--json", "-v0")
        result = json.loads(output)
        if result["succeeded"] != count:
            raise SystemExit(f"{command} did {result['succeeded']} of {count} on {engine.name}.")
        manage(engine, name, "verify_credits", "-v0")
        return result["seconds"], memory


def measure(engine: Engine, count: int, rounds: int) -> None:
    """Print a line for each job."""
    seed(engine, count)
    for command, statements in (
        ("reset_monthly_credits", RESET_FLOOR),
        ("expire_credits", EXPIRY_FLOOR),
    ):
        pairs = []
        for _ in range(rounds):
            least = floor(engine, statements)
            pairs.append((least, *job(engine, command, count)))
        ratio = statistics.median(seconds / least for least, seconds, _ in pairs)
        least = statistics.median(pair[0] for pair in pairs)
        seconds = statistics.median(pair[1] for pair in pairs)
        memory = max(pair[2] for pair in pairs)
        print(  # noqa: T201
            f"{engine.name:<11} {command:<22} {count:>9,} {least:8.2f} {seconds:8.2f}"
            f" {ratio:7.2f}x {memory / 2**20:6.0f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--professionals", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    print(  # noqa: T201
        f"{'engine':<11} {'job':<22} {'count':>9} {'floor s':>8} {'job s':>8} {'ratio':>8}   memory"
    )
    with tempfile.TemporaryDirectory() as directory:
        measure(SQLite(Path(directory)), options.professionals, options.rounds)
    with throwaway_cluster() as server:
        measure(PostgreSQL(server), options.professionals, options.rounds)


if __name__ == "__main__":
    main()
