"""Key ranges: how an act goes over a table chunk by chunk without holding its rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, cast

from django.db.models import Count, F, Field, Max, Model, Q, QuerySet, Value, Window
from django.db.models.functions import Lead, RowNumber

from credits.engine.database import retried


@dataclass(frozen=True)
class KeyRange:
    """The professionals with ``after < key <= upto``; ``None`` is an open end."""

    after: Any = None
    upto: Any = None

    def on(self, field: str) -> Q:
        """Return this range as a condition on ``field``."""
        bounds = {f"{field}__gt": self.after, f"{field}__lte": self.upto}
        return Q(**{name: bound for name, bound in bounds.items() if bound is not None})


def ranges(
    keys: QuerySet[Model, Any], *, size: int, within: KeyRange = KeyRange()
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
    if name == "pk" or cast("Field[Any, Any]", keys.model._meta.get_field(name)).unique:
        yield from _walk(keys, name, size=size, within=within)
        return
    inside = keys.filter(within.on(name))
    cuts = retried(partial(_cuts, inside, name, size=size), using=keys.db)
    yield from (KeyRange(after, upto) for after, upto in pairwise([within.after, *cuts]))


def _walk(
    keys: QuerySet[Model, Any], name: str, *, size: int, within: KeyRange
) -> Iterator[KeyRange]:
    after = within.after
    while True:
        piece = keys.filter(KeyRange(after, within.upto).on(name)).order_by(name)[:size]
        cut = retried(partial(piece.aggregate, count=Count(name), upto=Max(name)), using=keys.db)
        if cut["count"]:
            yield KeyRange(after, cut["upto"])
        if cut["count"] < size:
            return
        after = cut["upto"]


def _cuts(keys: QuerySet[Model, Any], name: str, *, size: int) -> list[Any]:
    """Return the key of each ``size``-th row, and that of the last, each once."""
    order = F(name).asc()
    numbered = keys.order_by().annotate(
        credits_rest=Window(RowNumber(), order_by=order) % Value(size),
        credits_next=Window(Lead(name), order_by=order),
    )
    ends = numbered.filter(Q(credits_rest=0) | Q(credits_next__isnull=True))
    return sorted(set(ends.values_list(name, flat=True)))


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
