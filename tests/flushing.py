"""
How a test's committed rows are taken away: each table emptied, and nothing written anew.

On MariaDB whatever alters a table, or a trigger, commits: a test that does so in a transaction that
it wants rolled back leaves its rows, and they are looked for after each test.

Django's own flush also empties what ``migrate`` wrote, content types and permissions, and writes
them again: a quarter of a second after each of several hundred tests.
"""

from django.db import connection, transaction

from credits.engine import triggers
from tests.books import triggers_there

KEPT = {"auth_permission", "django_content_type", "django_migrations"}
"""What ``migrate`` writes and no test changes."""


def tables_to_empty() -> list[str]:
    """Return the tables of all models, but for those that no test changes."""
    return sorted(set(connection.introspection.django_table_names()) - KEPT)


def empty_tables() -> None:
    """Leave no row of any model, and the ledger's triggers in place."""
    tables = tables_to_empty()
    if connection.vendor == "mysql":
        empty_on_mariadb(tables)
        return
    # SQLite would look through the whole ledger for what came of each row.
    unchecked = connection.constraint_checks_disabled()
    with unchecked, transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # As a replica does: no trigger fires, of the ledger's or of a foreign key's.
            cursor.execute("SET LOCAL session_replication_role = replica")
        else:
            triggers.drop(using="default")
        for table in tables:
            cursor.execute(f'DELETE FROM "{table}"')
    if triggers.missing(using="default"):
        triggers.install(using="default")


def empty_on_mariadb(tables: list[str]) -> None:
    """Leave no row of these tables; the triggers, and what else guards them, stay."""
    guarded = {model._meta.db_table for model in triggers.CHANGEABLE}
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for table in tables:
            if table not in guarded:
                cursor.execute(f"DELETE FROM {table}")
                continue
            # No trigger sees it. It takes the time of a hundred DELETEs, so only where needed.
            cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")
            if cursor.fetchone():
                cursor.execute(f"TRUNCATE {table}")


def empty_if_anything_stayed() -> None:
    """Take away what a test committed unawares, and put back what it altered."""
    tables = tables_to_empty()
    question = " OR ".join(f"EXISTS(SELECT 1 FROM {table})" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {question}")
        (has_rows,) = cursor.fetchone()
        known = {trigger.name for trigger in triggers.expected(using="default")}
        strange = triggers_there() - known
        for name in strange:
            cursor.execute(f"DROP TRIGGER {name}")
    if has_rows:
        empty_tables()
    if has_rows or strange or triggers.missing(using="default"):
        triggers.install(using="default")
