"""Where documents come from: a directory that ``mongoexport`` or ``mongodump`` wrote."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from homezy.importing import extended_json

COLLECTIONS = ("users", "creditbalances", "credittransactions", "creditpurchases")

_JSON = (".json", ".jsonl")
_BSON = (".bson",)
_ENDINGS = tuple(f"{kind}{packed}" for kind in (*_JSON, *_BSON) for packed in ("", ".gz"))

LINE_LIMIT = 64 * 2**20
"""Bytes in a line: MongoDB's largest document is 16 MiB, and text takes more room than BSON."""


class SourceUnusable(Exception):
    """Nothing can be imported from here; the text is one sentence for whoever ran the command."""


@dataclass(frozen=True)
class Found:
    """A document, and where it stands."""

    place: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Unreadable:
    """A place where a document should stand and nothing can be read, and why."""

    place: str
    why: str


class Source(Protocol):
    """The four collections, each read once, one document in memory at a time."""

    def read(self, collection: str) -> Iterator[Found | Unreadable]:
        """Yield what a collection holds, in its order."""


class ExportFiles:
    """A directory with one file for each collection."""

    def __init__(self, directory: Path) -> None:
        """
        Find the four files, and open none yet.

        Raises:
            SourceUnusable: the directory or a file is missing, or there are two for a collection.
        """
        try:
            is_there = directory.exists()
        except OSError as error:
            # A name that is too long, for one.
            raise SourceUnusable(f"{directory} cannot be read: {error.strerror}.") from error
        if not is_there:
            raise SourceUnusable(f"There is no {directory}.")
        if not directory.is_dir():
            raise SourceUnusable(
                f"{directory} is a file: name the directory that holds the four collections."
            )
        self._files = {name: _file_of(directory, name) for name in COLLECTIONS}

    def read(self, collection: str) -> Iterator[Found | Unreadable]:
        """
        Yield the documents of a file, and each place that holds none.

        Raises:
            SourceUnusable: the file cannot be opened, or the disk fails.
        """
        path = self._files[collection]
        try:
            with path.open("rb") as raw:
                if path.suffix == ".gz":
                    with gzip.open(raw) as unpacked:
                        yield from _items(path, unpacked)  # type: ignore[arg-type]
                else:
                    yield from _items(path, raw)
        except OSError as error:
            raise SourceUnusable(
                f"{path.name} cannot be read: {error.strerror or error}."
            ) from error


def _file_of(directory: Path, collection: str) -> Path:
    found = [path for ending in _ENDINGS if (path := directory / f"{collection}{ending}").is_file()]
    if len(found) > 1:
        raise SourceUnusable(
            f"{directory} holds {' and '.join(path.name for path in found)}: leave one."
        )
    if found:
        return found[0]
    # mongodump makes a directory for the database inside the one it was given.
    inside = sorted(path.parent for path in directory.glob(f"*/{collection}.*") if path.is_file())
    hint = f"; did you mean {inside[0]}?" if inside else "."
    raise SourceUnusable(
        f"{directory} holds no {collection}.json (nor .jsonl or .bson, plain or .gz){hint}"
    )


def _items(path: Path, file: IO[bytes]) -> Iterator[Found | Unreadable]:
    is_json = path.name.removesuffix(".gz").endswith(_JSON)
    return _json_lines(path, file) if is_json else _bson_documents(path, file)


def _json_lines(path: Path, file: IO[bytes]) -> Iterator[Found | Unreadable]:
    number = 0
    while True:
        number += 1
        place = f"{path.name}:{number}"
        try:
            line = _read_line(file)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield Unreadable(place, f"the compressed file is damaged from here on: {error}")
            return
        if line is None:
            yield Unreadable(place, f"the line is longer than {LINE_LIMIT // 2**20} MiB")
            continue
        if not line:
            return
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
            if line.lstrip().startswith(b"["):
                raise SourceUnusable(
                    f"{path.name} is a JSON array: export it again without --jsonArray."
                )
        if not line.strip():
            continue
        try:
            yield Found(place, extended_json.loads(line))
        except ValueError as error:
            yield Unreadable(place, str(error))


def _read_line(file: IO[bytes]) -> bytes | None:
    """Return the next line, nothing at the end, ``None`` for one that is too long to be one."""
    line = file.readline(LINE_LIMIT)
    if len(line) < LINE_LIMIT or line.endswith(b"\n"):
        return line
    while line and not line.endswith(b"\n"):
        line = file.readline(LINE_LIMIT)
    return None


def _bson_documents(path: Path, file: IO[bytes]) -> Iterator[Found | Unreadable]:
    try:
        from homezy.importing import bson_documents  # noqa: PLC0415  pymongo is an extra
    except ImportError as error:
        raise SourceUnusable(
            f"{path.name} needs pymongo: pip install pymongo, or export with mongoexport."
        ) from error
    return bson_documents.read(path.name, file)
