"""Which database holds the ledger, and which of its errors pass by themselves."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

import stamina
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    router,
)

from credits.models import CreditBalance

# Serialization failure, deadlock, lock not available, too many connections, and the three ways in
# which PostgreSQL says that it is going down or coming up.
_TRANSIENT_SQLSTATES = {"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"}

_RAISED_BY_A_TRIGGER = "P0001"

_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

ATTEMPTS = 6

T = TypeVar("T")


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
    # A connection that broke carries no state of the server's; class 08 says so in words.
    state = getattr(cause, "sqlstate", None)
    return state is None or state in _TRANSIENT_SQLSTATES or state.startswith("08")


def is_about_the_data(error: DatabaseError) -> bool:
    """Say whether a row is to blame, so that other rows may do better."""
    # What a trigger raises comes as a ProgrammingError, like a missing table.
    if getattr(error.__cause__, "sqlstate", None) == _RAISED_BY_A_TRIGGER:
        return True
    # SQLite has no error class of its own for an overflow in sum().
    return isinstance(error, DataError | IntegrityError) or "integer overflow" in str(error)


def attempts(*, using: str) -> Iterator[stamina.Attempt]:
    """
    Yield attempts at one database transaction until one succeeds, six at most.

    Only transient errors are tried again, after a pause that doubles, with jitter. Inside an open
    transaction there is one attempt: only whoever opened it can do it again.
    """
    count = 1 if connections[using].in_atomic_block else ATTEMPTS
    return stamina.retry_context(
        on=is_transient,
        attempts=count,
        timeout=None,
        wait_initial=0.05,
        wait_max=2.0,
        wait_jitter=0.5,
    ).__iter__()


def retried(question: Callable[[], T], *, using: str) -> T:
    """
    Ask the database something; again, on a new connection if need be, while errors are transient.

    For reads outside a transaction: one that begins a transaction finds a broken connection by
    itself.
    """
    for attempt in attempts(using=using):
        with attempt:
            try:
                return question()
            except (OperationalError, InterfaceError):
                connections[using].close_if_unusable_or_obsolete()
                raise
    raise AssertionError("the last attempt returns or raises")
