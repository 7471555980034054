"""The ways in which somebody might edit what is append-only: statements, and the ORM's calls."""

from collections.abc import Callable, Iterator

from django.db import connection, transaction
from django.db.models import F, Model

from credits.engine.triggers import CHANGEABLE
from credits.models import DaySeal

REFUSED = "append-only"

GUARDED = list(CHANGEABLE)

BOTH, SQLITE, POSTGRESQL = ("sqlite", "postgresql"), ("sqlite",), ("postgresql",)

# {t} the table, {k} its key, {c} a column that never changes.
STATEMENTS = {
    "UPDATE of one row": (BOTH, "UPDATE {t} SET {c} = {c} WHERE {k} = (SELECT MAX({k}) FROM {t})"),
    "UPDATE FROM": (BOTH, "UPDATE {t} SET {c} = o.{c} FROM {t} o WHERE o.{k} = {t}.{k}"),
    "WITH and UPDATE": (BOTH, "WITH a(b) AS (SELECT 1) UPDATE {t} SET {c} = {c}"),
    "UPDATE RETURNING": (BOTH, "UPDATE {t} SET {c} = {c} RETURNING {k}"),
    "DELETE": (BOTH, "DELETE FROM {t}"),
    "DELETE of one row": (BOTH, "DELETE FROM {t} WHERE {k} = (SELECT MAX({k}) FROM {t})"),
    "DELETE RETURNING": (BOTH, "DELETE FROM {t} RETURNING {k}"),
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
    row.save()


def delete_one(model: type[Model]) -> None:
    # One that nothing points to, or another guard would speak first.
    model.objects.order_by("pk").last().delete()


def bulk_update(model: type[Model]) -> None:
    rows = list(model.objects.all())
    model.objects.bulk_update(rows, [column_of(model)])


def upsert(model: type[Model]) -> None:
    model.objects.bulk_create(
        list(model.objects.all()),
        update_conflicts=True,
        unique_fields=[model._meta.pk.name],
        update_fields=[column_of(model)],
    )


ORM: dict[str, Callable[[type[Model]], object]] = {
    "update()": lambda model: model.objects.update(**{column_of(model): F(column_of(model))}),
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


def execute(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def statement_on(model: type[Model], sql: str) -> str:
    """Return one of ``STATEMENTS`` on the table of a model."""
    meta = model._meta
    return sql.format(t=meta.db_table, k=meta.pk.column, c=column_of(model))


def column_statements(model: type[Model]) -> Iterator[str]:
    """Yield an UPDATE and an upsert of each column that never changes."""
    table, key = model._meta.db_table, model._meta.pk.column
    for field in model._meta.concrete_fields:
        if field.name in CHANGEABLE[model]:
            continue
        column = field.column
        yield f'UPDATE "{table}" SET "{column}" = "{column}"'
        yield (
            f'INSERT INTO "{table}" SELECT * FROM "{table}" WHERE true'
            f' ON CONFLICT ({key}) DO UPDATE SET "{column}" = excluded."{column}"'
        )
