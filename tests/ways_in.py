"""The ways in which somebody might edit what is append-only: statements, and the ORM's calls."""

from collections.abc import Callable, Iterator

from django.db import connection, transaction
from django.db.models import F, Field, Model
from django.db.models.functions import Upper

from credits.engine.triggers import CHANGEABLE
from credits.models import CreditTransaction, DaySeal
from tests import factories

REFUSED = "append-only"

GUARDED = list(CHANGEABLE)

BOTH, SQLITE, POSTGRESQL = ("sqlite", "postgresql"), ("sqlite",), ("postgresql",)
MARIADB, ALL = ("mariadb",), ("sqlite", "postgresql", "mariadb")

# {t} the table, {k} its key, {c} a column that never changes, {x} something else than is in it,
# {cs} all columns. MariaDB compares, so what changes nothing is not refused there.
STATEMENTS = {
    "UPDATE of one row": (BOTH, "UPDATE {t} SET {c} = {c} WHERE {k} = (SELECT MAX({k}) FROM {t})"),
    "UPDATE of one row to something else": (
        ALL,
        "UPDATE {t} SET {c} = {x} WHERE {k} = (SELECT MAX({k}) FROM {t})",
    ),
    "UPDATE of all rows to something else": (ALL, "UPDATE {t} SET {c} = {x}"),
    "UPDATE IGNORE": (MARIADB, "UPDATE IGNORE {t} SET {c} = {x}"),
    "UPDATE of a join": (MARIADB, "UPDATE {t} JOIN (SELECT 1) o SET {c} = {x}"),
    "UPDATE in a block of code, MariaDB's": (
        MARIADB,
        "BEGIN NOT ATOMIC UPDATE {t} SET {c} = {x}; END",
    ),
    "DELETE IGNORE": (MARIADB, "DELETE IGNORE FROM {t}"),
    "DELETE of a join": (MARIADB, "DELETE {t} FROM {t} JOIN (SELECT 1) o"),
    "DELETE in a block of code": (MARIADB, "BEGIN NOT ATOMIC DELETE FROM {t}; END"),
    "REPLACE of a row": (MARIADB, "REPLACE INTO {t} ({cs}) SELECT {cs} FROM {t}"),
    "ON DUPLICATE KEY UPDATE": (
        MARIADB,
        "INSERT INTO {t} ({cs}) SELECT * FROM (SELECT {cs} FROM {t}) o"
        " ON DUPLICATE KEY UPDATE {t}.{c} = {t}.{x}",
    ),
    "UPDATE FROM": (BOTH, "UPDATE {t} SET {c} = o.{c} FROM {t} o WHERE o.{k} = {t}.{k}"),
    "WITH and UPDATE": (BOTH, "WITH a(b) AS (SELECT 1) UPDATE {t} SET {c} = {c}"),
    "UPDATE RETURNING": (BOTH, "UPDATE {t} SET {c} = {c} RETURNING {k}"),
    "DELETE": (ALL, "DELETE FROM {t}"),
    "DELETE of one row": (ALL, "DELETE FROM {t} WHERE {k} = (SELECT MAX({k}) FROM {t})"),
    "DELETE RETURNING": (ALL, "DELETE FROM {t} RETURNING {k}"),
    "INSERT OR REPLACE": (SQLITE, "INSERT OR REPLACE INTO {t} SELECT * FROM {t}"),
    "REPLACE": (SQLITE, "REPLACE INTO {t} SELECT * FROM {t}"),
    "UPDATE OR REPLACE": (
        SQLITE,
        "UPDATE OR REPLACE {t} SET {k} = (SELECT MAX({k}) FROM {t})",
    ),
    "TRUNCATE": (POSTGRESQL, "TRUNCATE {t} CASCADE"),
    "TRUNCATE RESTART": (POSTGRESQL, "TRUNCATE {t} RESTART IDENTITY CASCADE"),
    "DELETE USING": (POSTGRESQL, "DELETE FROM {t} USING {t} o WHERE o.{k} = {t}.{k}"),
    "DELETE in a WITH": (
        POSTGRESQL,
        "WITH gone AS (DELETE FROM {t} RETURNING *) SELECT COUNT(*) FROM gone",
    ),
    "UPDATE in a WITH": (
        POSTGRESQL,
        "WITH changed AS (UPDATE {t} SET {c} = {c} RETURNING *) SELECT COUNT(*) FROM changed",
    ),
    "MERGE and UPDATE": (
        POSTGRESQL,
        "MERGE INTO {t} USING (SELECT * FROM {t}) o ON o.{k} = {t}.{k}"
        " WHEN MATCHED THEN UPDATE SET {c} = o.{c}",
    ),
    "MERGE and DELETE": (
        POSTGRESQL,
        "MERGE INTO {t} USING (SELECT * FROM {t}) o ON o.{k} = {t}.{k} WHEN MATCHED THEN DELETE",
    ),
    "UPDATE in a block of code": (POSTGRESQL, "DO $$ BEGIN UPDATE {t} SET {c} = {c}; END $$"),
    "DELETE through a view": (
        POSTGRESQL,
        "CREATE VIEW beside AS SELECT * FROM {t}; DELETE FROM beside",
    ),
}


