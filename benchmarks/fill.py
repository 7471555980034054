"""
Fill an empty database with a marketplace: ten transactions for each professional, books in order.

    .venv/bin/python -m benchmarks.fill --professionals 1000000 --database-url postgresql://…

The ledger itself writes a few lives (``benchmarks.lives``); the database copies them in the order
of time, as a ledger grows, each copy on days of its own. Some of the daily runs went wrong, there
are notices of every kind and status, and ``--verify`` finds nothing to say. A million professionals
are 10.3 million transactions, 1.5 million open lots and 1.3 million notices: FILL_FIGURES.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from benchmarks.lives import DAYS, JITTER, LIVES, SLOTS, play

CHUNK = 5_000
"""Twenties of professionals that one statement copies one row to."""

FIRST_NAMES = (
    *("Aisha", "Omar", "Umm Khalid", "Fatima", "Khalid", "Mariam", "Yusuf", "Layla", "Hassan"),
    *("Noor", "Ahmed", "Priya", "Ravi", "Anita", "Suresh", "Maria José", "Grace", "John", "Elena"),
    *("Ivan", "Chen", "Wei", "Sara", "Adam", "Zainab", "Bilal", "Hind", "Rashid", "Amal", "Tariq"),
)
LAST_NAMES = (
    *("Nair", "Khan", "Haddad", "Al Rahman", "Fernandes", "Cruz", "Mathew", "Singh", "Sharma"),
    *("Patel", "Ali", "Mansour", "Farouk", "Aziz", "Santos", "Reyes", "Thomas", "Varghese"),
    *("Iqbal", "Qureshi", "Hamdan", "Saleh", "Naser", "Petrov", "Zhang", "Okafor", "Silva"),
)
TRADES = ("Painting", "Plumbing", "Cooling", "Cleaning", "Carpentry", "Movers", "Tiles", "Roofs")

# By the number of a notice's owner, thoroughly mixed.
STATUSES = """CASE
    WHEN n % 100 = 0 THEN 'bounced' WHEN n % 100 = 1 THEN 'complained'
    WHEN n % 100 = 2 THEN 'failed' WHEN n % 1000 = 3 THEN 'parked'
    WHEN n % 100 = 4 THEN 'suppressed' WHEN n % 200 = 5 THEN 'pending'
    WHEN n % 100 < 20 THEN 'sent' ELSE 'delivered' END"""

# Of the last reset one to each, of the expiries one to each owner and run.
NOTICES = f"""
INSERT INTO credits_notice (kind, key, professional_id, run_id, context, address, language, status,
    reason, attempts, next_attempt_at, message_id, created_at, sent_at)
SELECT kind, key, professional_id, run_id, context, address, language, status,
    CASE WHEN status IN ('failed', 'parked', 'suppressed') THEN 'The service did not take it.'
        ELSE '' END,
    CASE WHEN status IN ('pending', 'suppressed') THEN 0 ELSE 1 END, at,
    CASE WHEN status IN ('pending', 'suppressed', 'parked') THEN '' ELSE 'message-' || key END, at,
    CASE WHEN status IN ('pending', 'suppressed', 'failed', 'parked') THEN NULL ELSE at END
FROM (SELECT kind, key, professional_id, run_id, context, address, language, at,
        {STATUSES} AS status
    FROM (SELECT 'reset' AS kind, t.idempotency_key AS key, t.professional_id, t.run_id,
            {{reset}} AS context, u.email AS address, u.language, t.created_at AS at,
            t.professional_id * 7919 % 100003 AS n
        FROM credits_credittransaction t JOIN homezy_user u ON u.id = t.professional_id
        WHERE t.transaction_type = 'monthly_reset' AND t.created_at >= {{month}}
        UNION ALL
        SELECT 'expiry_receipt', 'expiry_receipt:' || t.run_id || ':' || t.professional_id,
            t.professional_id, t.run_id, {{receipt}}, u.email, u.language, t.created_at,
            t.professional_id * 7919 % 100003
        FROM credits_credittransaction t JOIN homezy_user u ON u.id = t.professional_id
        WHERE t.transaction_type = 'expiry') promised) told
