"""What in a migration would keep writers of a large table waiting on PostgreSQL, one word each."""

from collections.abc import Iterator, Sequence

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import connection
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import CharField, Field, GeneratedField, UniqueConstraint, Value
from django.db.models.functions import Now

from credits.engine.triggers import CHANGEABLE

LARGE = {"credittransaction", "creditallocation", "creditbalance", "notice", "noticeevent"}
"""The models of which there may be millions of rows; the others are done in no time."""

_DATA = (operations.RunPython, operations.RunSQL)
_OUTSIDE = (AddIndexConcurrently, RemoveIndexConcurrently)


def problems(migration: Migration, before: ProjectState) -> list[str]:
    """Return what is wrong with a migration of this app; ``before``: the models it begins with."""
    state = before.clone()
    steps = list(_flat(migration.operations))
    found = list(_about_the_whole(migration, steps))
    for operation in steps:
        name = getattr(operation, "model_name", getattr(operation, "name", ""))
        if str(name).lower() in LARGE:
            found += [f"{operation.describe()}: {what}" for what in _about(operation, state)]
        operation.state_forwards(migration.app_label, state)
    return found


def _flat(steps: Sequence[Operation]) -> Iterator[Operation]:
    for step in steps:
        if isinstance(step, operations.SeparateDatabaseAndState):
            yield from _flat(step.database_operations)
        else:
            yield step


def _about_the_whole(migration: Migration, steps: list[Operation]) -> Iterator[str]:
    data = [step for step in steps if isinstance(step, _DATA)]
    if data and len(data) < len(steps):
        yield "rows and schema: the schema's locks are held until the rows are done"
    if not migration.atomic and len(steps) > 1 and not data:
        yield "not atomic, with several operations: when one fails, it is left half done"
    if migration.atomic and any(isinstance(step, _OUTSIDE) for step in steps):
        yield "an index cannot be built concurrently in a transaction: atomic = False"
    if {AddConstraintNotValid, ValidateConstraint} <= {type(step) for step in steps}:
        yield "added and validated at once: the lock is held while every row is read"


def _about(operation: Operation, state: ProjectState) -> Iterator[str]:
    match operation:
        case AddIndexConcurrently() | AddConstraintNotValid() | ValidateConstraint():
            return
        case operations.AddIndex():
            yield "nobody can write while it is built: AddIndexConcurrently"
        case operations.AddConstraint(constraint=UniqueConstraint()):
            yield "nobody can write while its index is built: build that first, concurrently"
        case operations.AddConstraint():
            yield "nobody can write while every row is read: AddConstraintNotValid, then validate"
        case operations.AlterUniqueTogether() | operations.AlterIndexTogether():
            yield "nobody can write while its index is built"
        case operations.AddField(field=field):
            yield from _about_new(field)
        case operations.AlterField(field=field):
            model = state.models["credits", operation.model_name_lower]
            was = model.fields[operation.name]
            if _type(was) != _type(field) and _is_guarded(operation):
                yield "PostgreSQL refuses, a trigger names the column: add another beside it"
            else:
                yield from _about_change(was, field)


def _about_new(field: "Field") -> Iterator[str]:
    if isinstance(field, GeneratedField):
        yield "the table is written anew: generated"
        return
    if field.has_db_default() and not isinstance(field.db_default, int | str | Value | Now):
        yield "the table is written anew: the default differs from row to row"
    if _is_indexed(field):
        yield "nobody can write while its index is built: db_index=False, then concurrently"
    if not field.null and not field.has_default() and not field.has_db_default():
        yield "NOT NULL without a default"


def _about_change(was: "Field", field: "Field") -> Iterator[str]:
    types = [_type(was), _type(field)]
    is_wider = (
        isinstance(was, CharField)
        and isinstance(field, CharField)
        and (was.max_length or 0) <= (field.max_length or 0)
    )
    if types[0] != types[1] and not is_wider:
        yield f"the table is written anew: {types[0]} becomes {types[1]}"
    if was.null and not field.null:
        yield "nobody can write while every row is read: NOT NULL"
    if _is_indexed(field) and not _is_indexed(was):
        yield "nobody can write while its index is built"


def _is_guarded(operation: operations.AlterField) -> bool:
    return any(
        operation.model_name_lower == model._meta.model_name
        and model._meta.get_field(operation.name).attname not in changeable
        for model, changeable in CHANGEABLE.items()
    )


def _is_indexed(field: "Field") -> bool:
    return field.unique or field.db_index


def _type(field: "Field") -> str:
    # Not cast_type or rel_db_type: what the column itself is. A bare field asks for no model.
    return str(field.clone().db_parameters(connection)["type"])
