"""credits.admin.transactions: the ledger as a list, row by row, and as a download."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.models import CreditTransaction, TransactionReason, TransactionType
from homezy.models import User
from tests.factories import (
    FEBRUARY,
    JANUARY,
    MARCH,
    buy,
    correct,
    give,
    give_lot,
    make_professional,
    make_user,
    undo,
    use,
)

pytestmark = pytest.mark.django_db

LIST = reverse("admin:credits_credittransaction_changelist")
EXPORT = reverse("admin:credits_credittransaction_export")


@pytest.fixture
def aisha() -> User:
    return make_professional(free=30, paid=50, email="aisha@example.com")


def listed(client: Client, **asked: Any) -> list[CreditTransaction]:
    page = client.get(LIST, asked)
    assert page.status_code == 200
    return list(page.context["cl"].result_list)


def page_of(client: Client, row: CreditTransaction) -> str:
    page = client.get(reverse("admin:credits_credittransaction_change", args=[row.pk]))
    assert page.status_code == 200
    return page.content.decode()


def exported(client: Client, **asked: str) -> list[str]:
    page = client.get(EXPORT, asked)
    assert page.status_code == 200
    return b"".join(page.streaming_content).decode("utf-8-sig").splitlines()


class TestList:
    def test_is_newest_first(self, operator: Client, aisha: User):
        give(aisha, 5, at=MARCH)
        give(aisha, 6, at=FEBRUARY)

        assert [row.amount for row in listed(operator)] == [5, 6, 50, 30]

    def test_of_one_professional_is_in_the_order_of_keys(self, operator: Client, aisha: User):
        give(aisha, 5, at=MARCH)
        give(aisha, 6, at=FEBRUARY)

        rows = listed(operator, professional__exact=aisha.pk)

        assert [row.amount for row in rows] == [6, 5, 50, 30]

    def test_of_lots_by_their_expiry_begins_with_the_first_to_expire(
        self, operator: Client, aisha: User
    ):
        for amount, days in ((1, 20), (2, 10)):
            give_lot(aisha, amount, at=MARCH, expires_at=MARCH + timedelta(days=days))

        rows = listed(operator, remaining_amount__gt=0, expires_at__gte="2026-03-02 00:00:00+00:00")

        assert [row.amount for row in rows] == [2, 1, 50]

    def test_shows_signed_amounts_and_what_changed(self, operator: Client, aisha: User):
        use(aisha, 40)

        page = operator.get(LIST).content.decode()

        assert '<bdi dir="ltr" class="credits-amount credits-amount--down">−30</bdi>' in page
        assert '<bdi dir="ltr" class="credits-amount credits-amount--up">+50</bdi>' in page
        assert "40 / 50" in page
        assert "program" in page

    def test_asks_no_more_for_more_rows(self, operator: Client, aisha: User):
        correct(aisha, 1, "free")
        operator.get(LIST)
        with CaptureQueriesContext(connection) as few:
            operator.get(LIST)
        for _ in range(10):
            correct(make_professional(free=10, paid=10), 1, "free")

        with CaptureQueriesContext(connection) as many:
            operator.get(LIST)

        assert len(many) == len(few)

    def test_cannot_be_sorted_by_what_no_index_has(self, operator: Client, aisha: User):
        page = operator.get(LIST, {"o": "4"})

        assert "amount" not in str(page.context["cl"].queryset.query.order_by)


class TestFilters:
    @pytest.mark.parametrize("kind", TransactionType.values)
    def test_offer_every_type(self, operator: Client, aisha: User, kind: str):
        use(aisha, 40)

        rows = listed(operator, transaction_type__exact=kind)

        assert {row.transaction_type for row in rows} <= {kind}
        assert f"transaction_type__exact={kind}" in operator.get(LIST).content.decode()

    def test_tell_the_pools_apart(self, operator: Client, aisha: User):
        assert [row.amount for row in listed(operator, credit_type__exact="free")] == [30]

    def test_find_lots_with_credits_left(self, operator: Client, aisha: User):
        use(make_professional(paid=5), 5)

        assert [row.amount for row in listed(operator, lot="open")] == [50]
        assert listed(operator, lot="open", transaction_type__exact="spend") == []

    def test_find_what_one_person_wrote(self, operator: Client, aisha: User):
        clerk = make_user(first_name="Zahra", last_name="Ali")
        mine = correct(aisha, 1, "free", by=clerk)
        correct(aisha, 2, "free", by=make_user(first_name="Basma"))

        assert listed(operator, who=clerk.pk) == [mine]
        filters = operator.get(LIST).context["cl"].filter_specs
        (authors,) = (spec for spec in filters if "who" in spec.expected_parameters())
        assert [name for _key, name in authors.lookup_choices] == ["Basma", "Zahra Ali"]
        assert operator.get(LIST, {"who": "x"}, follow=True).status_code == 200

    def test_find_nothing_of_who_wrote_nothing(self, operator: Client, aisha: User):
        assert listed(operator, who=aisha.pk) == []

    def test_find_people_through_an_index(self, aisha: User):
        written = CreditTransaction.objects.filter(created_by=aisha).order_by("-created_at", "-id")
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # A handful of rows is read whole: forbid that, and see what else there is.
                cursor.execute("SET LOCAL enable_seqscan = off")
            plan = written.explain()

        assert "credits_transactions_by_who" in plan
        assert "sort" not in plan.lower()
        assert "temp b-tree" not in plan.lower()

    @pytest.mark.parametrize(
        "asked",
        [
            {"credit_type__exact": "free"},
            {"credit_type__exact": "paid", "month": "2026-02"},
            {"transaction_type__exact": "spend"},
            {"transaction_type__exact": ["spend", "bonus"]},
            {"transaction_type__exact": "spend", "credit_type__exact": "paid"},
            {"lot": "open", "month": "2026"},
            {"lot": "open", "transaction_type__exact": ["purchase", "spend"]},
            {"lot": "closed", "transaction_type__exact": "spend"},
            {"credit_type__exact": "free", "professional__exact": "1"},
        ],
        ids=str,
    )
    def test_find_the_rows_of_the_query_in_its_order(
        self, operator: Client, aisha: User, asked: dict[str, Any]
    ):
        for person in (aisha, make_professional(free=5, paid=7, at=FEBRUARY)):
            use(person, 9)
            give(person, 3, at=MARCH)

        page = operator.get(LIST, asked)

        changes = page.context["cl"]
        assert list(changes.result_list) == list(changes.queryset)
        assert changes.result_count == changes.queryset.count()

    def test_reads_no_further_than_what_it_shows(self, operator: Client, aisha: User):
        use(aisha, 40)

        with CaptureQueriesContext(connection) as asked:
            assert len(listed(operator, credit_type__exact="paid")) == 2

        # A stretch of the index by type for each type, with an end of its own.
        assert [query["sql"].count("LIMIT 10001") for query in asked].count(8) == 1

    def test_find_a_month_and_a_year(self, operator: Client, aisha: User):
        give(aisha, 5, at=datetime(2025, 12, 31, 23, tzinfo=UTC))
        give(aisha, 6, at=FEBRUARY)

        assert [row.amount for row in listed(operator, month="2026-01")] == [50, 30]
        assert [row.amount for row in listed(operator, month="2026")] == [6, 50, 30]
        assert [row.amount for row in listed(operator, month="2025-12")] == [5]

    @pytest.mark.parametrize("month", ["2026-13", "x", "2026-1", "0000", "9999", "٢٠٢٦"])
    def test_do_not_break_on_a_month_that_is_none(self, operator: Client, aisha: User, month: str):
        assert operator.get(LIST, {"month": month}, follow=True).status_code == 200


class TestDrillDown:
    def test_links_the_months_from_the_first_row_to_the_last(self, operator: Client, aisha: User):
        give(aisha, 5, at=MARCH)

        page = operator.get(LIST, {"month": "2026", "credit_type__exact": "free", "p": "1"})

        links = page.context["drill_down"]
        assert [choice.url for choice in links.months] == [
            f"?credit_type__exact=free&month=2026-{month}" for month in ("01", "02", "03")
        ]
        assert [choice.is_current for choice in links.years] == [True]

    def test_has_nothing_to_say_of_an_empty_ledger(self, operator: Client):
        assert operator.get(LIST).context["drill_down"].years == []


class TestSearch:
    def test_finds_a_professionals_by_whole_address(self, operator: Client, aisha: User):
        make_professional(free=10)

        rows = listed(operator, q="Aisha@example.com")

        assert {row.professional_id for row in rows} == {aisha.pk}

    def test_finds_both_rows_of_a_key(self, operator: Client, aisha: User):
        use(aisha, 40, key="lead@1")

        assert sorted(row.amount for row in listed(operator, q="lead@1")) == [-30, -10]

    def test_finds_an_id(self, operator: Client, aisha: User):
        row = give(aisha, 5)

        assert listed(operator, q=str(row.pk)) == [row]

    @pytest.mark.parametrize("term", ["aisha", "9" * 30, "x@example.com"])
    def test_finds_nothing_where_there_is_nothing(self, operator: Client, aisha: User, term: str):
        assert listed(operator, q=term) == []


class TestPage:
    def test_shows_which_lots_a_spend_drew_from_and_who_drew_from_a_lot(
        self, operator: Client, aisha: User
    ):
        _free, paid = use(aisha, 40)
        lot = CreditTransaction.objects.get(granted_amount=50)

        spend_page, lot_page = page_of(operator, paid), page_of(operator, lot)

        assert "Lots it drew from" in spend_page
        assert f"/credittransaction/{lot.pk}/change/" in spend_page
        assert "Who drew from this lot" in lot_page
        assert f"/credittransaction/{paid.pk}/change/" in lot_page
        assert "−10" in lot_page

    def test_shows_where_a_row_comes_from_and_what_came_of_it(self, operator: Client, aisha: User):
        spent = use(aisha, 30)
        (back,) = undo(spent)

        assert f"/credittransaction/{back.pk}/change/" in page_of(operator, spent[0])
        assert f"/credittransaction/{spent[0].pk}/change/" in page_of(operator, back)

    def test_keeps_reason_and_metadata_texts(self, operator: Client, aisha: User):
        row = give(aisha, 5)
        TransactionReason.objects.create(transaction=row, text="<b>lost</b> lead")

        assert "&lt;b&gt;lost&lt;/b&gt; lead" in page_of(operator, row)

    def test_asks_no_more_where_more_came_of_it(self, operator: Client, aisha: User):
        lot = CreditTransaction.objects.get(granted_amount=50)
        use(aisha, 31)
        page_of(operator, lot)
        with CaptureQueriesContext(connection) as few:
            page_of(operator, lot)
        for _ in range(10):
            use(aisha, 2)

        with CaptureQueriesContext(connection) as many:
            page_of(operator, lot)

        assert len(many) == len(few)


class TestReadOnly:
    @pytest.fixture
    def row(self, aisha: User) -> CreditTransaction:
        return give(aisha, 5)

    def test_by_permission(self, operator: Client, row: CreditTransaction):
        page = reverse("admin:credits_credittransaction_change", args=[row.pk])
        delete = reverse("admin:credits_credittransaction_delete", args=[row.pk])

        assert operator.get(reverse("admin:credits_credittransaction_add")).status_code == 403
        assert operator.post(page, {"amount": 999}).status_code == 403
        assert operator.post(delete, {"post": "yes"}).status_code == 403

    def test_by_form(self, operator: Client, row: CreditTransaction):
        page = page_of(operator, row)
        ours = page[page.index('<div class="credits"') :]

        assert "<input" not in ours
        assert "<form" not in ours

    def test_by_trigger(self, row: CreditTransaction):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            CreditTransaction.objects.filter(pk=row.pk).update(amount=6)


class TestExport:
    def test_is_what_the_list_shows_with_the_same_address(self, operator: Client, aisha: User):
        use(aisha, 40)

        lines = exported(operator, transaction_type__exact="spend")

        assert lines[0].startswith("id,created_at,professional_id,transaction_type,credit_type")
        assert [line.split(",")[5] for line in lines[1:]] == ["-30", "-10"]
        assert f"{FEBRUARY.isoformat()}" in lines[1]

    def test_has_no_formula_in_it(self, operator: Client, aisha: User):
        use(aisha, 10, key="=cmd|' /C calc'!A0")

        assert any("'=cmd" in line for line in exported(operator))

    def test_is_not_cut_off_where_the_pages_end(
        self, operator: Client, aisha: User, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("credits.admin.paging.CappedPaginator.most", 2)
        for _ in range(4):
            buy(aisha, 1, at=JANUARY)

        assert len(exported(operator)) == 1 + 6

    @pytest.mark.django_db(transaction=True)
    def test_is_sent_while_it_is_read_and_can_be_broken_off(self, operator: Client, aisha: User):
        page = operator.get(EXPORT)
        pieces = iter(page.streaming_content)
        with CaptureQueriesContext(connection) as asked:
            header, rows = next(pieces), next(pieces)

        assert header.count(b"\n") == 1
        assert rows.count(b"\n") == 2
        # A cursor that may outlive its transaction is filled to the last row first.
        assert not [query for query in asked if "WITH HOLD" in query["sql"]]
        page.close()
        assert not connection.in_atomic_block

    def test_needs_its_own_permission_and_the_lists(self, client: Client, aisha: User):
        person = make_user(is_staff=True)
        client.force_login(person)
        for codename, status in (("export_credits", 403), ("view_credittransaction", 200)):
            person.user_permissions.add(Permission.objects.get(codename=codename))

            assert client.get(EXPORT).status_code == status

    def test_is_not_offered_without_it(self, client: Client, aisha: User):
        person = make_user(is_staff=True)
        person.user_permissions.add(Permission.objects.get(codename="view_credittransaction"))
        client.force_login(person)

        assert EXPORT not in client.get(LIST).content.decode()
