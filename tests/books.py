"""How a test looks at the books: all of them, row by row, and whether they are in order."""

from typing import Any

from django.apps import apps
from django.db import connection

from credits.engine.audit import invariants
from credits.models import CreditTransaction
from homezy.models import User


def broken_invariants() -> dict[str, int]:
    """Return the broken invariants of ``verify_credits`` and how many offend each."""
    # In one statement: this is asked after each of ten thousand steps.
    counts = " UNION ALL ".join(
        f"SELECT '{each.name}' AS name, COUNT(*) AS offenders FROM ({each.offenders}) those"
        for each in invariants(using="default")
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name, offenders FROM ({counts}) counted WHERE offenders > 0", ())
        return dict(cursor.fetchall())


def reset_once_each() -> bool:
    """Say whether every user was reset, and nobody twice."""
    rows = CreditTransaction.objects.filter(transaction_type="monthly_reset")
    owners = list(rows.order_by("professional").values_list("professional", flat=True))
    return owners == list(User.objects.order_by("pk").values_list("pk", flat=True))


def all_tables() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the app's tables, to see whether anything at all was written."""
    return {
        model._meta.db_table: sorted(model._base_manager.values_list(), key=repr)
        for model in apps.get_app_config("credits").get_models()
    }


def left_in(*lots: CreditTransaction) -> list[int]:
    """Return what the database says is left in these lots."""
    for lot in lots:
        lot.refresh_from_db()
    return [lot.remaining_amount for lot in lots]


def write_statements(queries: list[dict[str, str]]) -> list[str]:
    """Return those of the captured statements that write."""
    statements = [query["sql"].strip() for query in queries]
    return [sql for sql in statements if sql.startswith(("INSERT", "UPDATE", "DELETE"))]


def at_the_gate() -> int:
    """Return how many statements a writer to the ledger needs more on MariaDB: one, for a gate."""
    return 1 if connection.vendor == "mysql" else 0


def triggers_there() -> set[str]:
    """Return the names of the ledger's triggers, as the database lists them."""
    question = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        "mysql": "SELECT trigger_name FROM information_schema.triggers"
        " WHERE trigger_schema = DATABASE()",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(question)
        return {name for (name,) in cursor.fetchall()}
