"""
No MongoDB server can be installed where these tests run: a stub stands in for pymongo's database.

``docs/import.md`` says what was tried beyond that.
"""

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, ServerSelectionTimeoutError

from homezy.importing.documents import parse
from homezy.importing.live import LiveCollections, connected
from homezy.importing.reading import COLLECTIONS, SourceUnusable
from tests.homezy.importing.original import Original


class StubCollection:
    def __init__(self, documents, error=None):
        self.documents, self.error = documents, error

    def find(self, query):
        assert query == {}
        yield from self.documents
        if self.error:
            raise self.error


class StubDatabase:
    name = "homezy"

    def __init__(self, collections, error=None):
        self.collections, self.error = collections, error

    def list_collection_names(self):
        if self.error:
            raise self.error
        return list(self.collections)

    def get_collection(self, name, codec_options=None):
        # Naive moments would be refused: the driver must be asked for aware ones.
        assert codec_options.tz_aware
        return self.collections[name]


def stub(original):
    return StubDatabase(
        {name: StubCollection(found) for name, found in original.collections.items()}
    )


class TestLiveCollections:
    def test_delivers_documents_that_parse(self):
        original = Original()
        aisha = original.professional()
        aisha.buy(50)
        source = LiveCollections(stub(original))

        found = {name: list(source.read(name)) for name in COLLECTIONS}

        assert [len(found[name]) for name in COLLECTIONS] == [1, 1, 1, 1]
        assert parse("users", found["users"][0].document).id == aisha.id
        assert found["users"][0].place == f"users {aisha.id}"

    def test_names_a_document_without_id_by_its_number(self):
        database = StubDatabase({name: StubCollection([{}]) for name in COLLECTIONS})

        (only,) = LiveCollections(database).read("users")

        assert only.place == "users document 1"

    def test_names_the_collections_that_are_missing(self):
        database = StubDatabase({"users": StubCollection([])})

        with pytest.raises(SourceUnusable, match="has no collection creditbalances, credittr"):
            LiveCollections(database)

    def test_says_that_no_server_answered(self):
        error = ServerSelectionTimeoutError("mongodb://root:secret@example.com")

        with pytest.raises(SourceUnusable) as refused:
            LiveCollections(StubDatabase({}, error))

        assert str(refused.value) == (
            "MongoDB: the server did not answer (ServerSelectionTimeoutError)."
        )

    def test_says_that_the_connection_broke(self):
        database = StubDatabase(
            {
                name: StubCollection([{"_id": ObjectId()}], AutoReconnect("x"))
                for name in COLLECTIONS
            }
        )

        with pytest.raises(SourceUnusable, match=r"reading users failed \(AutoReconnect\)"):
            list(LiveCollections(database).read("users"))


class TestConnected:
    @pytest.mark.parametrize(
        ("uri", "why"),
        [
            ("mongodb://127.0.0.1:1", "names no database"),
            ("mongodb://root:secret@a@b/homezy", r"malformed \(InvalidURI\)"),
            ("mongodb://127.0.0.1:port/homezy", r"malformed \(ValueError\)"),
            ("", "malformed"),
        ],
        ids=["no database", "two hosts", "port", "blank"],
    )
    def test_refuses_a_uri_without_quoting_it(self, uri, why):
        with pytest.raises(SourceUnusable, match=why) as refused, connected(uri):
            pass

        assert "secret" not in str(refused.value)
