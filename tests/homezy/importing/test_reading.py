import gzip
from contextlib import suppress
from decimal import Decimal

import pytest
from bson import Decimal128, Int64, ObjectId, encode
from hypothesis import given
from hypothesis import strategies as st

from homezy.importing import reading
from homezy.importing.documents import parse
from homezy.importing.fields import Refused
from homezy.importing.reading import COLLECTIONS, ExportFiles, Found, SourceUnusable, Unreadable
from homezy.management.commands.demo import DATA
from tests.homezy.importing.original import FORMS, Original


@pytest.fixture
def original():
    original = Original()
    aisha = original.professional()
    aisha.bonus()
    aisha.buy(50)
    aisha.spend(120)
    return original


def parsed(directory):
    files = ExportFiles(directory)
    return {name: [parse(name, item.document) for item in files.read(name)] for name in COLLECTIONS}


class TestExportFiles:
    @pytest.mark.parametrize("form", FORMS)
    def test_reads_the_same_from_every_form(self, original, tmp_path, form):
        plain, other = tmp_path / "plain", tmp_path / "other"
        plain.mkdir()
        other.mkdir()

        documents = parsed(original.write(other, form))

        assert documents == parsed(original.write(plain))
        assert [len(documents[name]) for name in COLLECTIONS] == [1, 1, 3, 1]

    def test_refuses_a_directory_that_is_not_there(self, tmp_path):
        with pytest.raises(SourceUnusable, match=r"^There is no .*nowhere\.$"):
            ExportFiles(tmp_path / "nowhere")

    def test_refuses_a_file(self, tmp_path):
        (tmp_path / "users.json").touch()

        with pytest.raises(SourceUnusable, match="is a file: name the directory"):
            ExportFiles(tmp_path / "users.json")

    def test_names_the_collection_that_is_missing(self, original, tmp_path):
        (original.write(tmp_path) / "creditbalances.json").unlink()

        with pytest.raises(SourceUnusable, match=r"holds no creditbalances\.json"):
            ExportFiles(tmp_path)

    def test_points_at_the_directory_inside_a_dump(self, original, tmp_path):
        database = tmp_path / "homezy"
        database.mkdir()
        original.write(database, "bson")

        with pytest.raises(SourceUnusable, match=r"did you mean .*/homezy\?"):
            ExportFiles(tmp_path)

    def test_refuses_two_files_for_one_collection(self, original, tmp_path):
        original.write(tmp_path)
        original.write(tmp_path, "bson")

        with pytest.raises(SourceUnusable, match=r"users\.json and users\.bson: leave one"):
            ExportFiles(tmp_path)

    def test_refuses_a_json_array(self, original, tmp_path):
        (original.write(tmp_path) / "users.json").write_text('[{"_id":1},\n{"_id":2}]\n')

        with pytest.raises(SourceUnusable, match="without --jsonArray"):
            list(ExportFiles(tmp_path).read("users"))


def items(original, tmp_path, content, ending=".json"):
    path = original.write(tmp_path) / "users.json"
    path.unlink()
    path.with_name(f"users{ending}").write_bytes(content)
    return list(ExportFiles(tmp_path).read("users"))


class TestJsonLines:
    @pytest.mark.parametrize(
        ("line", "why"),
        [
            (b'{"a": ', "malformed JSON"),
            (b'{"a": NaN}', "malformed JSON: NaN"),
            (b"[1]", "not a JSON object"),
            (b'{"a": "\xff"}', "not UTF-8"),
            (b"[" * 100_000, "nested too deeply"),
            (b'{"a": ' + b"1" * 5_000 + b"}", "4300"),
        ],
        ids=["cut", "nan", "array", "bytes", "deep", "endless number"],
    )
    def test_names_a_line_it_cannot_read_and_goes_on(self, original, tmp_path, line, why):
        found = items(original, tmp_path, b'{"_id": 1}\n' + line + b'\n\n{"_id": 2}')

        assert [type(item) for item in found] == [Found, Unreadable, Found]
        assert found[1].place == "users.json:2"
        assert why in found[1].why
        assert found[2] == Found("users.json:4", {"_id": 2})

    def test_takes_a_byte_order_mark(self, original, tmp_path):
        assert items(original, tmp_path, b'\xef\xbb\xbf{"_id": 1}\n') == [
            Found("users.json:1", {"_id": 1})
        ]

    def test_passes_over_a_line_without_end(self, original, tmp_path, monkeypatch):
        monkeypatch.setattr(reading, "LINE_LIMIT", 100)

        found = items(original, tmp_path, b"x" * 1_000 + b'\n{"_id": 2}\n')

        assert [item.place for item in found] == ["users.json:1", "users.json:2"]
        assert "longer than" in found[0].why

    def test_says_where_a_packed_file_breaks_off(self, original, tmp_path):
        whole = gzip.compress(b'{"_id": 1}\n' * 1_000, compresslevel=0)

        found = items(original, tmp_path, whole[:5_000], ".json.gz")

        assert isinstance(found[-1], Unreadable)
        assert "the compressed file is damaged" in found[-1].why

    def test_says_that_a_packed_file_is_none(self, original, tmp_path):
        (only,) = items(original, tmp_path, b"not packed", ".json.gz")

        assert "the compressed file is damaged" in only.why


