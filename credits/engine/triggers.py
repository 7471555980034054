"""
The triggers that make the ledger append-only, and the question whether they are there.

DELETE and TRUNCATE are refused, and so is any UPDATE that names a column other than
``remaining_amount`` and ``remaining_price``. ``UPDATE OF`` looks at the columns a statement names,
so drawing down a lot costs nothing. MariaDB's triggers compare each column, byte for byte, and none
of them sees TRUNCATE: ``mariadb_tables`` says what refuses that.

They are created after every migrate, by no migration: on SQLite Django remakes a table to change
it, and the triggers are lost with the old one. A migrate may also stop, or go back, before a column
that this release knows: PostgreSQL knows no trigger on a column that is not there.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db import connections
from django.db.models import Model

from credits.engine import mariadb_tables
from credits.engine.mariadb import is_mariadb
from credits.models import CreditAllocation, CreditTransaction, DaySeal

CHANGEABLE: dict[type[Model], frozenset[str]] = {
    CreditTransaction: frozenset({"remaining_amount", "remaining_price"}),
    CreditAllocation: frozenset(),
    DaySeal: frozenset(),
}

REFUSAL = "The ledger is append-only: write a transaction that corrects it."

_POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION credits_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$
"""

_PRESENT = {
    "postgresql": """
        SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE NOT tgisinternal AND tgenabled <> 'D' AND pg_table_is_visible(pg_class.oid)
        """,
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "mysql": """
        SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()
        """,
}

# As a foreign key would refuse it: an IntegrityError, and no IGNORE of a statement passes it by.
_MARIADB_REFUSAL = f"SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1451, MESSAGE_TEXT = '{REFUSAL}'"


@dataclass(frozen=True)
class Trigger:
    """One trigger: what it listens to on which table, and what it does for a row or statement."""

    name: str
    table: str
    event: str
    action: str
    columns: tuple[str, ...] = ()
    """Those whose change it refuses; empty for an event that has none."""

    def create(self, there: Collection[str]) -> str:
        """Return the statement that creates it on a table with the columns that are there."""
        those = ", ".join(f'"{column}"' for column in self.columns if column in there)
        event = f"{self.event} OF {those}" if those else self.event
        return f'CREATE TRIGGER "{self.name}" BEFORE {event} ON "{self.table}" {self.action}'


@dataclass(frozen=True)
class MariaDBTrigger(Trigger):
    """One that compares: MariaDB has no ``UPDATE OF``. It is replaced, so it is never missing."""

    def create(self, there: Collection[str]) -> str:
        """Return the statement that creates it, or puts it in the place of the one there is."""
        # As bytes: texts would be compared by the collation of the column, which may know no case.
        same = " AND ".join(
            f"BINARY OLD.`{column}` <=> BINARY NEW.`{column}`"
            for column in self.columns
            if column in there
        )
        refuse = f"IF NOT ({same}) THEN {self.action}; END IF" if same else self.action
        return (
            f"CREATE OR REPLACE TRIGGER `{self.name}` BEFORE {self.event} ON `{self.table}`"
            f" FOR EACH ROW {refuse}"
        )


def expected(*, using: str) -> list[Trigger]:
    """Return the triggers that should exist; none on an engine this app has none for."""
    vendor = connections[using].vendor
    if vendor not in _PRESENT:
        return []
    return [
        trigger
        for model, changeable in CHANGEABLE.items()
        for trigger in _guards(model, changeable, vendor)
    ]


def missing(*, using: str) -> list[str]:
    """Return the names of triggers that should exist and do not, or are switched off."""
    wanted = {trigger.name for trigger in expected(using=using)}
    if not wanted:
        return []
    with connections[using].cursor() as cursor:
        cursor.execute(_PRESENT[connections[using].vendor])
        return sorted(wanted - {name for (name,) in cursor.fetchall()})


def see_replaced_rows(*, using: str) -> bool:
    """Say whether the triggers hear of a row that INSERT OR REPLACE removes; SQLite asks for it."""
    connection = connections[using]
    if connection.vendor != "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA recursive_triggers")
        return bool(cursor.fetchone()[0])


def has_tables(*, using: str) -> bool:
    """Say whether the ledger's tables are there: another app may be migrated before this one."""
    # The seals came later: a database that has none yet has a ledger to guard all the same.
    return {CreditTransaction._meta.db_table, CreditAllocation._meta.db_table} <= _tables(using)


def install(*, using: str) -> None:
    """Create the triggers anew; a database without the ledger's tables is left alone."""
    if not has_tables(using=using):
        return
    connection = connections[using]
    if is_mariadb(using):
        mariadb_tables.make(using=using)
    else:
        drop(using=using)
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL_FUNCTION)
        tables = _tables(using)
        for trigger in expected(using=using):
            if trigger.table in tables:
                # Django's introspection asks for far more, and tests install often.
                cursor.execute(f"SELECT * FROM {quote(trigger.table)} LIMIT 0")
                cursor.execute(trigger.create([column[0] for column in cursor.description]))


def drop(*, using: str) -> None:
    """Remove the triggers, so that a test database can be flushed; a migrate puts them back."""
    connection = connections[using]
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        tables = _tables(using)
        for trigger in expected(using=using):
            if trigger.table not in tables:
                continue
            where = f' ON "{trigger.table}"' if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {quote(trigger.name)}{where}")


def make_way(*, using: str) -> None:
    """
    Take away what would keep a migration from going back; a migrate to the newest puts it back.

    MariaDB drops no column that a generated one is made of, and no table that another refers to;
    and a trigger that names a column that is gone refuses every UPDATE.
    """
    if is_mariadb(using):
        drop(using=using)
        mariadb_tables.unmake(using=using)


def _tables(using: str) -> set[str]:
    return set(connections[using].introspection.table_names())


def _guards(model: type[Model], changeable: frozenset[str], vendor: str) -> Iterator[Trigger]:
    table = model._meta.db_table
    fixed = tuple(
        field.column for field in model._meta.concrete_fields if field.name not in changeable
    )
    if vendor == "mysql":
        yield MariaDBTrigger(f"{table}_no_delete", table, "DELETE", _MARIADB_REFUSAL)
        yield MariaDBTrigger(f"{table}_no_update", table, "UPDATE", _MARIADB_REFUSAL, fixed)
        return
    if vendor == "postgresql":
        refuse = "EXECUTE FUNCTION credits_refuse_change()"
        yield Trigger(f"{table}_no_truncate", table, "TRUNCATE", f"FOR EACH STATEMENT {refuse}")
    else:
        refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    yield Trigger(f"{table}_no_delete", table, "DELETE", f"FOR EACH ROW {refuse}")
    yield Trigger(f"{table}_no_update", table, "UPDATE", f"FOR EACH ROW {refuse}", fixed)
