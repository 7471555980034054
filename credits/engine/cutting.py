"""Keys cut into ranges: how an act goes over a table chunk by chunk without holding its rows."""

from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import islice, pairwise
from typing import Any, cast

from django.db import connections
from django.db.models import F, Field, Model, QuerySet, Value, Window
from django.db.models.functions import RowNumber

from credits.engine.database import retried
from credits.engine.keys import EVERYBODY, KeyRange
from credits.engine.statements import Compiled, Statement, compiled


def ranges(
    keys: QuerySet[Model, Any], *, size: int, within: KeyRange = EVERYBODY
) -> Iterator[KeyRange]:
    """
    Cut ``keys`` into ranges of ``size`` rows and yield them in order.

    Where each key stands in one row, the index of the keys is walked, one short query a range, and
    a row that comes meanwhile is met if its key lies ahead. Take such keys from one table: over a
    join PostgreSQL does not carry the lower bound across, and every cut costs more than the last.
    Keys that stand in several rows, as owners of lots, have no such index: they are read once,
    when the walk begins. None is cut in two, so a range may hold a few rows more.

    Args:
        keys: one column of keys, as ``values_list(name, flat=True)`` gives it, in any order.
        within: cut only what lies in here.
    """
    name = _name_of(keys)
    meta = keys.model._meta
    field = meta.pk if name == "pk" else cast("Field[Any, Any]", meta.get_field(name))
    if field.unique:
        yield from _walk(keys, name, field, size=size, within=within)
        return
    inside = keys.filter(within.on(name))
    cuts = retried(partial(_cuts, inside, name, size=size), using=keys.db)
    yield from (KeyRange(after, upto) for after, upto in pairwise([within.after, *cuts]))


def _walk(
    keys: QuerySet[Model, Any],
    name: str,
    field: "Field[Any, Any]",
    *,
    size: int,
    within: KeyRange,
) -> Iterator[KeyRange]:
    def last_of_a_piece(ahead: KeyRange) -> Compiled:
        # Not the greatest key of a piece: PostgreSQL has none of UUIDs.
        piece = keys.filter(ahead.on(name)).order_by(name)
        return compiled(piece[size - 1 : size], using=keys.db)

    cut, ahead = Statement(last_of_a_piece, using=keys.db), within
    while found := retried(partial(cut.rows, ahead), using=keys.db):
        upto = field.to_python(found[0][0])
        yield KeyRange(ahead.after, upto)
        ahead = KeyRange(upto, within.upto)
    rest = keys.filter(ahead.on(name)).order_by(f"-{name}")
    if (last := retried(rest.first, using=keys.db)) is not None:
        yield KeyRange(ahead.after, last)


def _cuts(keys: QuerySet[Model, Any], name: str, *, size: int) -> list[Any]:
    """Return the key of each ``size``-th row, and that of the last, each once."""
    if connections[keys.db].vendor == "sqlite":
        return _cuts_on_sqlite(keys.order_by(name), size=size)
    counted = Window(RowNumber(), order_by=F(name).asc()) % Value(size)
    ends = keys.order_by().annotate(credits_rest=counted).filter(credits_rest=0)
    last = keys.order_by(f"-{name}")[:1]
    return sorted({*ends.values_list(name, flat=True), *last})


def _cuts_on_sqlite(keys: QuerySet[Model, Any], *, size: int) -> list[Any]:
    # It numbers rows more slowly than Python takes them, a few at a time, out of the same process.
    rows = keys.iterator(chunk_size=200)
    cuts: set[Any] = set()
    while last_of_a_piece := deque(islice(rows, size), maxlen=1):
        cuts.update(last_of_a_piece)
    return sorted(cuts)


def halves(keys: QuerySet[Model, Any], within: KeyRange) -> list[KeyRange]:
    """Cut a range in two of about as many keys; return none if it holds at most one key."""
    name = _name_of(keys)
    inside = keys.filter(within.on(name)).order_by(name).distinct()
    count = retried(inside.count, using=keys.db)
    if count < 2:
        return []
    middle = retried(lambda: inside[count // 2 - 1], using=keys.db)
    return [KeyRange(within.after, middle), KeyRange(middle, within.upto)]


def only_key(keys: QuerySet[Model, Any], within: KeyRange) -> Any:
    """Return the one key of a range that ``halves`` could not cut, or ``None`` if it is empty."""
    name = _name_of(keys)
    return retried(keys.filter(within.on(name)).order_by(name).first, using=keys.db)


def _name_of(keys: QuerySet[Model, Any]) -> str:
    (name,) = keys.query.values_select
    return str(name)
