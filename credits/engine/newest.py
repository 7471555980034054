"""
The newest rows of several stretches of one index: each is read from its end, then they are merged.

A list that wants two types of transactions reads the index of types in two places. Asked for both
at once, an engine reads every row of both, or goes through all rows by date until it has met enough
of them, which may be never.
"""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet

from credits.engine.statements import compiled


def newest(stretches: Sequence[QuerySet[Any]], most: int, *, using: str) -> list[Any]:
    """
    Return the keys of the newest rows of all stretches together, in one statement.

    Args:
        stretches: transactions that one stretch of an index holds; no row may be in two.
        most: rows that are wanted; of each stretch no more are read.
    """
    parts: list[str] = []
    params: list[Any] = []
    for rows in stretches:
        wanted = rows.order_by("-created_at", "-id").values_list("created_at", "id")[:most]
        try:
            sql, given = compiled(wanted, using=using)
        except EmptyResultSet:
            continue
        # In brackets of its own: SQLite has no limit inside a union.
        parts.append(f"SELECT * FROM ({sql}) stretch")
        params += given
    if not parts:
        return []
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM ({' UNION ALL '.join(parts)}) together"
            f" ORDER BY created_at DESC, id DESC LIMIT {most}",
            params,
        )
        return [key for (key,) in cursor.fetchall()]