ORDER BY told.at, told.professional_id
"""

EVENTS = """
INSERT INTO credits_noticeevent (notice_id, event_id, event_type, description, occurred_at)
SELECT id, 'event-' || id, status, 'The mail service says so.', created_at FROM credits_notice
WHERE status IN ('bounced', 'complained')
"""

SUPPRESSED = """
INSERT INTO credits_suppressedaddress (address, reason, notice_id, created_at)
SELECT address, MAX(status), MAX(id), MAX(created_at) FROM credits_notice
WHERE status IN ('bounced', 'complained') GROUP BY address
"""

COUNTED_RUNS = """
UPDATE credits_jobrun SET success_count = written.rows, total_count = written.rows,
    credits_granted = written.granted, credits_expired = written.expired, chunk_count = 1
FROM (SELECT run_id, COUNT(*) AS rows, SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS granted,
        SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS expired
    FROM credits_credittransaction WHERE run_id IS NOT NULL GROUP BY run_id) written
WHERE written.run_id = credits_jobrun.id
"""


class Dialect:
    """What the two engines say differently."""

    def __init__(self, vendor: str) -> None:
        self._is_sqlite = vendor == "sqlite"

    def numbers(self, first: int, end: int) -> str:
        """Return the table ``numbers(j)``: from the first until before the end."""
        if self._is_sqlite:
            return (
                f"numbers(j) AS (SELECT {first} UNION ALL SELECT j + 1 FROM numbers"
                f" WHERE j + 1 < {end})"
            )
        return f"numbers(j) AS (SELECT j FROM generate_series({first}::bigint, {end - 1}) j)"

    def later(self, column: str, seconds: str) -> str:
        """Return a moment so many seconds after the one in the column."""
        if self._is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%S', {column}, '+' || ({seconds}) || ' seconds')"
        return f"{column} + ({seconds}) * interval '1 second'"

    def json(self, text: str) -> str:
        """Return a text as JSON."""
        return text if self._is_sqlite else f"({text})::jsonb"

    def one_of(self, names: tuple[str, ...], number: str) -> str:
        """Return the name with that number, counted round and round."""
        if self._is_sqlite:
            array = json.dumps(list(names))
            return f"json_extract('{array}', '$[' || (({number}) % {len(names)}) || ']')"
        array = ", ".join(f"'{name}'" for name in names)
        return f"(ARRAY[{array}])[({number}) % {len(names)} + 1]"


class Copier:
    """Copies rows of the lives' own professionals to everybody who lives as they do."""

    def __init__(self, twenties: int, *, now: datetime) -> None:
        from django.db import connection

        self._connection = connection
        self._dialect = Dialect(connection.vendor)
        self._twenties = twenties
        self._now = now

    def copy(self, row: Any, life: int, changed: dict[str, str]) -> int:
        """
        Insert a row's copies, in the order of their owners; return how many there are.

        Args:
            changed: SQL for the columns that differ; ``j`` is the twenty a copy is in, ``slot`` its
                place there, ``place`` the how manieth of its life in the twenty, ``n`` its number.
        """
        slots = [slot for slot, lived in enumerate(SLOTS) if lived == life]
        table = row._meta.db_table
        key = row._meta.pk.column
        columns = [
            field.column
            for field in row._meta.concrete_fields
            if not field.primary_key or field.column in changed
        ]
        values = ", ".join(changed.get(column, f"source.{column}") for column in columns)
        places = ", ".join(f"({place}, {slot})" for place, slot in enumerate(slots))
        with self._connection.cursor() as cursor:
            for first in range(0, self._twenties, CHUNK):
                end = min(first + CHUNK, self._twenties)
                cursor.execute(
                    f"WITH RECURSIVE {self._dialect.numbers(first, end)},"
                    f" places(place, slot) AS (VALUES {places}),"
                    " copies AS (SELECT j, place, slot, j * 20 + slot AS n FROM numbers, places)"
                    f" INSERT INTO {table} ({', '.join(columns)})"
                    f" SELECT {values} FROM copies, {table} source"
                    f" WHERE source.{key} = {row.pk} ORDER BY j, place"
                )
        return self._twenties * len(slots)

    def shifted(self, column: str, played_at: datetime) -> str:
        """Return a moment of a life as a copy's: on another day, at another hour."""
        days = f"j * {DAYS + 1} / {self._twenties}"
        seconds = f"({days}) * 86400 + n * 7919 % {JITTER}"
        first = self._now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if played_at >= first:
            # Only so much of this month is over.
            left = max(int((self._now - played_at).total_seconds()) - 3600, 0)
            seconds = f"j * {left} / {self._twenties}"
        return self._dialect.later(column, seconds)

    def days_later(self, column: str) -> str:
        """Return the moment of a daily run as that of the run that met a copy."""
        return self._dialect.later(column, f"(j * {DAYS + 1} / {self._twenties}) * 86400")

    def json(self, text: str) -> str:
        """Return a text as the column of metadata holds it."""
        return self._dialect.json(text)

    def name(self, names: tuple[str, ...], step: int) -> str:
        """Return one of the names, another for the next copy."""
        return self._dialect.one_of(names, f"n / {step}")


