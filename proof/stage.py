"""Where experiments take place: a database of their own, emptied between two of them."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch

from tests.plugins.mariadb import throwaway_mariadb
from tests.plugins.postgres import throwaway_cluster

LARGE = 5_000
"""Transactions from which a table is begun anew instead of emptied."""


@contextmanager
def stage(engine: str) -> Iterator[None]:
    """Start an engine and set Django up on it, in a process that has not read settings yet."""
    with _ENGINES[engine]() as url:
        os.environ |= {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "settings.testing"}
        import django

        django.setup()
        # Hundreds of runs are about to end badly, and each would say so.
        logging.disable(logging.CRITICAL)
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield


@contextmanager
def _sqlite() -> Iterator[str]:
    # Not the directory of the tests: that one goes when Python exits, and a fork ends without.
    with tempfile.TemporaryDirectory(prefix="credits-sqlite-") as directory:
        yield f"sqlite:///{directory}/credits.sqlite3"


_ENGINES = {"sqlite": _sqlite, "postgresql": throwaway_cluster, "mariadb": throwaway_mariadb}


def clear() -> None:
    """Leave no row of any model; the ledger's triggers stand again afterwards."""
    from django.db import connection

    from credits.engine import triggers
    from credits.models import CreditTransaction
    from tests.flushing import empty_tables, tables_to_empty

    # New files for a hundred tables and indexes take far longer than a few rows do.
    is_large = CreditTransaction.objects.all()[LARGE : LARGE + 1].exists()
    if not is_large or connection.vendor != "postgresql":
        empty_tables()
        return
    tables = ", ".join(f'"{name}"' for name in tables_to_empty())
    triggers.drop(using="default")
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")
    triggers.install(using="default")


@contextmanager
def present(moment: datetime) -> Iterator[None]:
    """Let commands of this process take a moment for the present; no month is reset behind it."""
    with patch("credits.management.job_command.database_now", lambda *, using: moment):
        yield


@contextmanager
def guards_aside() -> Iterator[None]:
    """Let no trigger fire while the block lasts, neither the ledger's nor a foreign key's."""
    from django.db import connection

    from credits.engine import triggers
    from tests.tampering import told

    # PostgreSQL's replica fires none of them; elsewhere the ledger's have to go.
    have_to_go = connection.vendor != "postgresql"
    if have_to_go:
        triggers.drop(using="default")
    try:
        with told(*_GUARDS[connection.vendor]):
            yield
    finally:
        if have_to_go:
            triggers.install(using="default")


_GUARDS = {
    "postgresql": ("SET session_replication_role = replica", "RESET session_replication_role"),
    "mysql": ("SET foreign_key_checks = 0", "SET foreign_key_checks = 1"),
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
}