def save_one(model: type[Model]) -> None:
    row = model.objects.order_by("pk").first()
    change(row)
    row.save()


def delete_one(model: type[Model]) -> None:
    # One that nothing points to, or another guard would speak first.
    model.objects.order_by("pk").last().delete()


def bulk_update(model: type[Model]) -> None:
    rows = list(model.objects.all())
    for row in rows:
        change(row)
    model.objects.bulk_update(rows, [column_of(model)])


def upsert(model: type[Model]) -> None:
    rows = list(model.objects.all())
    for row in rows:
        change(row)
    factories.upsert(rows, [column_of(model)])


ORM: dict[str, Callable[[type[Model]], object]] = {
    "update()": lambda model: model.objects.update(
        **{column_of(model): Upper("code") if model is DaySeal else F("amount") + 1}
    ),
    "delete()": lambda model: model.objects.filter(
        pk=model.objects.order_by("pk").last().pk
    ).delete(),
    "save()": save_one,
    "a row's delete()": delete_one,
    "bulk_update()": bulk_update,
    "bulk_create(update_conflicts=True)": upsert,
}


def column_of(model: type[Model]) -> str:
    """Return the name of a column that never changes."""
    return "code" if model is DaySeal else "amount"


def change(row: Model) -> None:
    """Put something else in a column that never changes."""
    value = getattr(row, column_of(type(row)))
    setattr(row, column_of(type(row)), value.upper() if isinstance(value, str) else value + 1)
    if isinstance(row, CreditTransaction):
        # A constraint would speak before the trigger.
        row.balance_after += 1


def execute(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def statement_on(model: type[Model], sql: str) -> str:
    """Return one of ``STATEMENTS`` on the table of a model."""
    meta = model._meta
    columns = ", ".join(connection.ops.quote_name(f.column) for f in meta.concrete_fields)
    something_else = "digest" if model is DaySeal else "amount + 1"
    return sql.format(
        t=meta.db_table, k=meta.pk.column, c=column_of(model), x=something_else, cs=columns
    )


def column_statements(model: type[Model]) -> Iterator[str]:
    """Yield an UPDATE and an upsert of each column that never changes."""
    table, key = model._meta.db_table, model._meta.pk.column
    for field in model._meta.concrete_fields:
        if field.name in CHANGEABLE[model]:
            continue
        column = field.column
        if connection.vendor == "mysql":
            yield from _changing_statements(model, field)
            continue
        yield f'UPDATE "{table}" SET "{column}" = "{column}"'
        yield (
            f'INSERT INTO "{table}" SELECT * FROM "{table}" WHERE true'
            f' ON CONFLICT ({key}) DO UPDATE SET "{column}" = excluded."{column}"'
        )


def _changing_statements(model: type[Model], field: "Field[object, object]") -> Iterator[str]:
    """Yield what changes one column of a row on MariaDB, a text in nothing but its case."""
    table, column = model._meta.db_table, f"`{field.column}`"
    other_text = (
        "CASE WHEN COALESCE({0}, '') = '' THEN 'x' WHEN BINARY UPPER({0}) <> BINARY {0} THEN"
        " UPPER({0}) WHEN BINARY LOWER({0}) <> BINARY {0} THEN LOWER({0}) ELSE REVERSE({0}) END"
    )
    others = {
        "DateTimeField": "COALESCE({0}, NOW(6)) + INTERVAL 1 MICROSECOND",
        "DateField": "COALESCE({0}, NOW(6)) + INTERVAL 1 DAY",
        "CharField": other_text,
        "JSONField": """JSON_OBJECT('a', 1)""",
    }
    other = others.get(field.get_internal_type(), "COALESCE({0}, 0) + 1")
    yield f"UPDATE {table} SET {column} = {other.format(column)}"
