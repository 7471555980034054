"""credits.admin.balances: the list of who holds what."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credits.admin.searching import name_fields
from homezy.models import User, Verification
from tests.factories import give_lot, make_professional, use

pytestmark = pytest.mark.django_db

LIST = reverse("admin:credits_creditbalance_changelist")
DAY = timedelta(days=1)


@pytest.fixture
def aisha() -> User:
    return make_professional(
        free=30, email="aisha@example.com", business_name="Aisha <b>Paints</b>"
    )


def listed(client: Client, **asked: str) -> set[int]:
    page = client.get(LIST, asked)
    assert page.status_code == 200
    return {row.pk for row in page.context["cl"].result_list}


class TestSearch:
    @pytest.mark.parametrize(
        "term", ["aisha@example.com", " AISHA@example.com ", "aisha", "AISHA <"]
    )
    def test_finds_by_whole_address_and_by_beginning_of_a_name(
        self, operator: Client, aisha: User, term: str
    ):
        make_professional(free=1, business_name="Not Aisha")

        assert listed(operator, q=term) == {aisha.pk}

    def test_finds_by_the_name_that_the_list_shows(self, operator: Client, aisha: User):
        omar = make_professional(free=1, first_name="Omar", last_name="Nair")

        assert listed(operator, q="oma") == listed(operator, q="Nair") == {omar.pk}

    @pytest.mark.parametrize("term", ["omar nair", "umm khalid nai", "Umm  Khalid N"])
    def test_finds_by_first_and_last_name(self, operator: Client, aisha: User, term: str):
        omar = make_professional(free=1, first_name="Omar", last_name="Nair")
        mother = make_professional(free=1, first_name="Umm Khalid", last_name="Nair")
        make_professional(free=1, first_name="Omar", last_name="Khan")
        make_professional(free=1, first_name="Omari", last_name="Nair")

        assert listed(operator, q=term) == {(omar if term == "omar nair" else mother).pk}

    def test_finds_by_id(self, operator: Client, aisha: User):
        make_professional(free=1)

        assert listed(operator, q=str(aisha.pk)) == {aisha.pk}

    @pytest.mark.parametrize("term", ["nobody@example.com", "zzz", "99999999999999999999"])
    def test_finds_nothing_where_there_is_nothing(self, operator: Client, aisha: User, term: str):
        assert listed(operator, q=term) == set()

    def test_says_what_can_be_searched(self, operator: Client, aisha: User):
        page = operator.get(LIST).content.decode()

        assert (
            "Whole e-mail, id, or the beginning of: first name, last name, business name." in page
        )

    def test_knows_the_names_that_the_user_model_has(self):
        assert name_fields() == ["first_name", "last_name", "business_name"]
        assert get_user_model().EMAIL_FIELD not in name_fields()


class TestFilters:
    def test_tell_verified_professionals_from_others(self, operator: Client, aisha: User):
        other = make_professional(free=1, verification=Verification.PENDING)

        assert listed(operator, verified="yes") == {aisha.pk}
        assert listed(operator, verified="no") == {other.pk}

    def test_offer_no_verification_where_the_project_has_no_rule(
        self, operator: Client, aisha: User, settings
    ):
        settings.CREDITS = {}

        page = operator.get(LIST, {"verified": "yes"})

        assert page.status_code == 200
        assert "By verification" not in page.content.decode()

    @pytest.mark.parametrize("many", [0, 40_000], ids=["one by one", "all together"])
    def test_find_who_loses_credits_soon(
        self, operator: Client, aisha: User, many: int, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("credits.admin.filters.MANY_LOTS", many)
        now = timezone.now()
        for days in (29, 31, -1):
            give_lot(make_professional(), days + 5, at=now - 10 * DAY, expires_at=now + days * DAY)
        give_lot(aisha, 10, at=now - DAY, expires_at=now + 2 * DAY)
        give_lot(aisha, 10, at=now - DAY, expires_at=now + 3 * DAY)

        page = operator.get(LIST, {"expiring": "30"})

        totals = sorted(row.total for row in page.context["cl"].result_list)
        assert totals == [34, 50]

    def test_count_no_more_of_who_loses_credits_than_can_be_asked(
        self, operator: Client, aisha: User, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("credits.admin.balances.MOST_LOSING", 1)
        for _ in range(2):
            give_lot(make_professional(), 1, at=timezone.now(), expires_at=timezone.now() + DAY)

        changes = operator.get(LIST, {"expiring": "30"}).context["cl"]

        assert (len(changes.result_list), changes.paginator.is_capped) == (1, True)

    def test_find_who_has_nothing_left(self, operator: Client, aisha: User):
        spent = make_professional(free=5)
        use(spent, 5)

        assert listed(operator, holding="none") == {spent.pk}
        assert listed(operator, holding="none", expiring="30") == set()


class TestRows:
    def test_say_what_expires_next_with_all_lots_of_that_moment(
        self, operator: Client, aisha: User
    ):
        now = timezone.now()
        soon = now + 5 * DAY
        give_lot(aisha, 7, at=now - DAY, expires_at=now - DAY / 2)
        give_lot(aisha, 1_000, at=now - DAY, expires_at=soon)
        give_lot(aisha, 500, at=now - DAY, expires_at=soon)
        give_lot(aisha, 3, at=now - DAY, expires_at=soon + DAY)

        page = operator.get(LIST).content.decode()

        assert "1,500 credits" in page

    def test_keep_a_name_a_text(self, operator: Client, aisha: User):
        page = operator.get(LIST).content.decode()

        assert "Aisha &lt;b&gt;Paints&lt;/b&gt;" in page

    def test_cannot_be_sorted_by_what_no_index_has(self, operator: Client, aisha: User):
        page = operator.get(LIST, {"o": "-2"})

        assert "credits" not in str(page.context["cl"].queryset.query.order_by)

    def test_ask_no_more_for_more_rows(self, operator: Client, aisha: User):
        operator.get(LIST)
        with CaptureQueriesContext(connection) as few:
            operator.get(LIST)
        for _ in range(10):
            make_professional(free=10, paid=10)

        with CaptureQueriesContext(connection) as many:
            operator.get(LIST)

        assert len(many) == len(few)
