"""What a database does to its clients: errors, broken connections, answers that are lost."""

import sqlite3
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Any

import psycopg
from django.db import OperationalError, connections

from tests.threads import in_double_quotes

Wrapper = Callable[..., Any]


def sqlite_error(code: int) -> sqlite3.OperationalError:
    """Return an error as SQLite raises it."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return error


DEADLOCK = psycopg.errors.DeadlockDetected("deadlock detected")
BUSY = sqlite_error(sqlite3.SQLITE_BUSY)


def mariadb_error(number: int, words: str) -> Exception:
    """Return an error as mysqlclient raises it, which who tests another engine may not have."""
    from MySQLdb import OperationalError as Refusal  # noqa: PLC0415

    return Refusal(number, words)


def passing_error() -> Exception:
    """Return an error of this engine after which the same work may be done again."""
    vendor = connections["default"].vendor
    if vendor == "mysql":
        return mariadb_error(1213, "Deadlock found when trying to get lock")
    return DEADLOCK if vendor == "postgresql" else BUSY


class Fault:
    """Raise an error in place of the first ``times`` statements that contain ``at``."""

    def __init__(self, cause: Exception, *, at: str, times: float = 1) -> None:
        self._cause = cause
        self._at = at
        self._times = times
        self.raised = 0

    def __call__(self, execute: Wrapper, sql: str, *args: Any) -> Any:
        """Execute the statement, or raise."""
        if self._at in in_double_quotes(sql) and self.raised < self._times:
            self.raised += 1
            raise_as_django(self._cause)
        return execute(sql, *args)


ASKS_FOR_JSON = "SELECT JSON("
"""
Django's question to SQLite, once a process: an error is a no, for as long as the process lives. It
is asked where a chunk makes its statements, with the write lock held: no lock can be missed there.
"""


class RandomFaults:
    """Raise an error in place of one statement in ``one_in``, inside transactions."""

    def __init__(self, *, seed: int, one_in: int) -> None:
        self._random = Random(seed)
        self._one_in = one_in
        self.raised = 0

    def __call__(self, execute: Wrapper, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Execute the statement, or raise."""
        is_hit = context["connection"].in_atomic_block and not self._random.randrange(self._one_in)
        if is_hit and not sql.startswith(ASKS_FOR_JSON):
            self.raised += 1
            raise_as_django(passing_error())
        return execute(sql, params, many, context)


class Cut:
    """Let the server end the connection at the first statement that contains ``at``."""

    def __init__(self, *, at: str) -> None:
        self._at = at
        self.done = False

    def __call__(self, execute: Wrapper, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Execute the statement, or find that nobody listens any more."""
        if self._at in in_double_quotes(sql) and not self.done:
            self.done = True
            if context["connection"].vendor != "mysql":
                return execute(END_OWN_CONNECTION, None, False, context)
            end_connection_unnoticed()
        return execute(sql, params, many, context)


class Outage:
    """A database that answers no statement while it is down."""

    def __init__(self) -> None:
        self.is_on = False

    def __call__(self, execute: Wrapper, *args: Any) -> Any:
        """Execute the statement, or raise."""
        if self.is_on:
            raise_as_django(passing_error())
        return execute(*args)


END_OWN_CONNECTION = "SELECT pg_terminate_backend(pg_backend_pid())"


def end_connection_unnoticed() -> None:
    """Let the server end this thread's connection, which learns of it at its next statement."""
    connection = connections["default"]
    connection.ensure_connection()
    if connection.vendor == "mysql":
        another = connection.Database.connect(**connection.get_connection_params())
        another.query(f"KILL {connection.connection.thread_id()}")
        another.close()
        return
    pid = connection.connection.info.backend_pid
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as another:
        (ended,) = another.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone()
    assert ended


@contextmanager
def after_commit(numbers: Container[int], do: Callable[[], object]) -> Iterator[None]:
    """Do something after those of this thread's COMMITs, counted from 1, and before it knows."""
    connection = connections["default"]
    commit = connection.commit
    commits = count(1)

    def commit_and_more() -> None:
        commit()
        if next(commits) in numbers:
            do()

    connection.commit = commit_and_more
    try:
        yield
    finally:
        # Behind it is the method of the class.
        del connection.commit


@contextmanager
def lost_answers(
    to: Container[int] = (1,), *, then: Callable[[], object] = int
) -> Iterator[list[int]]:
    """
    Let those of this thread's COMMITs be done and their answers be lost; yield one item for each.

    PostgreSQL and MariaDB really end the connection. SQLite has none that could end: there the
    client is told that the database was busy, which comes to the same.

    Args:
        then: done between the two.
    """
    lost: list[int] = []

    def lose() -> None:
        lost.append(len(lost) + 1)
        then()
        connection = connections["default"]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(END_OWN_CONNECTION)
        if connection.vendor == "mysql":
            end_connection_unnoticed()
            raise_as_django(mariadb_error(2013, "Lost connection to server during query"))
        raise_as_django(BUSY)

    with after_commit(to, lose):
        yield lost


def raise_as_django(cause: Exception) -> None:
    """Raise a driver's error in Django's clothes, as its cursors do."""
    raise OperationalError(*cause.args) from cause
