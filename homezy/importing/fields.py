"""Reading one field of a document, and refusing it by name. What is read can be stored anywhere."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

MAX_CREDITS = 2_147_483_647
"""What the ledger's columns hold."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_LEVELS = 4
"""Levels of nested metadata that are kept as they are."""

_MISSING = object()


class Refused(Exception):
    """A document cannot be imported; the text says why, and quotes nobody's name or address."""


class Fields:
    """The fields of one document. Every method refuses what is missing or makes no sense."""

    def __init__(self, raw: Mapping[str, Any], *, within: str = "") -> None:
        """Read ``raw``, which stands in the field ``within`` of the document."""
        self._raw = raw
        self._within = within

    def identity(self, name: str, *, limit: int = 100) -> str:
        """Return an id as text."""
        value = self._present(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self._refused(name, "is not an id")
        identity = str(value)
        if not 0 < len(identity) <= limit or not identity.isascii() or not identity.isprintable():
            raise self._refused(name, f"is not an id of 1 to {limit} characters")
        return identity

    def text(self, name: str, *, limit: int) -> str:
        """Return text on one line, cut to ``limit``; nothing where there is none."""
        value = self._raw.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._refused(name, "is not text")
        return " ".join(storable(value).split())[:limit].rstrip()

    def email(self, name: str) -> str:
        """Return an e-mail address in lower case."""
        value = self._present(name)
        if (
            not isinstance(value, str)
            or len(value := value.strip()) > 254
            or not _EMAIL.fullmatch(value)
            or not value.isprintable()
        ):
            raise self._refused(name, "is not an e-mail address")
        return value.lower()

    def choice(self, name: str, known: Collection[str], *, default: str | None = None) -> str:
        """Return one of the ``known`` words."""
        value = self._raw.get(name, _MISSING)
        if value is _MISSING and default is not None:
            return default
        value = self._present(name)
        if not isinstance(value, str) or value not in known:
            raise self._refused(name, f"{_quoted(value)} is not known")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return yes or no."""
        value = self._raw.get(name, default)
        if not isinstance(value, bool):
            raise self._refused(name, "is neither true nor false")
        return value

    def whole(self, name: str, *, least: int = -MAX_CREDITS, default: int | None = None) -> int:
        """Return a whole number of credits."""
        value = self._raw.get(name, _MISSING)
        if value is _MISSING and default is not None:
            return default
        value = self._number(name)
        # The bounds first: int() of a decimal with a huge exponent would take for ever.
        if not least <= value <= MAX_CREDITS:
            raise self._refused(name, f"{_quoted(value)} is not between {least} and {MAX_CREDITS}")
        if value != int(value):
            raise self._refused(name, f"{_quoted(value)} is not a whole number")
        return int(value)

    def price(self, name: str) -> Decimal:
        """Return an amount of money with two decimals."""
        number = self._number(name)
        value = number if isinstance(number, Decimal) else Decimal(repr(number))
        if not 0 <= value < 10**10 or value != round(value, 2):
            raise self._refused(name, f"{_quoted(value)} is not a price")
        return round(value, 2)

    def moment(self, name: str) -> datetime:
        """Return an aware moment."""
        value = self._present(name)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self._refused(name, f"{_quoted(value)} is not a date")
        if not _EARLIEST <= value < _LATEST:
            raise self._refused(name, f"{value:%Y-%m-%d} is not a date from 1970 to 2199")
        return value

    def optional_moment(self, name: str) -> datetime | None:
        """Return an aware moment, or nothing where there is none."""
        return None if self._raw.get(name) is None else self.moment(name)

    def object(self, name: str) -> dict[str, Any]:
        """Return what JSON can hold of an object; an empty one where there is none."""
        value = self._raw.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self._refused(name, "is not an object")
        return {storable(str(key)): _as_json(item, _LEVELS) for key, item in value.items()}

    def inside(self, name: str) -> "Fields":
        """Return the fields of an object; an empty one where there is none."""
        value = self._raw.get(name)
        if value is None:
            return Fields({}, within=f"{name}.")
        if not isinstance(value, Mapping):
            raise self._refused(name, "is not an object")
        return Fields(value, within=f"{name}.")

    def _present(self, name: str) -> Any:
        value = self._raw.get(name)
        if value is None:
            raise self._refused(name, "is missing")
        return value

    def _number(self, name: str) -> int | float | Decimal:
        value: int | float | Decimal = self._present(name)
        # The shell stores every number as a double; a bool is an int to Python.
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise self._refused(name, f"{_quoted(value)} is not a number")
        is_finite = isfinite(value) if isinstance(value, float) else Decimal(value).is_finite()
        if not is_finite:
            raise self._refused(name, f"{_quoted(value)} is not a number")
        return value

    def _refused(self, name: str, why: str) -> Refused:
        return Refused(f"{self._within}{name} {why}")


def storable(text: str) -> str:
    """Return text without what PostgreSQL or UTF-8 cannot hold: NUL, halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _as_json(value: Any, levels: int) -> Any:
    match value:
        case None | bool():
            return value
        case int() if abs(value) < 2**53:
            return value
        case float() if isfinite(value):
            return value
        case str():
            return storable(value)
        case datetime():
            return value.isoformat()
        case Mapping() if levels:
            return {storable(str(key)): _as_json(item, levels - 1) for key, item in value.items()}
        case list() if levels:
            return [_as_json(item, levels - 1) for item in value]
        case Mapping() | list():
            return "nested too deeply"
    return storable(str(value))[:200]


def _quoted(value: object) -> str:
    try:
        text = ascii(value)
    except (ValueError, RecursionError):
        # A whole number of thousands of digits, or an object nested without end.
        return "that"
    return text if len(text) <= 40 else f"{text[:37]}…"
