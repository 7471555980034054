"""credits.engine.database: which errors pass by themselves, and which are a row's fault."""

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.db.utils import DatabaseError, NotSupportedError, ProgrammingError
from django.utils import timezone

from credits.engine.database import (
    ATTEMPTS,
    apart,
    attempts,
    database_now,
    interrupt,
    is_about_the_data,
    is_transient,
    ledger_database,
)
from tests.factories import MARCH
from tests.threads import eventually, threads

A_MINUTE = timedelta(minutes=1)


def caused(error, cause=None, **attributes):
    """Return an error as Django raises it: around the one of the driver."""
    for name, value in attributes.items():
        setattr(cause, name, value)
    error.__cause__ = cause
    return error


def sqlite(code, message="", kind=OperationalError):
    return caused(kind(message), sqlite3.OperationalError(message), sqlite_errorcode=code)


class TestLedgerDatabase:
    def test_is_the_one_the_router_writes_balances_to(self, settings):
        class Router:
            def db_for_write(self, model, **hints):
                return "books" if model._meta.app_label == "credits" else None

        settings.DATABASE_ROUTERS = [Router()]

        assert ledger_database() == "books"

    def test_is_the_default_one_without_a_router(self):
        assert ledger_database() == "default"


class TestIsTransient:
    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(sqlite(sqlite3.SQLITE_BUSY), id="database is locked"),
            pytest.param(sqlite(sqlite3.SQLITE_LOCKED), id="table is locked"),
            pytest.param(sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), id="stale snapshot"),
            pytest.param(sqlite(sqlite3.SQLITE_BUSY_RECOVERY), id="recovery"),
            pytest.param(
                caused(OperationalError(), psycopg.errors.SerializationFailure()),
                id="serialization failure",
            ),
            pytest.param(
                caused(OperationalError(), psycopg.errors.DeadlockDetected()), id="deadlock"
            ),
            pytest.param(
                caused(OperationalError(), psycopg.errors.LockNotAvailable()), id="lock timeout"
            ),
            pytest.param(
                caused(OperationalError(), psycopg.errors.TooManyConnections()),
                id="too many connections",
            ),
            pytest.param(caused(OperationalError(), psycopg.errors.AdminShutdown()), id="shutdown"),
            pytest.param(caused(OperationalError(), psycopg.errors.CrashShutdown()), id="crash"),
            pytest.param(
                caused(OperationalError(), psycopg.errors.CannotConnectNow()), id="starting up"
            ),
            pytest.param(
                caused(OperationalError(), psycopg.errors.ConnectionFailure()), id="class 08"
            ),
            pytest.param(
                caused(OperationalError(), psycopg.OperationalError("server closed")),
                id="connection lost",
            ),
            pytest.param(
                caused(InterfaceError(), psycopg.InterfaceError("connection is closed")),
                id="connection closed",
            ),
            pytest.param(InterfaceError("connection already closed"), id="Django's own word"),
        ],
    )
    def test_says_yes_to_what_passes_by_itself(self, error):
        assert is_transient(error)

    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(sqlite(sqlite3.SQLITE_FULL), id="disk full"),
            pytest.param(sqlite(sqlite3.SQLITE_ERROR, "integer overflow"), id="overflow in sqlite"),
            pytest.param(sqlite(sqlite3.SQLITE_CORRUPT), id="corrupt"),
            pytest.param(sqlite(sqlite3.SQLITE_READONLY), id="read-only"),
            pytest.param(
                caused(OperationalError(), sqlite3.OperationalError("no code")), id="no code"
            ),
            pytest.param(
                caused(OperationalError(), psycopg.errors.DiskFull()), id="disk full in postgresql"
            ),
            pytest.param(
                caused(OperationalError(), psycopg.errors.QueryCanceled()), id="cancelled"
            ),
            pytest.param(IntegrityError("the key is taken"), id="integrity"),
            pytest.param(DataError("out of range"), id="data"),
            pytest.param(ProgrammingError("no such column"), id="programming"),
            pytest.param(DatabaseError("else"), id="database"),
            pytest.param(ValueError("else"), id="no database error"),
        ],
    )
    def test_says_no_to_what_stays(self, error):
        assert not is_transient(error)


class TestIsAboutTheData:
    @pytest.mark.parametrize(
        ("error", "answer"),
        [
            pytest.param(IntegrityError("a constraint"), True, id="integrity"),
            pytest.param(DataError("out of range"), True, id="data"),
            pytest.param(
                sqlite(sqlite3.SQLITE_ERROR, "integer overflow"), True, id="overflow in sqlite"
            ),
            pytest.param(sqlite(sqlite3.SQLITE_FULL, "disk full"), False, id="disk full"),
            pytest.param(OperationalError("server closed"), False, id="connection lost"),
            pytest.param(InterfaceError("connection is closed"), False, id="connection closed"),
            # No professional is to blame for a missing table: halving would list them all.
            pytest.param(ProgrammingError("no such table"), False, id="no such table"),
            pytest.param(NotSupportedError("no windows"), False, id="not supported"),
            pytest.param(
                caused(ProgrammingError(), psycopg.errors.UndefinedTable()),
                False,
                id="no such table in postgresql",
            ),
            pytest.param(
                caused(ProgrammingError(), psycopg.errors.RaiseException()),
                True,
                id="raised by a trigger",
            ),
        ],
    )
    def test_says_whether_other_rows_may_do_better(self, error, answer):
        assert is_about_the_data(error) is answer


