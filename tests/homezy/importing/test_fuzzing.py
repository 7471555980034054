"""
Exports that nobody wrote on purpose: whole accounts come in, or none, and the report says why.

To look further: pytest --hypothesis-profile=thorough tests/homezy/importing/test_fuzzing.py
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credits.models import CreditTransaction
from homezy.importing.importer import run_import
from homezy.importing.reading import ExportFiles, SourceUnusable
from homezy.importing.staging import Staging
from homezy.models import User
from tests.books import all_tables, broken_invariants
from tests.homezy.importing.original import Original, canonical, relaxed

pytestmark = pytest.mark.django_db

DEEP = 20_000
"""Levels, more than any parser follows."""


def exported():
    """Return the lines of an export in which everything happened that can."""
    original = Original()
    aisha, omar = original.professional(), original.professional()
    original.user()
    for professional in (aisha, omar):
        professional.bonus()
        first = professional.buy(50)
        lead = professional.spend(120)
        professional.refund(lead)
        professional.reset()
        professional.spend(30)
        professional.expire(first)
    return {
        name: [
            relaxed(document) if number % 2 else canonical(document)
            for number, document in enumerate(documents)
        ]
        for name, documents in original.collections.items()
    }


EXPORT = exported()
PLACES = [(name, number) for name, lines in EXPORT.items() for number in range(len(lines))]
FIELDS = sorted({field for lines in EXPORT.values() for line in lines for field in line})
IDS = [line["_id"] for lines in EXPORT.values() for line in lines]

KINDS = ["$oid", "$date", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal"]
KINDS += ["$numberLong ", "$regex", "$undefined", "$binary", "$", "$$oid"]

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-200, 200),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), 2**53, 2**63, 10**400, -1, 0, 1, 50, 100]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ["", "\ud800", "\0", "\u202e", "9" * 5000, "NaN", "Infinity", "-0", "1E+999999"]
    ),
    st.sampled_from(
        ["2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
    ),
    st.sampled_from(
        ["pro", "free", "paid", "spend", "purchase", "bonus", "monthly_reset", "pending"]
    ),
    st.sampled_from(["Refund: x", "Credits expired", "person0@example.com", "basic"]),
    st.sampled_from(IDS),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from([*KINDS, *FIELDS]), inner, max_size=2),
        st.builds(lambda kind, value: {kind: value}, st.sampled_from(KINDS), inner),
    ),
    max_leaves=4,
)


def _set(line, field, value):
    return json.dumps({**line, field: value})


def _drop(line, field, _):
    return json.dumps({name: value for name, value in line.items() if name != field})


def _cut(line, field, _):
    text = json.dumps(line)
    return text[: text.find(field) % len(text)]


def _double(line, field, value):
    return f"{json.dumps(line)}\n{json.dumps({**line, field: value})}"


def _nest(line, field, _):
    return json.dumps({**line, field: 0})[:-1] + f', "{field}": {"[" * DEEP}{"]" * DEEP}}}'


def _replace(line, field, value):
    return json.dumps(value)


# Most often the value: that is where there is most to get wrong.
SPOILING = st.tuples(
    st.sampled_from(PLACES),
    st.sampled_from([_set, _set, _set, _set, _drop, _cut, _double, _nest, _replace]),
    st.sampled_from(FIELDS),
    VALUES,
)


def write(directory, spoilt):
    texts = {name: [json.dumps(line) for line in lines] for name, lines in EXPORT.items()}
    for (name, number), spoil, field, value in spoilt:
        texts[name][number] = spoil(EXPORT[name][number], field, value)
    for name, lines in texts.items():
        content = "".join(f"{line}\n" for line in lines)
        # A half of a surrogate pair as it is: what is not UTF-8 must be survived as well.
        (directory / f"{name}.json").write_bytes(content.encode("utf-8", "surrogatepass"))


def bring_in(directory):
    """Return the exit code, what is broken, what was refused: perhaps the source as it is."""
    with Staging() as staging:
        try:
            report = run_import(ExportFiles(directory), staging)
        except SourceUnusable as error:
            return 3, "", [str(error)]
        return report.exit_code, report.broken, list(staging.lines("refused"))


def everything():
    return all_tables(), list(User.objects.order_by("pk").values_list())


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class TestASpoiltExport:
    @given(spoilt=st.lists(SPOILING, min_size=1, max_size=3))
    @settings(
        max_examples=settings.default.max_examples // 2,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_comes_in_account_by_account_or_is_refused(self, tmp_path, spoilt):
        write(tmp_path, spoilt)

        with undone():
            code, broken, refused = bring_in(tmp_path)

            assert (broken, broken_invariants()) == ("", {})
            assert code == (3 if refused else 0)
            assert not [line for line in refused if "\n" in line or "Traceback" in line]
            before = everything()

            again = bring_in(tmp_path)

            assert everything() == before
            assert again[1] == ""

    def test_unspoilt_comes_in_whole(self, tmp_path):
        write(tmp_path, [])

        code, broken, refused = bring_in(tmp_path)

        assert (code, broken, refused) == (0, "", [])
        assert CreditTransaction.objects.count() >= len(EXPORT["credittransactions"])
