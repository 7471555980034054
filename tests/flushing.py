"""
How a test's committed rows are taken away: each table emptied, and nothing written anew.

On MariaDB whatever alters a table, or a trigger, commits: a test that does so in a transaction that
it wants rolled back leaves its rows, and they are looked for after each test.

Django's own flush also empties what ``migrate`` wrote, content types and permissions, and writes
them again: a quarter of a second after each of several hundred tests.
"""

from typing import Any

from django.db import connection, transaction

from credits.engine import triggers
from tests.books import triggers_there

KEPT = {"auth_permission", "django_content_type", "django_migrations"}
"""What ``migrate`` writes and no test changes."""


def empty_tables() -> None:
    """Leave no row of any model, and the ledger's triggers in place."""
    tables = set(connection.introspection.django_table_names()) - KEPT
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "mysql":
            _empty_guarded(cursor)
        elif connection.vendor == "postgresql":
            # As a replica does: no trigger fires, of the ledger's or of a foreign key's.
            cursor.execute("SET LOCAL session_replication_role = replica")
        else:
            triggers.drop(using="default")
        for table in sorted(tables):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
        if connection.vendor == "mysql":
            cursor.execute("SET foreign_key_checks = 1")
    if triggers.missing(using="default"):
        triggers.install(using="default")


def _empty_guarded(cursor: Any) -> None:
    """Do what no trigger of MariaDB's sees, and a foreign key keeps from happening: TRUNCATE."""
    cursor.execute("SET foreign_key_checks = 0")
    for model in triggers.CHANGEABLE:
        # It takes the time of a hundred DELETEs, so only where there is something.
        cursor.execute(f"SELECT 1 FROM {model._meta.db_table} LIMIT 1")
        if cursor.fetchone():
            cursor.execute(f"TRUNCATE {model._meta.db_table}")


def empty_if_anything_stayed() -> None:
    """Take away what a test committed unawares, and put back what it altered."""
    tables = set(connection.introspection.django_table_names()) - KEPT
    question = " OR ".join(f"EXISTS(SELECT 1 FROM {table})" for table in sorted(tables))
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
