"""
How a test's committed rows are taken away: each table emptied, and nothing written anew.

Django's own flush also empties what ``migrate`` wrote, content types and permissions, and writes
them again: a quarter of a second after each of several hundred tests.
"""

from django.db import connection, transaction

from credits.engine import triggers

KEPT = {"auth_permission", "django_content_type", "django_migrations"}
"""What ``migrate`` writes and no test changes."""


def empty_tables() -> None:
    """Leave no row of any model, and the ledger's triggers in place."""
    tables = set(connection.introspection.django_table_names()) - KEPT
    empty = "; ".join(f'DELETE FROM "{table}"' for table in sorted(tables))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # As a replica does: no trigger fires, of the ledger's or of a foreign key's.
            cursor.execute(
                f"SET session_replication_role = replica; {empty}; RESET session_replication_role"
            )
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            triggers.drop(using="default")
            for statement in empty.split("; "):
                cursor.execute(statement)
            triggers.install(using="default")
    if triggers.missing(using="default"):
        triggers.install(using="default")