def fill(professionals: int) -> None:
    """Fill the configured database; it must hold nobody yet."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from credits.engine.totals import roll_up
    from credits.models import Notice

    call_command("migrate", verbosity=0)
    users = get_user_model().objects
    if users.exists():
        sys.exit("This database holds people already: name an empty one with --database-url.")
    now = timezone.now()
    clerks = [users.create_superuser(f"clerk{number}@example.com", None) for number in range(3)]
    with connection.cursor() as cursor:
        for statement in _carefree(cursor, connection.vendor):
            cursor.execute(statement)
    people = _timed("lives", lambda: play(clerks[0], now=now))
    # Those of the originals: everybody's are made below.
    Notice.objects.all().delete()
    _date_runs()
    # Whole twenties, of which the originals are a part.
    copier = Copier(-(-max(professionals, 20) // 20), now=now)
    _timed("users", lambda: _copy_users(copier, people))
    _timed("transactions", lambda: _copy_ledger(copier, people, clerks[0].pk))
    _timed("balances", lambda: _copy_balances(copier, people))
    _timed("one of many", lambda: _be_busy(people[0].pk, now))
    _timed("runs", _tell_runs)
    _timed("notices", lambda: _write_notices(now))
    _timed("vacuum", _tidy)
    _timed("totals", lambda: roll_up(using="default"))


def _timed(name: str, act: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    found = act()
    told = f" {found:12,}" if isinstance(found, int) else ""
    print(f"{name:<14}{time.perf_counter() - started:7.1f} s{told}", flush=True)  # noqa: T201
    return found


def _carefree(cursor: Any, vendor: str) -> list[str]:
    """Return the statements that make writing fast: the copies refer to what is there anyway."""
    if vendor == "sqlite":
        return [
            "PRAGMA foreign_keys = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -500000",
        ]
    cursor.execute("SELECT current_setting('is_superuser')")
    # Switches foreign keys off, and the ledger's triggers: nothing but a superuser may.
    return ["SET session_replication_role = replica"] if cursor.fetchone()[0] == "on" else []


def _date_runs() -> None:
    """Say of each run that was played that it ran when it was for."""
    from credits.models import JobRun

    runs = list(JobRun.objects.all())
    for run in runs:
        run.started_at = run.as_of
        run.finished_at = run.heartbeat_at = run.as_of + timedelta(seconds=2 + run.pk % 40)
    JobRun.objects.bulk_update(runs, ["started_at", "finished_at", "heartbeat_at"])


def _copy_users(copier: Copier, people: list[Any]) -> int:
    last = people[-1].pk
    number = f"{last} + n + 1"
    changed = {
        "id": number,
        "email": f"'pro' || ({number}) || '@example.com'",
        "first_name": copier.name(FIRST_NAMES, 1),
        "last_name": copier.name(LAST_NAMES, 7),
        "business_name": f"{copier.name(LAST_NAMES, 3)} || ' ' || {copier.name(TRADES, 11)}"
        f" || ' ' || ({number})",
        "language": "CASE WHEN n % 7 = 0 THEN 'ar' ELSE 'en' END",
    }
    return sum(copier.copy(person, life, changed) for life, person in enumerate(people))


def _copy_ledger(copier: Copier, people: list[Any], clerk: int) -> int:
    from credits.models import CreditAllocation, CreditTransaction, TransactionReason

    keys = {person.pk: place for place, person in enumerate(people)}
    rows = list(CreditTransaction.objects.order_by("pk"))
    copies: dict[int, str] = {}
    last, count = rows[-1].pk, len(rows)
    owner = f"{people[-1].pk} + n + 1"
    for row in rows:
        life = keys[row.professional_id]
        key = copies[row.pk] = f"{last} + 1 + j * {LIVES[life].share} + place"
        changed = {
            "id": key,
            "professional_id": owner,
            "created_at": copier.shifted("source.created_at", row.created_at),
            "expires_at": copier.shifted("source.expires_at", row.created_at),
            "idempotency_key": "source.idempotency_key || ':' || n",
        }
        if row.origin_id:
            changed["origin_id"] = copies[row.origin_id]
        if row.created_by_id:
            changed["created_by_id"] = f"{clerk} + n % 3"
        if row.transaction_type == "monthly_reset":
            changed["created_at"] = "source.created_at"
            changed["idempotency_key"] = f"SUBSTR(source.idempotency_key, 1, 14) || ({owner})"
        elif row.transaction_type == "expiry":
            changed["created_at"] = at = copier.days_later("source.created_at")
            changed["metadata"] = copier.json(
                f"""'{{"lot": ' || ({copies[row.origin_id]}) || '}}'"""
            )
            changed["run_id"] = (
                "(SELECT run.id FROM credits_jobrun run"
                f" WHERE run.job = 'expire_credits' AND run.started_at = {at})"
            )
        made = copier.copy(row, life, changed)
        last += made
        count += made
    owners = {row.pk: keys[row.professional_id] for row in rows}
    for allocation in CreditAllocation.objects.order_by("pk"):
        changed = {
            "lot_id": copies[allocation.lot_id],
            "transaction_id": copies[allocation.transaction_id],
        }
        copier.copy(allocation, owners[allocation.transaction_id], changed)
    _draw_keys_after_them()
    for reason in TransactionReason.objects.order_by("pk"):
        copier.copy(reason, owners[reason.pk], {"transaction_id": copies[reason.pk]})
    return count


def _draw_keys_after_them() -> None:
    """Let the next transaction's key be the one after the copies'; SQLite does so by itself."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in ("homezy_user", "credits_credittransaction"):
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) FROM {table}"
                )


