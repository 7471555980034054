"""
One digest of many ledger rows, the same on every engine: a dump moves, and its seals hold.

Each row is written as a JSON array: no two rows read the same, and NULL is not empty. Moments
are UTC to the microsecond, decimals have their places, and of metadata it counts what it says, not
how an engine spells it. Rows come by key, a few thousand at a time, so memory does not grow.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from hashlib import sha256
from math import isinf
from typing import Any

from django.db import connections
from django.db.models import Field, ForeignKey, Model

from credits.engine.database import retried
from credits.models import CreditAllocation, CreditTransaction

VERSION = 1

COLUMNS: dict[int, dict[type[Model], str]] = {
    # A column that a later release adds comes in under a new version: old seals stay as they are.
    1: {
        CreditTransaction: (
            "id professional transaction_type credit_type amount granted_amount expires_at"
            " balance_before balance_after description price currency idempotency_key origin run"
            " created_by created_at metadata"
        ),
        CreditAllocation: "id transaction lot amount price",
    }
}
"""The columns that never change, for each version; ``metadata`` last, as JSON is read here."""

CHUNK = 5_000


@dataclass(frozen=True)
class Content:
    """What the ledger holds between two keys."""

    transactions: int
    free: int
    """Sum of the amounts of free rows, signed."""

    paid: int
    allocations: int
    digest: str


def content(*, after: int | None, through: int, version: int = VERSION, using: str) -> Content:
    """
    Return what the ledger holds with ``after < id <= through``; ``None``: from its beginning.

    Args:
        version: one of ``COLUMNS``.
    """
    question = f"""
    SELECT COUNT(*),
        COALESCE(SUM(CASE WHEN credit_type = 'free' THEN amount ELSE 0 END), 0),
        COALESCE(SUM(CASE WHEN credit_type = 'paid' THEN amount ELSE 0 END), 0)
    FROM credits_credittransaction WHERE {_between("id", after, through)}
    """
    ((count, free, paid),) = _ask(question, using=using)
    rows, allocations = sha256(), sha256()
    allocated = 0
    columns = COLUMNS[version]
    names = columns[CreditTransaction].split()
    fixed = _select(CreditTransaction, names[:-1], using)
    free_form = "metadata::text" if connections[using].vendor == "postgresql" else "metadata"
    drawn = _select(CreditAllocation, columns[CreditAllocation].split(), using)
    lower = after
    while lower is None or lower < through:
        chunk = _ask(
            f"SELECT {fixed}, {free_form} FROM credits_credittransaction"
            f" WHERE {_between('id', lower, through)} ORDER BY id LIMIT {CHUNK}",
            using=using,
        )
        rows.update(_written([(*row[:-1], _canonical(row[-1])) for row in chunk]))
        upper = chunk[-1][0] if len(chunk) == CHUNK else through
        # By the transactions they belong to, those that belong to none among them.
        draws = _ask(
            f"SELECT {drawn} FROM credits_creditallocation"
            f" WHERE {_between('transaction_id', lower, upper)} ORDER BY transaction_id, lot_id",
            using=using,
        )
        allocations.update(_written(draws))
        allocated += len(draws)
        lower = upper
    digest = sha256(rows.digest() + allocations.digest()).hexdigest()
    return Content(int(count), int(free), int(paid), allocated, digest)


def _between(column: str, after: int | None, through: int) -> str:
    return f"{column} <= {through:d}" + ("" if after is None else f" AND {column} > {after:d}")


def _ask(question: str, *, using: str) -> list[tuple[Any, ...]]:
    return retried(partial(_answer, question, using=using), using=using)


def _answer(question: str, *, using: str) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(question)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _written(rows: list[tuple[Any, ...]]) -> bytes:
    """Return rows as text; cut into pieces however, the pieces make the same text."""
    # One call of C for all of them. A value that is none of JSON's kinds was tampered with.
    text = json.dumps(rows, separators=(",", ":"), default=repr)
    return f"{text[1:-1]},".encode() if rows else b""


def _select(model: type[Model], names: list[str], using: str) -> str:
    return ", ".join(_value(model._meta.get_field(name), using) for name in names)


def _value(field: Any, using: str) -> str:
    """Return the expression for a column's value, as an integer, a text or NULL."""
    vendor = connections[using].vendor
    column = connections[using].ops.quote_name(field.column)
    kind = _own_field(field).get_internal_type()
    if kind == "UUIDField":
        # PostgreSQL writes the dashes, SQLite does not keep them.
        text = "CHAR" if vendor == "mysql" else "TEXT"
        return f"REPLACE(CAST({column} AS {text}), '-', '')"
    if vendor == "mysql":
        if kind == "DateTimeField":
            return f"REPLACE(CAST({column} AS CHAR), '.000000', '')"
        return f"CAST({column} AS CHAR)" if kind == "DecimalField" else column
    if vendor == "postgresql":
        if kind == "DateTimeField":
            moment = f"TO_CHAR({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
            return f"REPLACE({moment}, '.000000', '')"
        return f"{column}::text" if kind == "DecimalField" else column
    if kind == "DateTimeField":
        # As Django keeps it: six digits of a second, or none. SQL's own functions write three.
        filled = f"REPLACE(SUBSTR({column} || '000000', 1, 26), '.000000', '')"
        return f"CASE WHEN LENGTH({column}) BETWEEN 20 AND 25 THEN {filled} ELSE {column} END"
    if kind == "DecimalField":
        places = field.decimal_places
        return (
            f"CASE WHEN {column} = ROUND({column}, {places})"
            f" THEN PRINTF('%.{places}f', {column} + 0.0) ELSE {column} END"
        )
    return column


def _own_field(field: "Field[Any, Any]") -> "Field[Any, Any]":
    while isinstance(field, ForeignKey):
        field = field.target_field
    return field


# A reset writes a few different texts for a million people.
@lru_cache(maxsize=4_096)
def _canonical(text: str | None) -> str | None:
    """Return JSON in one spelling: keys in order, numbers by value."""
    if text is None:
        return None
    try:
        said = json.loads(text, parse_float=_number)
        return json.dumps(said, sort_keys=True, separators=(",", ":"))
    except (ValueError, ArithmeticError, RecursionError):
        # Not JSON, or a number that no program writes: only a database that was tampered with
        # holds it, and the digest says so.
        return f"!{text}"


def _number(text: str) -> int | float:
    # PostgreSQL writes 1e2 as 100. Of 1e999999999 the digits would take for ever.
    near, exact = float(text), Decimal(text)
    if isinf(near):
        raise OverflowError
    return int(exact) if exact == exact.to_integral_value() else near
