"""Copies of rows by the hundred thousand, made by the database, in SQL that both engines read."""

import json
from datetime import datetime
from typing import Any

from benchmarks.lives import DAYS, JITTER, SLOTS

CHUNK = 5_000
"""Twenties of professionals that one statement copies one row to."""


class Dialect:
    """What the two engines say differently."""

    def __init__(self, vendor: str) -> None:
        self._is_sqlite = vendor == "sqlite"

    def numbers(self, first: int, end: int) -> str:
        """Return the table ``numbers(j)``: from the first until before the end."""
        if self._is_sqlite:
            return (
                f"numbers(j) AS (SELECT {first} UNION ALL SELECT j + 1 FROM numbers"
                f" WHERE j + 1 < {end})"
            )
        return f"numbers(j) AS (SELECT j FROM generate_series({first}::bigint, {end - 1}) j)"

    def later(self, column: str, seconds: str) -> str:
        """Return a moment so many seconds after the one in the column."""
        if self._is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%S', {column}, '+' || ({seconds}) || ' seconds')"
        return f"{column} + ({seconds}) * interval '1 second'"

    def json(self, text: str) -> str:
        """Return a text as JSON."""
        return text if self._is_sqlite else f"({text})::jsonb"

    def one_of(self, names: tuple[str, ...], number: str) -> str:
        """Return the name with that number, counted round and round."""
        if self._is_sqlite:
            array = json.dumps(list(names))
            return f"json_extract('{array}', '$[' || (({number}) % {len(names)}) || ']')"
        array = ", ".join(f"'{name}'" for name in names)
        return f"(ARRAY[{array}])[({number}) % {len(names)} + 1]"


class Copier:
    """Copies rows of the lives' own professionals to everybody who lives as they do."""

    def __init__(self, twenties: int, *, now: datetime) -> None:
        from django.db import connection

        self._connection = connection
        self._dialect = Dialect(connection.vendor)
        self._twenties = twenties
        self._now = now

    def copy(self, row: Any, life: int, changed: dict[str, str]) -> int:
        """
        Insert a row's copies, in the order of their owners; return how many there are.

        Args:
            changed: SQL for the columns that differ; ``j`` is the twenty a copy is in, ``slot`` its
                place there, ``place`` the how manieth of its life in the twenty, ``n`` its number.
        """
        slots = [slot for slot, lived in enumerate(SLOTS) if lived == life]
        table = row._meta.db_table
        key = row._meta.pk.column
        columns = [
            field.column
            for field in row._meta.concrete_fields
            if not field.primary_key or field.column in changed
        ]
        values = ", ".join(changed.get(column, f"source.{column}") for column in columns)
        places = ", ".join(f"({place}, {slot})" for place, slot in enumerate(slots))
        with self._connection.cursor() as cursor:
            for first in range(0, self._twenties, CHUNK):
                end = min(first + CHUNK, self._twenties)
                cursor.execute(
                    f"WITH RECURSIVE {self._dialect.numbers(first, end)},"
                    f" places(place, slot) AS (VALUES {places}),"
                    " copies AS (SELECT j, place, slot, j * 20 + slot AS n FROM numbers, places)"
                    f" INSERT INTO {table} ({', '.join(columns)})"
                    f" SELECT {values} FROM copies, {table} source"
                    f" WHERE source.{key} = {row.pk} ORDER BY j, place"
                )
        return self._twenties * len(slots)

    def shifted(self, column: str, played_at: datetime) -> str:
        """Return a moment of a life as a copy's: on another day, at another hour."""
        days = f"j * {DAYS + 1} / {self._twenties}"
        seconds = f"({days}) * 86400 + n * 7919 % {JITTER}"
        first = self._now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if played_at >= first:
            # Only so much of this month is over.
            left = max(int((self._now - played_at).total_seconds()) - 3600, 0)
            seconds = f"j * {left} / {self._twenties}"
        return self._dialect.later(column, seconds)

    def days_later(self, column: str) -> str:
        """Return the moment of a daily run as that of the run that met a copy."""
        return self._dialect.later(column, f"(j * {DAYS + 1} / {self._twenties}) * 86400")

    def json(self, text: str) -> str:
        """Return a text as the column of metadata holds it."""
        return self._dialect.json(text)

    def name(self, names: tuple[str, ...], step: int) -> str:
        """Return one of the names, another for the next copy."""
        return self._dialect.one_of(names, f"n / {step}")
