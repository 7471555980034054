"""How a test does what the app cannot: edit the ledger behind its guards, poison someone."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from credits.engine import triggers
from homezy.models import User

POISON = "This one is poisoned."


@contextmanager
def guards_down() -> Iterator[None]:
    """Take away the ledger's triggers and check constraints while the block lasts."""
    # PostgreSQL alters no table while deferred foreign keys wait for their check.
    connection.check_constraints()
    triggers.drop(using="default")
    with _unchecked_sqlite() if connection.vendor == "sqlite" else _unchecked_postgresql():
        yield
    connection.check_constraints()
    triggers.install(using="default")


@contextmanager
def _unchecked_sqlite() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        try:
            yield
        finally:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


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


def poison(
    professional: User | None = None,
    *,
    condition: str = "1 = 1",
    table: str = "credits_credittransaction",
) -> None:
    """Let the database refuse the new rows of this professional, or of all who fit a condition."""
    connection.check_constraints()
    when = condition if professional is None else f"NEW.professional_id = {professional.pk}"
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                f"CREATE TRIGGER poison BEFORE INSERT ON {table} WHEN {when}"
                f" BEGIN SELECT RAISE(ABORT, '{POISON}'); END"
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


def mend(*, table: str = "credits_credittransaction") -> None:
    """Take the poison away."""
    connection.check_constraints()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP TRIGGER poison ON {table}")
            cursor.execute("DROP FUNCTION poison")
        else:
            cursor.execute("DROP TRIGGER poison")