class TestExtendedJson:
    @pytest.mark.parametrize(
        "wrapped",
        ['{"$date": "soon"}', '{"$date": "2026-01-01T00:00:00"}', '{"$date": true}', '{"$oid": 7}'],
    )
    def test_leaves_what_makes_no_sense_for_the_field_to_refuse(self, original, tmp_path, wrapped):
        (only,) = items(original, tmp_path, f'{{"createdAt": {wrapped}}}'.encode())

        assert isinstance(only.document["createdAt"], dict)

    @pytest.mark.parametrize(
        ("wrapped", "value"),
        [
            ('{"$numberInt": "-30"}', -30),
            ('{"$numberLong": "3000000000"}', 3_000_000_000),
            ('{"$numberDouble": "30.5"}', 30.5),
            ('{"$numberDecimal": "30.50"}', Decimal("30.50")),
            ('{"$numberInt": "3O"}', {"$numberInt": "3O"}),
            ('{"$numberDouble": "Infinity"}', {"$numberDouble": "Infinity"}),
            ('{"$numberDecimal": "NaN"}', {"$numberDecimal": "NaN"}),
            ('{"$binary": "AA=="}', {"$binary": "AA=="}),
        ],
    )
    def test_unwraps_numbers(self, original, tmp_path, wrapped, value):
        (only,) = items(original, tmp_path, f'{{"amount": {wrapped}}}'.encode())

        assert only.document["amount"] == value

    def test_reads_dates_of_older_tools(self, original, tmp_path):
        old, new = items(
            original,
            tmp_path,
            b'{"at": {"$date": "2026-01-01T04:00:00.000+0400"}}\n'
            b'{"at": {"$date": "2026-01-01T00:00:00Z"}}\n',
        )

        assert old.document == new.document


class TestBson:
    def test_reads_numbers_ids_and_dates_as_json_does(self, original, tmp_path):
        (user,) = parsed(original.write(tmp_path, "bson"))["users"]

        assert user.id == str(original.users[0]["_id"])
        assert user.joined_at == original.users[0]["createdAt"]

    def test_unwraps_what_only_bson_has(self, original, tmp_path):
        document = {"long": Int64(5), "decimal": Decimal128("2.50"), "many": [ObjectId("0" * 24)]}

        (only,) = items(original, tmp_path, encode(document), ".bson")

        assert only.document == {"long": 5, "decimal": Decimal("2.50"), "many": ["0" * 24]}
        assert type(only.document["long"]) is int

    @pytest.mark.parametrize("lost", [1, 30], ids=["last byte", "half a document"])
    def test_says_where_a_file_breaks_off(self, original, tmp_path, lost):
        _, content = FORMS["bson"](original.users * 2)

        found = items(original, tmp_path, content[:-lost], ".bson")

        assert [type(item) for item in found] == [Found, Unreadable]
        assert found[1] == Unreadable("users.bson: document 2", "the file breaks off here")

    def test_passes_over_one_document_that_makes_no_sense(self, original, tmp_path):
        _, content = FORMS["bson"](original.users)
        broken = content[:4] + b"\xee" + content[5:]

        found = items(original, tmp_path, content + broken + content, ".bson")

        assert [type(item) for item in found] == [Found, Unreadable, Found]
        assert "malformed BSON" in found[1].why

    def test_stops_at_a_length_that_makes_no_sense(self, original, tmp_path):
        (only,) = items(original, tmp_path, b"\xff\xff\xff\xff rest", ".bson")

        assert "is no length" in only.why


@pytest.mark.parametrize("ending", [".json", ".json.gz", ".bson", ".bson.gz"])
@given(content=st.binary(max_size=300) | st.text(alphabet='{}[]":,$oiddate1e-', max_size=80))
def test_whatever_a_file_holds_each_place_is_read_or_named(ending, content, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export")
    content = content if isinstance(content, bytes) else content.encode()

    try:
        found = items(Original(), directory, content, ending)
    except SourceUnusable:
        assert b"[" in content
        return

    assert all(isinstance(item, Found | Unreadable) for item in found)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("collection", COLLECTIONS)
@given(data=st.data())
def test_whatever_a_field_holds_the_document_is_taken_or_refused(collection, data):
    original = Original()
    aisha = original.professional()
    aisha.buy(50)
    document = dict(original.collections[collection][0])
    name = data.draw(st.sampled_from(sorted(document)))
    document = {key: str(value) if key == "_id" else value for key, value in document.items()}
    document[name] = data.draw(values)

    with suppress(Refused):
        parse(collection, document)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_the_documents_of_these_tests_have_the_shape_of_the_real_ones(collection):
    original = Original()
    aisha = original.professional()
    aisha.buy(50)

    real = next(ExportFiles(DATA).read(collection)).document

    assert set(original.collections[collection][0]) <= {*real, "expiresAt", "metadata"}
