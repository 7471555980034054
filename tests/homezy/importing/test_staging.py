from datetime import UTC, datetime

import pytest

from homezy.importing.documents import parse
from homezy.importing.staging import Staging
from tests.homezy.importing.lives import decoded
from tests.homezy.importing.original import Original


@pytest.fixture
def staging():
    with Staging() as staging:
        yield staging


def add(staging, collection, document, place="file:1"):
    return staging.add(parse(collection, decoded(document)), place)


class TestAdd:
    def test_keeps_a_document_that_comes_twice_once(self, staging):
        user = Original().user()
        add(staging, "users", user, "users.json:1")

        why = add(staging, "users", user, "users.json:2")

        assert why.endswith("stands already in users.json:1, which says the same")
        assert [papers.fault for papers in staging.accounts()] == [None]

    def test_blames_everyone_whom_a_contradiction_concerns(self, staging):
        original = Original()
        aisha, omar = original.professional(), original.professional()
        spend = aisha.bonus()
        for user in original.users:
            add(staging, "users", user)
        add(staging, "credittransactions", spend, "credittransactions.json:1")

        why = add(
            staging,
            "credittransactions",
            {**spend, "professionalId": omar.id},
            "credittransactions.json:2",
        )

        assert why.endswith("which says something else")
        assert all(papers.fault.endswith(why) for papers in staging.accounts())

    def test_gives_an_address_to_the_first_who_has_it(self, staging):
        original = Original()
        first = original.user(email="aisha@example.com")
        second = original.user(email="AISHA@example.com")
        add(staging, "users", first, "users.json:1")

        why = add(staging, "users", second, "users.json:2")

        assert why == "the e-mail address is that of the user in users.json:1"
        assert [papers.fault for papers in staging.accounts()] == [None, why]


class TestAccounts:
    def test_brings_together_what_lay_apart_in_the_order_it_happened(self, staging):
        original = Original()
        aisha, omar = original.professional(), original.professional()
        for professional in (aisha, omar, aisha, omar):
            professional.bonus(10)
        for collection, documents in reversed(original.collections.items()):
            for document in reversed(documents):
                add(staging, collection, document)

        accounts = list(staging.accounts())

        assert [papers.owner for papers in accounts] == [aisha.id, omar.id]
        assert [papers.user.id for papers in accounts] == [aisha.id, omar.id]
        assert [[t.id for t in papers.transactions] for papers in accounts] == [
            [str(raw["_id"]) for raw in professional.transactions] for professional in (aisha, omar)
        ]


class TestLastTransactionAt:
    def test_is_the_latest_of_all(self, staging):
        aisha = Original().professional()
        aisha.now = datetime(2026, 11, 20, 19, tzinfo=UTC)
        add(staging, "credittransactions", aisha.bonus())

        assert staging.last_transaction_at() == datetime(2026, 11, 20, 20, tzinfo=UTC)

    def test_is_nothing_without_transactions(self, staging):
        assert staging.last_transaction_at() is None
