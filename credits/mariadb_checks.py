"""System checks of a MariaDB that keeps the ledger: each asks the server itself."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections

from credits.conf import given_settings, problems
from credits.engine import mariadb, mariadb_tables, triggers
from credits.engine.database import ledger_database

LEAST = (10, 11)
"""The oldest version that the tests run on."""


def check_server(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse what is no MariaDB, or too old, or set up so that statements mean something else."""
    alias = ledger_database()
    if alias not in (databases or ()) or not mariadb.is_mariadb(alias):
        return []
    connection: Any = connections[alias]
    if not connection.mysql_is_mariadb:
        return [
            Error(
                "The ledger cannot be kept in MySQL: an UPDATE there reads what it has just"
                " written, and no sql_mode mends it.",
                hint="Let a database router send the app credits to PostgreSQL, MariaDB or SQLite.",
                id="credits.E015",
            )
        ]
    version = connection.mysql_version
    if version < LEAST:
        return [
            Error(
                f"The ledger cannot be kept in MariaDB {'.'.join(map(str, version))}.",
                hint=f"Use {'.'.join(map(str, LEAST))} or newer.",
                id="credits.E025",
            )
        ]
    messages: list[CheckMessage] = [
        Error(what, hint=hint, id="credits.E026") for what, hint in mariadb.complaints(using=alias)
    ]
    zone = given_settings().get("PERIOD_TIME_ZONE", "UTC")
    if not problems(given_settings()) and not mariadb.knows_zone(zone, using=alias):
        messages.append(
            Error(
                f'MariaDB does not know the time zone {zone} of CREDITS["PERIOD_TIME_ZONE"].',
                hint="mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb -u root mysql",
                id="credits.E027",
            )
        )
    return messages


def check_tables(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Look for what makes up for what MariaDB lacks, and say what nothing makes up for."""
    alias = ledger_database()
    if alias not in (databases or ()) or not mariadb.is_mariadb(alias):
        return []
    connection: Any = connections[alias]
    if not connection.mysql_is_mariadb or not triggers.has_tables(using=alias):
        return []
    return list(_weaknesses(alias))


def _weaknesses(alias: str) -> Iterator[CheckMessage]:
    for phrase in mariadb_tables.lacking(using=alias):
        yield CheckWarning(
            f"Something that keeps the ledger right on MariaDB is not there: {phrase}.",
            hint="Run manage.py migrate, which makes it. A table of another engine:"
            " ALTER TABLE … ENGINE=InnoDB.",
            id="credits.W012",
        )
    if mariadb.may_drop(using=alias):
        yield CheckWarning(
            "This account may empty the ledger: TRUNCATE with foreign_key_checks = 0 passes every"
            " guard of MariaDB's. Only the seals tell afterwards.",
            hint="Migrate as one account, and let the site and the jobs be another: GRANT SELECT,"
            " INSERT, UPDATE, DELETE ON the database. manage.py verify_credits --seals finds it.",
            id="credits.W013",
        )
    if mariadb.is_cluster(using=alias):
        yield CheckWarning(
            "MariaDB is a Galera cluster: a lock holds on one node alone.",
            hint="Let all that writes credits, the site and the jobs, go to the same node.",
            id="credits.W014",
        )
