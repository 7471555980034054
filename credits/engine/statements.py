"""
Statements that are compiled once and done for every chunk.

Making SQL of a queryset takes Django a millisecond or two, and a chunk has up to eight of them. Of
one chunk and the next only the bounds of their keys differ: in the SQL they are holes, filled each
time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet, Value
from django.db.models.sql import Query, UpdateQuery

from credits.engine.keys import EVERYBODY, KeyRange
from credits.models import CreditBalance

Compiled = tuple[str, tuple[Any, ...]]
"""SQL and its parameters."""


@dataclass(frozen=True)
class Hole:
    """Stands among the parameters for a value that is known when the statement is done."""

    name: str


_AFTER, _UPTO = Hole("after"), Hole("upto")


class Statement:
    """A statement about a range of keys, compiled once for each shape that a range can have."""

    def __init__(self, compiled: Callable[[KeyRange], Compiled], *, using: str) -> None:
        """
        Args:
            compiled: makes the SQL; the bounds it is given are good for conditions alone.
        """
        self._compiled = compiled
        self._using = using
        self._by_shape: dict[tuple[bool, bool], Compiled | None] = {}

    def done(self, within: KeyRange = EVERYBODY, **values: Any) -> int:
        """Do it; return how many rows it wrote."""
        if (sql := self._sql(within)) is None:
            return 0
        with connections[self._using].cursor() as cursor:
            cursor.execute(sql[0], self._filled(sql, within, values))
            return int(cursor.rowcount)

    def rows(self, within: KeyRange, **values: Any) -> list[tuple[Any, ...]]:
        """Do it; return the rows it found."""
        if (sql := self._sql(within)) is None:
            return []
        with connections[self._using].cursor() as cursor:
            cursor.execute(sql[0], self._filled(sql, within, values))
            return list(cursor.fetchall())

    def _sql(self, within: KeyRange) -> Compiled | None:
        shape = within.after is None, within.upto is None
        if shape not in self._by_shape:
            holes = KeyRange(
                None if within.after is None else Value(_AFTER),
                None if within.upto is None else Value(_UPTO),
            )
            try:
                self._by_shape[shape] = self._compiled(holes)
            except EmptyResultSet:
                # No row can match, so there is no SQL to run.
                self._by_shape[shape] = None
        return self._by_shape[shape]

    def _filled(self, sql: Compiled, within: KeyRange, values: dict[str, Any]) -> list[Any]:
        values = {
            **values,
            _AFTER.name: self._stored(within.after),
            _UPTO.name: self._stored(within.upto),
        }
        return [values[it.name] if isinstance(it, Hole) else it for it in sql[1]]

    def _stored(self, key: Any) -> Any:
        return CreditBalance._meta.pk.get_db_prep_value(key, connections[self._using])


def compiled(rows: QuerySet[Any, Any], *, using: str) -> Compiled:
    """
    Return a queryset as SQL and its parameters.

    Raises:
        EmptyResultSet: no row can match, so there is no SQL to run.
    """
    return _as_sql(rows.query, using=using)


def update(rows: QuerySet[Any, Any], *, using: str, **values: Any) -> Compiled:
    """
    Return the UPDATE of a queryset's rows, as its own ``update`` would do it.

    Raises:
        EmptyResultSet: no row can match, so there is no SQL to run.
    """
    query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
    query.add_update_values(values)
    return _as_sql(query, using=using)


def _as_sql(query: Query, *, using: str) -> Compiled:
    # as_sql() of the query itself would compile for the default database.
    sql, params = query.get_compiler(using).as_sql()
    return sql, tuple(params)