def _copy_balances(copier: Copier, people: list[Any]) -> int:
    changed = {"professional_id": f"{people[-1].pk} + n + 1"}
    return sum(
        copier.copy(person.credit_balance, life, changed) for life, person in enumerate(people)
    )


def _be_busy(professional_id: int, now: datetime) -> int:
    """Let one professional do more than a page shows: lots, spends, days."""
    from credits.ledger import purchase, spend

    for number in range(250):
        at = now - timedelta(hours=7 - number / 60)
        lot = {"amount": 20, "price": Decimal(100), "currency": "AED", "at": at}
        own = {"professional_id": professional_id}
        purchase(**own, **lot, payment_reference=f"busy:{number}")
        spend(**own, amount=1, at=at, idempotency_key=f"busy spend:{number}")
    return 500


def _tell_runs() -> int:
    """Count what the runs wrote, and let some of them go wrong."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.db.models import F

    from credits.models import JobFailure, JobRun

    with connection.cursor() as cursor:
        cursor.execute(COUNTED_RUNS)
    runs = JobRun.objects.order_by("pk")
    people = list(get_user_model().objects.order_by("-pk").values_list("pk", flat=True)[:1_000])
    expiries, resets = runs.filter(job=JobRun.Job.EXPIRY), runs.filter(job=JobRun.Job.RESET)
    for run, failed in [(run, people[:3]) for run in expiries[4::9]] + [(resets[1], people)]:
        JobFailure.objects.bulk_create(
            JobFailure(run=run, professional_id=key, error="IntegrityError: it did not fit.")
            for key in failed
        )
        runs.filter(pk=run.pk).update(
            status=JobRun.Status.PARTIAL,
            error_count=len(failed),
            total_count=F("total_count") + len(failed),
            error_summary=f"{len(failed)} professionals failed.",
        )
    without_work = expiries.filter(total_count=0).values_list("pk", flat=True)
    for place, status in enumerate(("failed", "interrupted", "skipped", "missed")):
        runs.filter(pk__in=list(without_work[place:40:4])).update(
            status=status, error_summary="It went wrong."
        )
    return runs.count()


def _write_notices(now: datetime) -> int:
    from django.db import connection

    from credits.jobs.notices import stage_expiry_warnings
    from credits.models import JobRun, Notice

    is_sqlite = connection.vendor == "sqlite"
    month = f"'{now:%Y-%m}-01 00:00:00" + ("'" if is_sqlite else "+00'")
    build = "json_object" if is_sqlite else "jsonb_build_object"
    before = "100 - t.amount"
    with connection.cursor() as cursor:
        cursor.execute(
            NOTICES.format(
                month=month,
                reset=f"{build}('before', {before}, 'after', 100, 'period', '{now:%Y-%m}')",
                receipt=f"{build}('credits', -t.amount, 'lots', 1)",
            )
        )
        cursor.execute(EVENTS)
        cursor.execute(SUPPRESSED)
    stage_expiry_warnings(as_of=now - timedelta(days=1))
    warnings = Notice.objects.filter(kind=Notice.Kind.EXPIRY_WARNING)
    warnings.update(status=Notice.Status.DELIVERED, attempts=1, sent_at=now)
    Notice.objects.bulk_create(
        Notice(
            kind=Notice.Kind.RUN_FAILURE,
            key=f"run_failure:{run.pk}:operators@example.com",
            run=run,
            address="operators@example.com",
            language="en",
            status=Notice.Status.DELIVERED,
            next_attempt_at=run.as_of,
            created_at=run.as_of,
            sent_at=run.as_of,
        )
        for run in JobRun.objects.filter(status=JobRun.Status.PARTIAL)
    )
    return Notice.objects.count()


def _tidy() -> None:
    """Leave the database as one that has stood for a while: with statistics, without waste."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("ANALYZE")
            return
        cursor.execute("VACUUM ANALYZE")


def main() -> None:
    """Read the arguments, fill, and ask whether the books are in order."""
    parser = argparse.ArgumentParser(description="Fill an empty database with a marketplace.")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--professionals", type=int, default=100_000)
    parser.add_argument("--verify", action="store_true", help="check the books afterwards")
    arguments = parser.parse_args()
    os.environ["DATABASE_URL"] = arguments.database_url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.testing")
    import django

    django.setup()
    logging.disable(logging.INFO)
    fill(arguments.professionals)
    if arguments.verify:
        from django.core.management import call_command

        call_command("verify_credits")


if __name__ == "__main__":
    main()