def attempts_made(error, *, until=ATTEMPTS + 1):
    """Fail with an error until this attempt; return the numbers of the attempts that were made."""
    made = []
    with suppress(type(error)):
        for attempt in attempts(using="default"):
            with attempt:
                made.append(attempt.num)
                if attempt.num < until:
                    raise error
    return made


class TestAttempts:
    @pytest.mark.django_db(transaction=True)
    def test_are_six_at_a_transaction_of_ones_own(self):
        assert attempts_made(sqlite(sqlite3.SQLITE_BUSY)) == [1, 2, 3, 4, 5, 6]

    @pytest.mark.django_db
    def test_are_one_inside_anothers_transaction(self):
        assert attempts_made(sqlite(sqlite3.SQLITE_BUSY)) == [1]

    @pytest.mark.django_db(transaction=True)
    def test_end_with_the_first_that_succeeds(self):
        assert attempts_made(sqlite(sqlite3.SQLITE_BUSY), until=3) == [1, 2, 3]

    @pytest.mark.django_db(transaction=True)
    def test_are_not_repeated_for_an_error_that_stays(self):
        assert attempts_made(IntegrityError("the key is taken")) == [1]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        ("failed", "usable", "is_new"),
        [(True, False, True), (True, True, False), (False, False, False)],
        ids=["broken", "only failed", "not known to have failed"],
    )
    def test_are_on_a_new_connection_where_the_old_one_is_broken(
        self, monkeypatch, failed, usable, is_new
    ):
        connection.ensure_connection()
        old = connection.connection
        monkeypatch.setattr(connection, "is_usable", lambda: usable)
        connection.errors_occurred = failed

        for attempt in attempts(using="default"):
            with attempt:
                connection.ensure_connection()

        assert (connection.connection is not old) is is_new

    @pytest.mark.django_db(transaction=True)
    def test_leave_a_callers_connection_alone(self, monkeypatch):
        monkeypatch.setattr(connection, "is_usable", lambda: False)
        with transaction.atomic():
            connection.errors_occurred = True
            old = connection.connection

            for attempt in attempts(using="default"):
                with attempt:
                    assert connection.connection is old

    @pytest.mark.django_db(transaction=True)
    def test_need_no_connection_to_be_open(self):
        connection.close()
        connection.errors_occurred = True

        assert attempts_made(sqlite(sqlite3.SQLITE_BUSY), until=1) == [1]


class TestDatabaseNow:
    @pytest.mark.django_db
    def test_is_by_the_clock_of_the_database_whatever_the_host_says(self, monkeypatch):
        before = datetime.now(UTC)
        monkeypatch.setattr(timezone, "now", lambda: MARCH)

        moment = database_now(using="default")

        assert moment.tzinfo is UTC
        # SQLite is a file of this host.
        assert moment == MARCH if connection.vendor == "sqlite" else moment > before - A_MINUTE


# It counts up to where no computer comes.
FOR_EVER = """
WITH RECURSIVE numbers(n) AS (SELECT 1000000000000 UNION ALL SELECT n + 1 FROM numbers)
SELECT n FROM numbers WHERE n < 0
"""


@pytest.mark.django_db(transaction=True)
class TestInterrupt:
    @pytest.mark.engine("sqlite", "postgresql")  # MariaDB cannot be told.
    def test_ends_the_statement_that_another_thread_has_under_way(self):
        asking = []

        def ask():
            asking.append(connections["default"])
            connection.cursor().execute(FOR_EVER)

        with threads() as started:
            question = started.start(ask)
            eventually(lambda: interrupt(*asking) or question.done() if asking else False)

            with pytest.raises(OperationalError, match="interrupt|cancel"):
                question.result()

    def test_does_nothing_where_nothing_is_under_way(self):
        interrupt(connections["default"])
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.close()
        interrupt(connections["default"])

        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)

    def test_does_nothing_where_its_thread_has_just_closed_it(self):
        closing = connection.copy()
        closing.ensure_connection()
        closing.connection.close()

        interrupt(closing)


class TestApart:
    @pytest.mark.django_db(transaction=True)
    def test_opens_no_transaction_of_its_own(self):
        with apart(using="default"):
            assert not connection.in_atomic_block

    @pytest.mark.django_db(transaction=True)
    def test_lets_a_callers_transaction_go_on(self):
        with transaction.atomic():
            with suppress(ProgrammingError, OperationalError), apart(using="default"):
                connection.cursor().execute("SELECT no_such_column")

            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            assert not connection.needs_rollback
            assert not transaction.get_connection().savepoint_ids
