"""BSON, as ``mongodump`` writes it and the driver delivers it, to plain Python values."""

import gzip
import zlib
from collections.abc import Iterator
from datetime import UTC
from typing import IO, Any

from bson import CodecOptions, DatetimeConversion, Decimal128, Int64, ObjectId, decode
from bson.errors import InvalidBSON

from homezy.importing.reading import Found, Unreadable

# A date that Python cannot hold must not hide the rest of its document.
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, tzinfo=UTC, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

SIZE_LIMIT = 48 * 2**20
"""Bytes in a document: MongoDB allows 16 MiB and its tools a little more."""


def read(name: str, file: IO[bytes]) -> Iterator[Found | Unreadable]:
    """
    Yield the documents of a ``.bson`` file.

    Each begins with its own length, so one that makes no sense is passed over; a length that makes
    no sense ends the file.
    """
    number = 0
    while True:
        number += 1
        place = f"{name}: document {number}"
        try:
            head = file.read(4)
            size = int.from_bytes(head, "little", signed=True)
            if not head:
                return
            if len(head) == 4 and not 5 <= size <= SIZE_LIMIT:
                yield Unreadable(place, f"{size} bytes is no length; the rest is unreadable")
                return
            body = file.read(size - 4) if len(head) == 4 else b""
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield Unreadable(place, f"the compressed file is damaged from here on: {error}")
            return
        if len(head) < 4 or len(body) < size - 4:
            yield Unreadable(place, "the file breaks off here")
            return
        try:
            yield Found(place, plain(decode(head + body, codec_options=CODEC)))
        except (InvalidBSON, RecursionError) as error:
            yield Unreadable(place, f"malformed BSON: {error}")


def plain(value: Any) -> Any:
    """Return a value without the types that only BSON has, as far as the importer reads them."""
    match value:
        case ObjectId():
            return str(value)
        case Int64():
            return int(value)
        case Decimal128():
            return value.to_decimal()
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return value
