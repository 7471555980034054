"""``INSERT … SELECT`` from a queryset: rows that never travel through Python."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Expression, Field, Model, QuerySet, UniqueConstraint, Value
from django.db.models.expressions import Combinable
from django.db.models.fields import NOT_PROVIDED
from django.db.models.functions import Cast
from django.db.models.sql import InsertQuery

from credits.engine.mariadb import is_mariadb


def insert_select(
    model: type[Model],
    source: QuerySet[Any, Any],
    columns: Mapping[str, Any],
    *,
    using: str,
    unless_taken: str | None = None,
) -> int:
    """
    Insert one row of ``model`` for each row of ``source``; return how many.

    Python defaults, ``auto_now`` and signals do not run here, so every column must be named.

    Args:
        columns: field name to an expression over ``source``, or a plain value.
        unless_taken: a unique field among them; rows whose value is there already are left out.
            Every other violation still raises.

    Raises:
        ValueError: a column was forgotten.
    """
    fields = [field for field in model._meta.concrete_fields if field.name in columns]
    _refuse_forgotten(model, columns)
    # The prefix keeps an annotation from colliding with a field of the source.
    aliases = {f"put_{field.name}": _expression(columns[field.name], field) for field in fields}
    rows = source.annotate(**aliases).values_list(*aliases)
    try:
        select, params = compiled(rows, using=using)
    except EmptyResultSet:
        return 0

    connection = connections[using]
    quote = connection.ops.quote_name
    target = ", ".join(quote(field.column) for field in fields)
    for field in fields:
        if field.name == unless_taken and is_mariadb(using):
            return _insert_untaken(field, target, select, params, using=using)
        if field.name == unless_taken:
            # WHERE: without one SQLite reads ON CONFLICT as the condition of a join.
            select = f"SELECT * FROM ({select}) source WHERE TRUE"
            select += f" ON CONFLICT ({quote(field.column)}) DO NOTHING"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {quote(model._meta.db_table)} ({target}) {select}", params)
        return int(cursor.rowcount)


def insert_unless_there(row: Model, *, using: str) -> None:
    """Insert one row, unless its key is there already; in the end it is there, or it is refused."""
    model = type(row)
    if not is_mariadb(using):
        model._base_manager.using(using).bulk_create([row], ignore_conflicts=True)
        return
    # INSERT IGNORE would let pass what no constraint allows, and share a lock on the row that is
    # there: of two who then want it for themselves, both wait.
    query = InsertQuery(model)
    query.insert_values(model._meta.concrete_fields, [row])
    ((sql, params),) = query.get_compiler(using).as_sql()
    key = connections[using].ops.quote_name(model._meta.pk.column)
    with connections[using].cursor() as cursor:
        cursor.execute(f"{sql} ON DUPLICATE KEY UPDATE {key} = {key}", params)


def _insert_untaken(
    field: "Field[Any, Any]",
    target: str,
    select: str,
    params: Sequence[Any],
    *,
    using: str,
) -> int:
    """Do on MariaDB, which names no key in ON DUPLICATE KEY, what ON CONFLICT does elsewhere."""
    model, quote = field.model, connections[using].ops.quote_name
    others = {
        tuple(constraint.fields)
        for constraint in model._meta.constraints
        if isinstance(constraint, UniqueConstraint)
    } | {(other.name,) for other in model._meta.concrete_fields if other.unique}
    if auto := model._meta.auto_field:
        others.discard((auto.name,))
    if others != {(field.name,)}:
        raise ValueError(f"{model.__name__}: {field.name} is not all that is unique.")
    table = quote(model._meta.db_table)
    own = f"{table}.{quote(field.column)}"
    with connections[using].cursor() as cursor:
        # Rows that were there count as changed, so they are counted while they are met.
        cursor.execute("SET @credits_taken = 0")
        cursor.execute(
            f"INSERT INTO {table} ({target}) SELECT * FROM ({select}) source ON DUPLICATE KEY"
            f" UPDATE {own} = IF((@credits_taken := @credits_taken + 1) > 0, {own}, {own})",
            params,
        )
        written = int(cursor.rowcount)
        cursor.execute("SELECT @credits_taken")
        (taken,) = cursor.fetchone()
    return written - int(taken)


def compiled(rows: QuerySet[Any, Any], *, using: str) -> tuple[str, tuple[Any, ...]]:
    """
    Return a queryset as SQL and its parameters.

    Raises:
        EmptyResultSet: no row can match, so there is no SQL to run.
    """
    # as_sql() of the query itself would compile for the default database.
    sql, params = rows.query.get_compiler(using).as_sql()
    return sql, tuple(params)


def _expression(value: Any, field: "Field[Any, Any]") -> Combinable:
    if isinstance(value, Combinable | Expression):
        return value
    if value is None:
        # A bare NULL has no type of its own in the list of a SELECT.
        return Cast(Value(None), output_field=field)
    return Value(value, output_field=field)


def _refuse_forgotten(model: type[Model], columns: Mapping[str, Any]) -> None:
    forgotten = [
        field.name
        for field in model._meta.concrete_fields
        if field.name not in columns
        and not getattr(field, "auto_created", False)
        and not field.null
        and field.db_default is NOT_PROVIDED
    ]
    if forgotten:
        raise ValueError(f"{model.__name__}: no value for {', '.join(forgotten)}.")
