"""MongoDB Extended JSON, canonical and relaxed, to plain Python values."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def loads(line: bytes) -> dict[str, Any]:
    """
    Return the document that a line holds: ids as text, dates aware, numbers as numbers.

    A wrapped value that makes no sense (``{"$date": "soon"}``) stays as it is, so that whoever
    reads the field can refuse it by name and still knows whose document this is.

    Raises:
        ValueError: the line is not one JSON object.
    """
    try:
        document = json.loads(
            line.decode("utf-8"), object_hook=_unwrapped, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start + 1})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"malformed JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise ValueError("malformed JSON: nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"malformed JSON: {name} is not JSON")


def _unwrapped(value: dict[str, Any]) -> Any:
    if len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    unwrap = _WRAPPERS.get(kind)
    if unwrap is None:
        return value
    try:
        return unwrap(inner)
    except (ValueError, TypeError, OverflowError, InvalidOperation):
        return value


def _object_id(inner: Any) -> str:
    if not _OBJECT_ID.fullmatch(inner):
        raise ValueError
    return str(inner).lower()


def _date(inner: Any) -> datetime:
    # The inner wrapper of the canonical form, $numberLong, is a number by now.
    if type(inner) is int:
        return _EPOCH + timedelta(milliseconds=inner)
    moment = datetime.fromisoformat(inner)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _integer(inner: Any) -> int:
    if not _INTEGER.fullmatch(inner):
        raise ValueError
    return int(inner)


def _double(inner: Any) -> float:
    if not isinstance(inner, str) or not isfinite(number := float(inner)):
        raise ValueError
    return number


def _decimal(inner: Any) -> Decimal:
    if not isinstance(inner, str) or not (number := Decimal(inner)).is_finite():
        raise ValueError
    return number


_WRAPPERS: Mapping[str, Callable[[Any], Any]] = {
    "$oid": _object_id,
    "$date": _date,
    "$numberInt": _integer,
    "$numberLong": _integer,
    "$numberDouble": _double,
    "$numberDecimal": _decimal,
}
