"""``INSERT … SELECT`` from a queryset: rows that never travel through Python."""

from collections.abc import Mapping
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    Expression,
    Field,
    Func,
    Model,
    QuerySet,
    TextField,
    UniqueConstraint,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.fields import NOT_PROVIDED
from django.db.models.functions import Cast
from django.db.models.sql import InsertQuery
from django.db.models.sql.compiler import SQLCompiler

from credits.engine.keys import EVERYBODY, KeyRange
from credits.engine.mariadb import is_mariadb
from credits.engine.statements import Compiled, Statement, compiled


class Joined(Func):
    """
    A text, and what follows it, one after the other; one that is NULL makes the whole NULL.

    ``Concat`` casts each and looks whether it is NULL, which is work for every row.
    """

    template = "(%(expressions)s)"
    arg_joiner = " || "
    output_field = TextField()

    def as_mysql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> tuple[str, Any]:
        return self.as_sql(
            compiler, connection, template="CONCAT(%(expressions)s)", arg_joiner=", "
        )


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
        columns: field name to an expression over ``source``, or a plain value; over groups
            (``values(…).annotate(…)``) its names are those of the annotations.
        unless_taken: a unique field among them; rows whose value is there already are left out.
            Every other violation still raises.

    Raises:
        ValueError: a column was forgotten.
    """

    def of_all(within: KeyRange) -> Compiled:
        return insertion(model, source, columns, using=using, unless_taken=unless_taken)

    return Statement(of_all, using=using).done(EVERYBODY)


def insertion(
    model: type[Model],
    source: QuerySet[Any, Any],
    columns: Mapping[str, Any],
    *,
    using: str,
    unless_taken: str | None = None,
) -> Compiled:
    """
    Return what ``insert_select`` would do, as SQL and its parameters.

    Raises:
        EmptyResultSet: the source has no row, so there is no SQL to run.
        ValueError: a column was forgotten.
    """
    fields = [field for field in model._meta.concrete_fields if field.name in columns]
    _refuse_forgotten(model, columns)
    aliases = {_alias(field): _expression(columns[field.name], field) for field in fields}
    if source.query.group_by:
        select, params = _select_from_groups(source, aliases, using=using)
    else:
        select, params = compiled(source.annotate(**aliases).values_list(*aliases), using=using)
    quote = connections[using].ops.quote_name
    target = ", ".join(quote(field.column) for field in fields)
    for field in fields:
        if field.name == unless_taken and is_mariadb(using):
            select = _untaken_on_mariadb(field, select, using=using)
        elif field.name == unless_taken:
            # WHERE: without one SQLite reads ON CONFLICT as the condition of a join.
            select = f"SELECT * FROM ({select}) source WHERE TRUE"
            select += f" ON CONFLICT ({quote(field.column)}) DO NOTHING"
    return f"INSERT INTO {quote(model._meta.db_table)} ({target}) {select}", params


def _select_from_groups(
    groups: QuerySet[Any, Any], columns: Mapping[str, Any], *, using: str
) -> Compiled:
    """
    Return a SELECT of expressions over the columns of groups, which are a table to it.

    Put on the grouped query itself, as ``annotate`` does, each would be one more thing to group by.
    """
    compiler = groups.query.get_compiler(using)
    table, of_table = compiled(groups, using=using)
    quote, selected, params = connections[using].ops.quote_name, [], []
    for alias, column in columns.items():
        # As an aggregate over groups is resolved: names are those of the columns of the table.
        sql, of_column = compiler.compile(column.resolve_expression(groups.query, summarize=True))
        selected.append(f"{sql} AS {quote(alias)}")
        params += of_column
    return f"SELECT {', '.join(selected)} FROM ({table}) {quote('groups')}", (*params, *of_table)


def insert_unless_there(row: Model, *, using: str) -> None:
    """Insert one row, unless its key is there already; in the end it is there, or it is refused."""
    if is_mariadb(using):
        _insert_on_mariadb(row, using=using)
    else:
        type(row)._base_manager.using(using).bulk_create([row], ignore_conflicts=True)


def _insert_on_mariadb(row: Model, *, using: str) -> None:
    # INSERT IGNORE would let pass what no constraint allows, and share a lock on the row that is
    # there: of two who then want it for themselves, both wait.
    model = type(row)
    query = InsertQuery(model)
    query.insert_values(model._meta.concrete_fields, [row])
    ((sql, params),) = query.get_compiler(using).as_sql()
    key = connections[using].ops.quote_name(model._meta.pk.column)
    with connections[using].cursor() as cursor:
        cursor.execute(f"{sql} ON DUPLICATE KEY UPDATE {key} = {key}", params)


def _untaken_on_mariadb(field: "Field[Any, Any]", select: str, *, using: str) -> str:
    """
    Return what does on MariaDB, which names no key in ON DUPLICATE KEY, what ON CONFLICT does.

    Rows that are there do not get as far as that clause, which would count them as written; it is
    for those that come meanwhile.

    Raises:
        ValueError: something else is unique too, and its violation would be passed over.
    """
    model, quote = field.model, connections[using].ops.quote_name
    unique = {
        tuple(constraint.fields)
        for constraint in model._meta.constraints
        if isinstance(constraint, UniqueConstraint)
    } | {(other.name,) for other in model._meta.concrete_fields if other.unique}
    if auto := model._meta.auto_field:
        unique.discard((auto.name,))
    if unique != {(field.name,)}:
        raise ValueError(f"{model.__name__}: {field.name} is not all that is unique.")
    table, column = quote(model._meta.db_table), quote(field.column)
    there = f"SELECT 1 FROM {table} there WHERE there.{column} = source.{quote(_alias(field))}"
    return (
        f"SELECT * FROM ({select}) source WHERE NOT EXISTS ({there})"
        f" ON DUPLICATE KEY UPDATE {table}.{column} = {table}.{column}"
    )


def _alias(field: "Field[Any, Any]") -> str:
    # The prefix keeps an annotation from colliding with a field of the source.
    return f"put_{field.name}"


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
