"""
What the other engines have and MariaDB has not: a lock on a name, and an end of the ledger that no
open transaction can still precede. Both are locks on rows of one small table, ``credits_lock``.

A lock on a name is a lock on one of a fixed number of rows, chosen by the name: what ``GET_LOCK``
holds would outlive a rollback. Two names may fall on one row; then one waits for the other.

Everyone who is about to write to the ledger holds one of two gates, shared, until the transaction
ends; which one, the totals' mark says. Whoever counts locks the other: while nobody holds that,
whoever may still bring a key below the last one there holds this one. So that key is noted, the
next writers are sent to the other gate, and once this one is free the ledger is counted up to the
key. A gate that is held is not waited for: what is new is counted another time.
"""

from typing import Any
from zlib import crc32

from django.core.exceptions import ImproperlyConfigured
from django.db import ProgrammingError, connections

TABLE = "credits_lock"

GATES = 2

NAMES = 1_024
"""Rows that names are spread over: more make it rarer that two names fall on one."""

TRANSIENT = {
    0,  # the connection was closed, says the client
    1020,  # a row has changed since it was read (innodb_snapshot_isolation)
    1040,  # too many connections
    1053,  # the server is going down
    1158,
    1159,
    1160,
    1161,  # the network
    1203,  # too many connections of this user
    1205,  # a lock was not got in time
    1213,  # deadlock
    1927,  # the connection was killed
    2002,
    2003,  # the server does not listen
    2006,
    2013,
    2055,  # the connection is gone
    4031,  # it was idle for too long
}
"""Numbers of errors after which the same work may be done again."""

NO_TRIGGERS = {1142, 1227, 1419}
"""What the server says to an account that may create no trigger."""

RAISED_BY_A_TRIGGER = 1644
"""What a trigger of the project's raises: SIGNAL SQLSTATE '45000'."""

_SESSION = "@@sql_mode, @@tx_isolation, @@check_constraint_checks, @@foreign_key_checks"

MODES = "SET sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES,SIMULTANEOUS_ASSIGNMENT')"
"""What a connection begins with, as ``init_command``."""

_TURN = "SELECT COALESCE(MAX(next_horizon), 0) FROM credits_totalsmark"


def is_mariadb(using: str) -> bool:
    """Say whether a database is MariaDB, which Django calls ``mysql``; MySQL is refused."""
    return connections[using].vendor == "mysql"


def gate_of(turn: int) -> int:
    """Return the row that is the gate in this turn, as the mark counts turns."""
    return turn % GATES


def lock_name(name: str, *, using: str) -> None:
    """Let no other transaction lock this name until the caller's ends."""
    _lock(GATES + crc32(name.encode()) % NAMES, "FOR UPDATE", using=using)


def hold_gate(*, using: str) -> None:
    """
    Be among those whom the totals' next end waits for, until the caller's transaction ends.

    Raises:
        ImproperlyConfigured: this connection is not set up to write to the ledger.
    """
    # What a subquery reads is not locked. By the time it is locked the gate may be that of the turn
    # before; whoever counts looks at that one too.
    session = _lock(f"({_TURN}) % {GATES}", "LOCK IN SHARE MODE", using=using)
    if wrong := _complaints(*session):
        raise ImproperlyConfigured(" ".join(f"{what} {hint}" for what, hint in wrong))


def is_gate_free(gate: int, *, using: str) -> bool:
    """Say whether nobody else holds a gate; if so, the caller does until its transaction ends."""
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT id FROM {TABLE} WHERE id = %s FOR UPDATE SKIP LOCKED", [gate])
        return cursor.fetchone() is not None


def error_number(cause: BaseException | None) -> int | None:
    """Return the server's number, or the client's, of an error of mysqlclient's; else nothing."""
    if cause is None or not type(cause).__module__.startswith("MySQLdb") or not cause.args:
        return None
    number = cause.args[0]
    return number if isinstance(number, int) else None


def _lock(row: int | str, how: str, *, using: str) -> Any:
    """Lock a row; return what the connection is set to, which costs no question of its own."""
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {_SESSION} FROM {TABLE} WHERE id = {row} {how}")
        session = cursor.fetchone()
    if session is None:
        raise ProgrammingError(f"{TABLE} has lost rows: run manage.py migrate.")
    return session


def complaints(*, using: str) -> list[tuple[str, str]]:
    """Return what keeps this connection from writing to the ledger, each with what to type."""
    return _complaints(*_ask(f"SELECT {_SESSION}", using=using))


def _complaints(
    sql_mode: str, isolation: str, checks: int, foreign_keys: int
) -> list[tuple[str, str]]:
    modes = set(sql_mode.split(","))
    found = []
    if "SIMULTANEOUS_ASSIGNMENT" not in modes:
        found.append(
            (
                "MariaDB's sql_mode lacks SIMULTANEOUS_ASSIGNMENT: an UPDATE would read what it has"
                " just written, and credits would be counted wrong.",
                f'Add "OPTIONS": {{"init_command": "{MODES}"}}.',
            )
        )
    if not modes & {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"}:
        found.append(
            (
                "MariaDB's sql_mode is not strict: a value that does not fit would be cut.",
                f'Add "OPTIONS": {{"init_command": "{MODES}"}}.',
            )
        )
    if isolation != "READ-COMMITTED":
        found.append(
            (
                f"MariaDB's transactions are {isolation}: behind a lock they would read the past.",
                'Add "OPTIONS": {"isolation_level": "read committed"}, Django\'s own default.',
            )
        )
    if not (checks and foreign_keys):
        found.append(
            (
                "MariaDB checks no constraints or no foreign keys on this connection.",
                "Take check_constraint_checks = 0 and foreign_key_checks = 0 out of what it begins"
                " with.",
            )
        )
    return found


def knows_zone(zone: str, *, using: str) -> bool:
    """Say whether the server can tell the months of a time zone."""
    return zone == "UTC" or _ask(
        "SELECT CONVERT_TZ('2026-01-01 00:00:00', '+00:00', %s) IS NOT NULL", zone, using=using
    ) == (1,)


_OWN = "grantee = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')"


def may_drop(*, using: str) -> bool:
    """Say whether this account may drop tables, and so TRUNCATE them."""
    places = {
        "user_privileges": "TRUE",
        "schema_privileges": "DATABASE() LIKE table_schema",
        "table_privileges": "table_schema = DATABASE()",
    }
    questions = [
        f"SELECT 1 FROM information_schema.{place}"
        f" WHERE privilege_type = 'DROP' AND {here} AND {_OWN}"
        for place, here in places.items()
    ]
    return _ask(" UNION ".join(questions), using=using) is not None


def is_cluster(*, using: str) -> bool:
    """Say whether this is a node of a Galera cluster."""
    return (
        _ask("SHOW GLOBAL VARIABLES WHERE variable_name = 'wsrep_on' AND value = 'ON'", using=using)
        is not None
    )


def _ask(question: str, *params: str, using: str) -> Any:
    with connections[using].cursor() as cursor:
        cursor.execute(question, params or None)
        return cursor.fetchone()
