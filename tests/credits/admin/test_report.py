"""credits.admin.report: the months, on a page and as CSV."""

import csv
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from credits.engine.totals import roll_up
from homezy.models import User
from tests.factories import JANUARY, MARCH, buy, make_professional, make_user, use

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:credits_monthlytotal_changelist")
EXPORT = reverse("admin:credits_monthlytotal_export")


@pytest.fixture(autouse=True)
def present(clock):
    clock(MARCH)


@pytest.fixture
def aisha() -> User:
    aisha = make_professional(free=30, paid=50, at=JANUARY)
    use(aisha, 40, at=MARCH)
    return aisha


def login_with(client: Client, *codenames: str) -> None:
    clerk = make_user(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)


def figures(page) -> dict[str, list]:
    """Return opening, movements and closing by month, of the first table."""
    return {
        row["month"]: [row["opening"], *(figure for figure, _ in row["cells"]), row["closing"]]
        for row in page.context["tables"][0].rows
    }


class TestPage:
    def test_tells_every_month_newest_first(self, operator: Client, aisha: User):
        page = operator.get(PAGE)

        assert figures(page) == {
            "March 2026": [80, 0, 0, 0, -40, 0, 0, 0, 40],
            "February 2026": [80, 0, 0, 0, 0, 0, 0, 0, 80],
            "January 2026": [0, 50, 30, 0, 0, 0, 0, 0, 80],
        }
        assert page.context["tables"][0].totals == [0, 50, 30, 0, -40, 0, 0, 0, 40]

    def test_tells_one_pool(self, operator: Client, aisha: User):
        assert figures(operator.get(PAGE, {"pool": "free"}))["March 2026"][-1] == 0
        assert figures(operator.get(PAGE, {"pool": "paid"}))["March 2026"][-1] == 40

    def test_tells_the_money(self, operator: Client, aisha: User):
        money = operator.get(PAGE).context["tables"][1]

        assert money.totals == [0, 250, 0, 0, -50, 0, 0, 0, 200]

    def test_leads_to_the_transactions(self, operator: Client, aisha: User):
        page = operator.get(PAGE, {"pool": "paid"}).content.decode()

        assert "transaction_type__exact=spend&amp;month=2026-03&amp;credit_type__exact=paid" in page

    def test_shows_another_year(self, operator: Client, aisha: User):
        buy(aisha, 10, at=JANUARY.replace(year=2025))

        page = operator.get(PAGE, {"year": "2025"})

        assert len(figures(page)) == 12
        assert "December 2025" in figures(page)

    @pytest.mark.parametrize("query", [{"year": "x"}, {"year": "1999"}, {"pool": "<b>"}])
    def test_passes_over_what_it_does_not_know(self, operator: Client, aisha: User, query):
        page = operator.get(PAGE, query)

        assert "March 2026" in figures(page)
        assert "<b>" not in page.content.decode()

    def test_says_so_where_nothing_has_moved(self, operator: Client):
        assert "No credits have moved so far." in operator.get(PAGE).content.decode()

    def test_asks_no_more_for_more_rows(
        self, operator: Client, aisha: User, django_assert_max_num_queries
    ):
        roll_up(using="default")
        for _ in range(5):
            make_professional(free=1, paid=1)

        # The session, the user, what is counted and what is not.
        with django_assert_max_num_queries(4):
            operator.get(PAGE)

    def test_is_for_who_may_see_it(self, client: Client, aisha: User):
        login_with(client, "view_creditbalance")
        assert client.get(PAGE).status_code == 403
        login_with(client, "view_monthlytotal")
        page = client.get(PAGE)

        assert page.status_code == 200
        assert EXPORT not in page.content.decode()


class TestExport:
    def test_gives_every_account_of_every_month(self, operator: Client, aisha: User):
        body = b"".join(operator.get(EXPORT)).decode("utf-8-sig")

        rows = list(csv.DictReader(StringIO(body)))
        assert [(row["month"], row["account"]) for row in rows[:2]] == [
            ("2026-01", "free credits"),
            ("2026-02", "free credits"),
        ]
        last = rows[-1]
        assert (last["account"], last["opening"], last["spend"], last["closing"]) == (
            "AED",
            "250.00",
            "-50.00",
            "200.00",
        )

    @pytest.mark.parametrize(
        "codenames", [["export_credits"], ["view_monthlytotal"]], ids=lambda names: names[0]
    )
    def test_needs_both_permissions(self, client: Client, aisha: User, codenames: list[str]):
        login_with(client, *codenames)

        assert client.get(EXPORT).status_code == 403
