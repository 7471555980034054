"""
What MariaDB's tables need beyond what migrations give them, made after every migrate as the
triggers are: the migrations stay one set for every engine.

- Texts are compared byte for byte: as most servers are set up, two keys that differ in case, or in
  a space at the end, would be one.
- A unique constraint with a condition, which MariaDB does not know, becomes a unique index with one
  column more, generated: 1 where the condition holds, and NULL, which never collides, elsewhere.
- No trigger sees TRUNCATE; a foreign key from another table refuses it. The ledger has that of the
  allocations, and these and the seals get one from an empty table of their own.
- ``credits_lock`` has the rows that are locked instead of names: see ``mariadb``.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.db import IntegrityError, connections
from django.db.models import CharField, Field, Model, Q, TextField, UniqueConstraint
from django.db.models.sql import Query

from credits.engine.mariadb import GATES, NAMES, TABLE
from credits.models import CreditAllocation, DaySeal

COLLATION = "utf8mb4_nopad_bin"

KEEPER = "credits_truncate_guard"
"""The empty table; its columns refer to the tables that nothing else refers to."""

_KEPT: tuple[type[Model], ...] = (CreditAllocation, DaySeal)

_ROWS = GATES + NAMES


class _Schema:
    """What is there, as the server lists it."""

    def __init__(self, cursor: Any) -> None:
        cursor.execute(
            "SELECT table_name, engine FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        )
        self.engines: dict[str, str] = dict(cursor.fetchall())
        cursor.execute(
            "SELECT table_name, column_name, column_type, is_nullable, collation_name"
            " FROM information_schema.columns WHERE table_schema = DATABASE()"
        )
        self.kinds: dict[str, dict[str, tuple[str, str]]] = {}
        self.collations: dict[tuple[str, str], str | None] = {}
        for table, column, kind, nullable, collation in cursor.fetchall():
            null = "NOT NULL" if nullable == "NO" else "NULL"
            self.kinds.setdefault(table, {})[column] = kind, null
            self.collations[table, column] = collation
        cursor.execute(
            "SELECT table_name, index_name FROM information_schema.statistics"
            " WHERE table_schema = DATABASE() AND non_unique = 0"
        )
        self.unique: set[tuple[str, str]] = set(cursor.fetchall())
        cursor.execute(
            "SELECT referenced_table_name FROM information_schema.referential_constraints"
            " WHERE constraint_schema = DATABASE() AND table_name = %s",
            [KEEPER],
        )
        self.kept: set[str] = {name for (name,) in cursor.fetchall()}
        self.rows = 0
        if TABLE in self.engines:
            cursor.execute(f"SELECT COUNT(*) FROM {TABLE}")
            (self.rows,) = cursor.fetchone()

    @property
    def models(self) -> list[type[Model]]:
        """Those of the app whose tables are there."""
        own = apps.get_app_config("credits").get_models()
        return [model for model in own if model._meta.db_table in self.engines]

    def loose(self, model: type[Model]) -> list[str]:
        """Return the columns of a table whose texts are not compared byte for byte."""
        table = model._meta.db_table
        return [
            field.column
            for field in model._meta.concrete_fields
            if _is_text(field)
            and self.collations.get((table, field.column), COLLATION) != COLLATION
        ]


def make(*, using: str) -> None:
    """Make what is missing; what is there already is left alone."""
    with connections[using].cursor() as cursor:
        there = _Schema(cursor)
        for model in there.models:
            for statement in _exact(model, there):
                cursor.execute(statement)
            for statement in _unique(model, there, using=using):
                # Rows that somebody doubled while it was gone: verify_credits names them, and
                # lacking() says that it is gone still.
                with suppress(IntegrityError):
                    cursor.execute(statement)
        if all(model in there.models for model in _KEPT) and KEEPER not in there.engines:
            cursor.execute(_keeper(there))
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {TABLE} (id SMALLINT UNSIGNED PRIMARY KEY) ENGINE=InnoDB"
        )
        if there.rows != _ROWS:
            rows = ", ".join(f"({row})" for row in range(_ROWS))
            cursor.execute(f"INSERT IGNORE INTO {TABLE} VALUES {rows}")


def unmake(*, using: str) -> None:
    """Take away what would keep a migration from going back: the next migrate makes it anew."""
    with connections[using].cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {KEEPER}")
        there = _Schema(cursor)
        for model in there.models:
            table = model._meta.db_table
            for constraint in _conditional(model):
                if (table, constraint.name) in there.unique:
                    cursor.execute(
                        f"ALTER TABLE {table} DROP INDEX {constraint.name},"
                        f" DROP COLUMN {_mark_of(constraint)}"
                    )


def lacking(*, using: str) -> list[str]:
    """Return one phrase for each thing that is not there, or not as it was made."""
    with connections[using].cursor() as cursor:
        there = _Schema(cursor)
    found: list[str] = []
    for model in there.models:
        table = model._meta.db_table
        if there.engines[table] != "InnoDB":
            found.append(f"{table} is kept by {there.engines[table]}, which rolls nothing back")
        found += [f"{table}.{column} takes A for a" for column in there.loose(model)]
        found += [
            f"the unique index {constraint.name} of {table} is missing"
            for constraint in _conditional(model)
            if (table, constraint.name) not in there.unique
        ]
        if model in _KEPT and table not in there.kept:
            found.append(f"nothing keeps {table} from TRUNCATE")
    if there.rows != _ROWS:
        found.append(f"{TABLE} has not all of its rows")
    return found


def _is_text(field: "Field[Any, Any]") -> bool:
    # A column that refers to the project's table keeps the collation that it must share.
    return isinstance(field, CharField | TextField) and not field.is_relation


def _exact(model: type[Model], there: _Schema) -> Iterator[str]:
    table = model._meta.db_table
    changes = [
        f"MODIFY `{column}` {kind} CHARACTER SET utf8mb4 COLLATE {COLLATION} {null}"
        for column in there.loose(model)
        for kind, null in [there.kinds[table][column]]
    ]
    if changes:
        yield f"ALTER TABLE {table} {', '.join(changes)}"


def _conditional(model: type[Model]) -> list[UniqueConstraint]:
    return [
        constraint
        for constraint in model._meta.constraints
        if isinstance(constraint, UniqueConstraint) and constraint.condition is not None
    ]


def _mark_of(constraint: UniqueConstraint) -> str:
    return f"{constraint.name}_if"


def _unique(model: type[Model], there: _Schema, *, using: str) -> Iterator[str]:
    table = model._meta.db_table
    for constraint in _conditional(model):
        columns = [
            field.column for field in model._meta.concrete_fields if field.name in constraint.fields
        ]
        # A migrate may stop before a field that this release knows.
        if (table, constraint.name) in there.unique or not there.kinds[table].keys() >= set(
            columns
        ):
            continue
        mark = _mark_of(constraint)
        # First: behind the columns of a foreign key its own index would give way to this one.
        # Stored, not virtual: an index on a column that is nowhere is the younger invention.
        yield (
            f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {mark} TINYINT GENERATED ALWAYS AS"
            f" (IF({_condition(model, constraint, using=using)}, 1, NULL)) STORED,"
            f" ADD UNIQUE INDEX {constraint.name} ({', '.join(f'`{c}`' for c in [mark, *columns])})"
        )


def _condition(model: type[Model], constraint: UniqueConstraint, *, using: str) -> str:
    connection = connections[using]
    query = Query(model=model, alias_cols=False)
    where = query.build_where(constraint.condition or Q())
    sql, params = where.as_sql(query.get_compiler(connection=connection), connection)
    with connection.schema_editor(collect_sql=True) as editor:
        return str(sql % tuple(editor.quote_value(value) for value in params))


def _keeper(there: _Schema) -> str:
    columns, keys = [], []
    for model in _KEPT:
        table, key = model._meta.db_table, model._meta.pk.column
        kind, _ = there.kinds[table][key]
        columns.append(f"{table} {kind} NULL")
        keys.append(f"FOREIGN KEY ({table}) REFERENCES {table} ({key})")
    return (
        f"CREATE TABLE {KEEPER} ({', '.join(columns + keys)}) ENGINE=InnoDB"
        " COMMENT='Empty: refers to what TRUNCATE must not empty'"
    )
