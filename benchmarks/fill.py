"""
Fill an empty database with a marketplace: ten transactions for each professional, books in order.

    .venv/bin/python -m benchmarks.fill --professionals 1000000 --database-url postgresql://…

The ledger itself writes a few lives (``benchmarks.lives``); the database copies them in the order
of time, as a ledger grows, each copy on days of its own. Some of the daily runs went wrong, there
are notices of every kind and status, and ``--verify`` finds nothing to say. A million professionals
are 10.3 million transactions, 1.5 million open lots and 1.2 million notices: 6 GB and 19 minutes on
PostgreSQL, 4 GB and 15 minutes on SQLite, on two cores that nine programs shared. Two thousand take
half a minute.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from benchmarks.copying import Copier
from benchmarks.lives import LIVES, play
from benchmarks.telling import date_runs, tell_runs, write_notices

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
    date_runs()
    # Whole twenties, of which the originals are a part.
    copier = Copier(-(-max(professionals, 20) // 20), now=now)
    _timed("users", lambda: _copy_users(copier, people))
    _timed("transactions", lambda: _copy_ledger(copier, people, clerks[0].pk))
    _timed("balances", lambda: _copy_balances(copier, people))
    _timed("one of many", lambda: _be_busy(people[0].pk, now))
    _timed("runs", tell_runs)
    _timed("notices", lambda: write_notices(now))
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
