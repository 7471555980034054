"""CSV that a spreadsheet may open: streamed piece by piece, and no cell of it is a formula."""

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

from django.http import StreamingHttpResponse

# What Excel, LibreOffice or Google Sheets take for the beginning of a formula, the full-width
# forms among them, and the white space that they pass over before it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

# Without it Excel reads UTF-8 as something else.
_BYTE_ORDER_MARK = "\ufeff"


PIECE = 64 * 1024
"""Characters that are sent at once: a row at a time would keep a server busy with sending."""


def stream_csv(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """
    Return a download of ``name``.csv, made while it is sent: its size does not matter.

    Args:
        rows: of numbers, which stay numbers, negative ones too; of moments, written in ISO 8601;
            and of text, which is never a formula.
    """
    response = StreamingHttpResponse(_pieces(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _pieces(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    gathered = StringIO()
    writer = csv.writer(gathered)
    # At once: who asked sees that there is an answer.
    writer.writerow([cell(name) for name in header])
    yield _BYTE_ORDER_MARK + _taken_from(gathered)
    # A download that is broken off ends the query behind it, too.
    with closing(rows) if isinstance(rows, Generator) else nullcontext():
        for row in rows:
            writer.writerow([cell(value) for value in row])
            if gathered.tell() >= PIECE:
                yield _taken_from(gathered)
    if gathered.tell():
        yield _taken_from(gathered)


def _taken_from(gathered: StringIO) -> str:
    piece = gathered.getvalue()
    gathered.seek(0)
    gathered.truncate()
    return piece


def cell(value: Any) -> str:
    """Return a value as a cell says it."""
    # The most frequent first: there are two hundred million cells in ten million rows.
    if value is None:
        return ""
    if isinstance(value, str):
        return _as_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _as_text(str(value))


def _as_text(text: str) -> str:
    # What begins with a letter or a digit is no formula.
    if text[:1].isalnum():
        return text
    if text.lstrip(" \u00a0\u3000").startswith(_FORMULA_STARTS) or text.startswith(_FORMULA_STARTS):
        return f"'{text}"
    return text
