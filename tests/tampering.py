"""How a test does what the app cannot: edit the ledger behind its guards, poison someone."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connection

from credits.engine import triggers
from homezy.models import User

POISON = "This one is poisoned."


@contextmanager
def guards_down() -> Iterator[None]:
    """Take away the ledger's triggers and check constraints while the block lasts."""
    _let_be_altered()
    triggers.drop(using="default")
    with _UNCHECKED[connection.vendor]():
        yield
    _let_be_altered()
    triggers.install(using="default")


def _let_be_altered() -> None:
    # PostgreSQL alters no table while deferred foreign keys wait for their check. MariaDB has none
    # that wait, and commits what a test has done so far: see flushing.
    if connection.vendor != "mysql":
        connection.check_constraints()


@contextmanager
def told(aside: str, back: str) -> Iterator[None]:
    """Tell the database one thing before the block and the other after it, however it ends."""
    with connection.cursor() as cursor:
        cursor.execute(aside)
        try:
            yield
        finally:
            cursor.execute(back)


@contextmanager
def _unchecked_postgresql() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'c' AND conname LIKE 'credits_%'"
        )
        constraints = cursor.fetchall()
        for table, name, _ in constraints:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        yield
        connection.check_constraints()
        for table, name, definition in constraints:
            # NOT VALID: what is wrong by now stays, as it does on SQLite.
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition} NOT VALID')


_UNCHECKED = {
    "sqlite": partial(
        told, "PRAGMA ignore_check_constraints = ON", "PRAGMA ignore_check_constraints = OFF"
    ),
    "postgresql": _unchecked_postgresql,
    "mysql": partial(told, "SET check_constraint_checks = 0", "SET check_constraint_checks = 1"),
}


def poison(
    professional: User | None = None,
    *,
    condition: str = "1 = 1",
    table: str = "credits_credittransaction",
) -> None:
    """Let the database refuse the new rows of this professional, or of all who fit a condition."""
    _let_be_altered()
    when = condition if professional is None else f"NEW.professional_id = {professional.pk}"
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                f"CREATE TRIGGER poison BEFORE INSERT ON {table} WHEN {when}"
                f" BEGIN SELECT RAISE(ABORT, '{POISON}'); END"
            )
        elif connection.vendor == "mysql":
            cursor.execute(
                f"CREATE TRIGGER poison BEFORE INSERT ON {table} FOR EACH ROW IF {when} THEN SIGNAL"
                f" SQLSTATE '23000' SET MYSQL_ERRNO = 4025, MESSAGE_TEXT = '{POISON}'; END IF"
            )
        else:
            cursor.execute(
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN RAISE EXCEPTION '{POISON}' USING ERRCODE = 'check_violation'; END $$"
            )
            cursor.execute(
                f"CREATE TRIGGER poison BEFORE INSERT ON {table} FOR EACH ROW WHEN ({when})"
                " EXECUTE FUNCTION poison()"
            )


def mend() -> None:
    """Take the poison away."""
    _let_be_altered()
    # A function takes its trigger along.
    what = "FUNCTION poison() CASCADE" if connection.vendor == "postgresql" else "TRIGGER poison"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP {what}")
