"""Which database holds the ledger, and which of its errors pass by themselves."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import stamina
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.db.models import Model, QuerySet
from django.utils import timezone

from credits.engine import mariadb
from credits.models import CreditBalance

# Serialization failure, deadlock, lock not available, too many connections, and the three ways in
# which PostgreSQL says that it is going down or coming up.
_TRANSIENT_SQLSTATES = {"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"}

_RAISED_BY_A_TRIGGER = "P0001"

_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

# Not what the transaction began with, nor the statement: what the clock says now.
_CLOCKS = {"postgresql": "SELECT clock_timestamp()", "mysql": "SELECT UTC_TIMESTAMP(6)"}

# How one thread ends the statement that another one waits for, in the words of each driver.
_INTERRUPTS = {"sqlite": "interrupt", "postgresql": "cancel"}

ATTEMPTS = 6

T = TypeVar("T")
M = TypeVar("M", bound=Model)


def ledger_database() -> str:
    """Return the alias of the database that the ledger is written to."""
    return router.db_for_write(CreditBalance)


def is_transient(error: BaseException) -> bool:
    """Say whether the same work may succeed when it is simply done again."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        # The primary code is the low byte; SQLITE_BUSY_SNAPSHOT and its kin are above it.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_BUSY
    if (number := mariadb.error_number(cause)) is not None:
        return number in mariadb.TRANSIENT
    # A connection that broke carries no state of the server's; class 08 says so in words.
    state = getattr(cause, "sqlstate", None)
    return state is None or state in _TRANSIENT_SQLSTATES or state.startswith("08")


def is_about_the_data(error: DatabaseError) -> bool:
    """Say whether a row is to blame, so that other rows may do better."""
    # What a trigger raises comes as a ProgrammingError, like a missing table.
    if getattr(error.__cause__, "sqlstate", None) == _RAISED_BY_A_TRIGGER:
        return True
    if mariadb.error_number(error.__cause__) == mariadb.RAISED_BY_A_TRIGGER:
        return True
    # SQLite has no error class of its own for an overflow in sum().
    return isinstance(error, DataError | IntegrityError) or "integer overflow" in str(error)


def attempts(*, using: str) -> Iterator[stamina.Attempt]:
    """
    Yield attempts at one database transaction until one succeeds, six at most.

    Only transient errors are tried again, after a pause that doubles, with jitter, and on a new
    connection where the old one is broken. Inside an open transaction there is one attempt: only
    whoever opened it can do it again.
    """
    connection = connections[using]
    for attempt in stamina.retry_context(
        on=is_transient,
        attempts=1 if connection.in_atomic_block else ATTEMPTS,
        timeout=None,
        wait_initial=0.05,
        wait_max=2.0,
        wait_jitter=0.5,
    ):
        # Django itself looks only at the end of a request; where nothing failed nothing is asked.
        if (
            connection.errors_occurred
            and not connection.in_atomic_block
            and connection.connection is not None
            and not connection.is_usable()
        ):
            connection.close()
        yield attempt


def retried(question: Callable[[], T], *, using: str) -> T:
    """Ask the database something outside a transaction; again while errors are transient."""
    for attempt in attempts(using=using):
        with attempt:
            answer = question()
    return answer


def apart(*, using: str) -> AbstractContextManager[Any]:
    """
    Let a transaction of the caller's survive what fails inside; where there is none, open none.

    Without it a statement that fails in a transaction takes all that follow with it.
    """
    return transaction.atomic(using=using) if connections[using].in_atomic_block else nullcontext()


def database_now(*, using: str) -> datetime:
    """
    Return the present moment by the database's own clock.

    Every host that asks gets the same answer, however wrong its own clock is.
    """
    question = _CLOCKS.get(connections[using].vendor)
    if question is None:
        # SQLite is a file of this host, and asks this host's clock too.
        return timezone.now()
    with connections[using].cursor() as cursor:
        cursor.execute(question)
        moment: datetime = cursor.fetchone()[0]
    # MariaDB knows no zones: what it was asked for is UTC.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def interrupt(connection: Any) -> None:
    """
    Let the statement that another thread has under way on its connection end with an error.

    Where nothing is under way, and on MariaDB, which cannot be told, nothing happens.
    """
    name = _INTERRUPTS.get(connection.vendor)
    if name and (driver := connection.connection) is not None:
        # Its thread may be closing it.
        with suppress(connection.Database.Error):
            getattr(driver, name)()


def check_references(*, using: str) -> None:
    """
    Let PostgreSQL check the foreign keys of this transaction now instead of while it commits.

    For a chunk that is as long as an insert: too long to hold a row that others wait for.
    """
    if connections[using].vendor == "postgresql":
        connections[using].check_constraints()


def lock_key(idempotency_key: str, *, using: str) -> None:
    """
    Let no other transaction use this key until the caller's ends.

    The constraint on keys is one for each pool, so two professionals could use one key at once,
    one of free and one of paid credits. SQLite needs no lock: it has one writer.
    """
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [idempotency_key]
            )
    elif mariadb.is_mariadb(using):
        mariadb.lock_name(idempotency_key, using=using)


def enter_ledger(*, using: str) -> None:
    """
    Announce rows of the ledger, before their keys are drawn, until the caller's transaction ends.

    The totals count no key that might still be joined by a lower one. PostgreSQL and SQLite know
    by themselves who is writing. Every function of the ledger does it; who brings in rows of their
    own, as an importer, must.
    """
    if mariadb.is_mariadb(using):
        mariadb.hold_gate(using=using)


def locked_not_for_its_key(rows: QuerySet[M], *, using: str) -> QuerySet[M]:
    """
    Return rows that are locked when they are read, and keep nobody waiting who refers to them.

    MariaDB has no such lock: there they wait.
    """
    return rows.select_for_update(no_key=not mariadb.is_mariadb(using))


def lock_job(job: str, *, using: str) -> None:
    """Let nobody else start, pause or resume this job until the caller's transaction ends."""
    lock_key(f"credits job {job}", using=using)
