"""Where documents come from: a MongoDB that answers, through pymongo."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, PyMongoError

from homezy.importing.bson_documents import CODEC, plain
from homezy.importing.reading import COLLECTIONS, Found, SourceUnusable, Unreadable

TIMEOUT_MS = 10_000
"""Milliseconds to find a server."""


class Database(Protocol):
    """As much of pymongo's ``Database`` as is used here."""

    name: str

    def list_collection_names(self) -> list[str]:
        """Return the names of the collections."""

    def get_collection(self, name: str, codec_options: Any = None) -> Any:
        """Return a collection whose ``find`` yields documents."""


class LiveCollections:
    """The four collections of a database, read one after the other: stop its writers first."""

    def __init__(self, database: Database) -> None:
        """
        Look for the collections.

        Raises:
            SourceUnusable: the server does not answer, or a collection is missing.
        """
        self._database = database
        try:
            present = set(database.list_collection_names())
        except PyMongoError as error:
            raise _unusable("the server did not answer", error) from error
        if missing := [name for name in COLLECTIONS if name not in present]:
            raise SourceUnusable(
                f"The database {database.name} has no collection {', '.join(missing)}."
            )

    def read(self, collection: str) -> Iterator[Found | Unreadable]:
        """
        Yield the documents of a collection.

        Raises:
            SourceUnusable: the connection broke. Nothing has been written by then.
        """
        try:
            found = self._database.get_collection(collection, codec_options=CODEC).find({})
            for number, document in enumerate(found, start=1):
                yield Found(_place(collection, number, document), plain(document))
        except PyMongoError as error:
            raise _unusable(f"reading {collection} failed", error) from error


@contextmanager
def connected(uri: str) -> Iterator[LiveCollections]:
    """
    Open the database that a ``mongodb://`` URI names, for as long as a ``with`` block.

    Raises:
        SourceUnusable: the URI is malformed or names no database, or nothing answers.
    """
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=TIMEOUT_MS)
    except (PyMongoError, ValueError) as error:
        raise _unusable("the URI is malformed", error) from error
    with client:
        try:
            database = client.get_default_database()
        except ConfigurationError as error:
            raise SourceUnusable(
                "The URI names no database: write mongodb://HOST/DATABASE."
            ) from error
        yield LiveCollections(database)  # type: ignore[arg-type]


def _place(collection: str, number: int, document: Mapping[str, Any]) -> str:
    return f"{collection} {document.get('_id', f'document {number}')}"


def _unusable(what: str, error: Exception) -> SourceUnusable:
    # The class alone: the text of a driver's error may quote the URI, password and all.
    return SourceUnusable(f"MongoDB: {what} ({type(error).__name__}).")
