"""CSV that a spreadsheet may open: streamed row by row, and no cell of it is a formula."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse

# What Excel, LibreOffice or Google Sheets take for the beginning of a formula, the full-width
# forms among them, and the white space that they pass over before it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

# Without it Excel reads UTF-8 as something else.
_BYTE_ORDER_MARK = "\ufeff"


class _Echo:
    """What the csv module writes to: it gives every line straight back."""

    def write(self, line: str) -> str:
        return line


def stream_csv(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """
    Return a download of ``name``.csv, made while it is sent: its size does not matter.

    Args:
        rows: of numbers, which stay numbers, negative ones too; of moments, written in ISO 8601;
            and of text, which is never a formula.
    """
    response = StreamingHttpResponse(_lines(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield _BYTE_ORDER_MARK + writer.writerow([cell(name) for name in header])
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def cell(value: Any) -> str:
    """Return a value as a cell says it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    text = str(value)
    if text.lstrip(" \u00a0\u3000").startswith(_FORMULA_STARTS) or text.startswith(_FORMULA_STARTS):
        return f"'{text}"
    return text
