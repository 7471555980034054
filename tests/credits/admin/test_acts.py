"""credits.admin.acts: what an operator does with credits, once, after having seen what it does."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from credits.ledger import balance_of, lots_of
from credits.models import CreditTransaction
from homezy.models import User
from tests.books import all_tables, broken_invariants
from tests.factories import JULY_15, MARCH, make_professional, make_user, use

pytestmark = pytest.mark.django_db

ACTS = {
    "grant": {"amount": "25", "credit_type": "free", "reason": "A <b>lost</b> lead"},
    "adjust": {"amount": "-5", "credit_type": "paid", "reason": "Booked twice"},
    "refund": {"amount": "10", "reason": "The lead was false"},
    "extend": {"expires_at": "2026-12-31", "reason": "A long illness"},
}


@pytest.fixture(autouse=True)
def present(clock):
    clock(MARCH)


@pytest.fixture
def operator(client: Client) -> User:
    operator = User.objects.create_superuser("operator@example.com", "secret")
    client.force_login(operator)
    return operator


@pytest.fixture
def aisha() -> User:
    """She has 50 paid credits left, and spent 30 free ones and 10 paid ones."""
    aisha = make_professional(free=30, paid=60, email="aisha@example.com")
    use(aisha, 40)
    return aisha


def url_of(act: str, aisha: User) -> str:
    if act in {"grant", "adjust"}:
        return reverse(f"admin:credits_creditbalance_{act}", args=[aisha.pk])
    row = CreditTransaction.objects.filter(professional=aisha).order_by("pk")
    spent = row.filter(transaction_type="spend", credit_type="paid").get()
    lot = row.filter(granted_amount__gt=0).first()
    key = spent.pk if act == "refund" else lot.pk
    return reverse(f"admin:credits_credittransaction_{act}", args=[key])


def token_of(page) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.content.decode())
    assert found, page.content.decode()
    return found.group(1)


def opened(client: Client, url: str) -> dict[str, str]:
    return {"token": token_of(client.get(url))}


def do(client: Client, url: str, data: dict[str, str]):
    """Fill the form, look at before and after, confirm."""
    data = data | opened(client, url)
    asked = client.post(url, data | {"review": "1"})
    assert asked.status_code == 200, problems(asked)
    return client.post(url, data | {"confirm": "1"}, follow=True)


def problems(page) -> list[str]:
    form = page.context["form"]
    return [problem for found in form.errors.values() for problem in found]


def login_with(client: Client, *codenames: str) -> None:
    clerk = make_user(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)


class TestEachAct:
    @pytest.mark.parametrize("act", ACTS)
    def test_is_done_in_the_ledger_with_actor_and_reason(self, client, operator, aisha, act):
        do(client, url_of(act, aisha), ACTS[act])

        row = CreditTransaction.objects.latest("pk")
        assert row.created_by == operator
        assert row.reason.text == ACTS[act]["reason"]
        assert row.created_at == MARCH
        assert broken_invariants() == {}

    @pytest.mark.parametrize("act", ACTS)
    def test_stands_with_its_log_entry_or_not_at_all(
        self, client, operator, aisha, act, monkeypatch
    ):
        url = url_of(act, aisha)
        before = all_tables()

        def break_log(*args, **kwargs):
            raise DatabaseError("no space left")

        data = ACTS[act] | opened(client, url) | {"confirm": "1"}
        with monkeypatch.context() as broken:
            broken.setattr(LogEntry.objects, "log_actions", break_log)
            refused = client.post(url, data)

        assert problems(refused) == ["The database refused, and nothing was changed: no space left"]
        assert all_tables() == before
        client.post(url, data)
        entry = LogEntry.objects.get()
        assert entry.user == operator
        assert str(CreditTransaction.objects.latest("pk").pk) in entry.change_message

    def test_moves_what_it_says(self, client, operator, aisha):
        for act, data in ACTS.items():
            do(client, url_of(act, aisha), data)

        # 25 granted, 5 taken, 10 given back; the lot that is left is the one that was extended.
        balance = balance_of(aisha.pk)
        assert (balance.free, balance.paid) == (25, 55)
        assert [lot.expires_at.isoformat() for lot in lots_of(aisha.pk)] == [
            "2027-01-01T00:00:00+00:00"
        ]

    @pytest.mark.parametrize("act", ACTS)
    def test_writes_nothing_before_it_is_confirmed(self, client, operator, aisha, act):
        url = url_of(act, aisha)
        before = all_tables()
        data = ACTS[act] | opened(client, url)

        page = client.post(url, data | {"review": "1"})

        assert page.status_code == 200
        assert "Before and after" in page.content.decode()
        assert all_tables() == before

    def test_shows_before_and_after(self, client, operator, aisha):
        url = url_of("adjust", aisha)

        page = client.post(url, ACTS["adjust"] | opened(client, url) | {"review": "1"})

        pools = [tuple(map(str, pool)) for pool in page.context["pools"]]
        assert pools == [
            ("Free", "0", "0", "0"),
            ("Paid", "50", "45", "-5"),
            ("Total", "50", "45", "-5"),
        ]

    @pytest.mark.parametrize("act", ACTS)
    def test_is_done_once_however_often_it_is_submitted(self, client, operator, aisha, act, clock):
        url = url_of(act, aisha)
        data = ACTS[act] | opened(client, url) | {"confirm": "1"}
        client.post(url, data)
        done = CreditTransaction.objects.count()
        clock(MARCH + timedelta(seconds=1))

        again = client.post(url, data, follow=True)

        assert CreditTransaction.objects.count() == done
        assert "Done:" in [str(message) for message in again.context["messages"]][-1]
        assert LogEntry.objects.count() == 1

    def test_that_is_changed_after_it_was_done_is_refused(self, client, operator, aisha):
        url = url_of("grant", aisha)
        data = ACTS["grant"] | opened(client, url)
        client.post(url, data | {"confirm": "1"})

        page = client.post(url, data | {"amount": "26", "confirm": "1"})

        assert problems(page) == [
            "This form has been used already: open it again to do something else."
        ]
        assert balance_of(aisha.pk).free == 25

    def test_can_be_changed_before_it_is_confirmed(self, client, operator, aisha):
        url = url_of("grant", aisha)

        page = client.post(url, ACTS["grant"] | opened(client, url) | {"back": "1"})

        assert page.context["form"]["amount"].value() == "25"

    @pytest.mark.parametrize("act", ACTS)
    def test_needs_its_permission_and_to_see_the_row(self, client, aisha, act):
        of = "balance" if act in {"grant", "adjust"} else "transaction"
        url = url_of(act, aisha)
        others = [f"{other}_credits" for other in ACTS if other != act]

        for codenames in ([f"view_credit{of}", *others], [f"{act}_credits"], []):
            login_with(client, *codenames)
            assert client.get(url).status_code == 403
            assert client.post(url, ACTS[act] | {"confirm": "1"}).status_code == 403
        login_with(client, f"view_credit{of}", f"{act}_credits")
        assert client.get(url).status_code == 200

    @pytest.mark.parametrize("act", ACTS)
    def test_needs_a_token_of_the_page(self, aisha, act):
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.create_superuser("operator@example.com", "secret"))

        assert client.post(url_of(act, aisha), ACTS[act] | {"confirm": "1"}).status_code == 403

    def test_takes_nobody_elses_form(self, client, operator, aisha):
        url = url_of("grant", aisha)
        stolen = opened(client, url)
        client.force_login(User.objects.create_superuser("other@example.com", "secret"))

        page = client.post(url, ACTS["grant"] | stolen | {"confirm": "1"})

        assert problems(page) == ["This form is too old or not yours: check it and go on."]
        assert balance_of(aisha.pk).free == 0

    def test_takes_no_form_of_another_row(self, client, operator, aisha):
        other = make_professional(free=1)
        token = opened(client, url_of("grant", other))

        client.post(url_of("grant", aisha), ACTS["grant"] | token | {"confirm": "1"})

        assert balance_of(aisha.pk).free == 0

    def test_keeps_what_was_typed_as_text(self, client, operator, aisha):
        url = url_of("grant", aisha)

        page = client.post(url, ACTS["grant"] | opened(client, url) | {"review": "1"})

        assert "<b>lost</b>" not in page.content.decode()
        assert "&lt;b&gt;lost&lt;/b&gt;" in page.content.decode()


class TestBadInput:
    @pytest.mark.parametrize(
        ("act", "change", "sentence"),
        [
            ("grant", {"amount": "0"}, "greater than or equal to 1"),
            ("grant", {"amount": "much"}, "Enter a whole number."),
            ("grant", {"amount": "1000001"}, "less than or equal to 1000000"),
            ("grant", {"reason": "  "}, "This field is required."),
            ("grant", {"credit_type": "gold"}, "gold is not one of the available choices"),
            ("grant", {"expires_at": "2026-12-31"}, "only paid credits that are added have one"),
            (
                "grant",
                {"credit_type": "paid", "expires_at": "soon"},
                "Write the day as 2026-11-30.",
            ),
            (
                "grant",
                {"credit_type": "paid", "expires_at": "9999-12-31"},
                "Choose an earlier day.",
            ),
            (
                "grant",
                {"credit_type": "paid", "expires_at": "2026-01-01"},
                "Choose a later day",
            ),
            ("adjust", {"amount": "0"}, "with a minus to take away"),
            ("adjust", {"amount": "-51"}, "Only 50 credits can be taken"),
            ("refund", {"amount": "41"}, "Only 40 credits of this spend are left to refund"),
            ("extend", {"expires_at": "2026-04-01"}, "Choose a later day: the lot expires on"),
            ("extend", {"expires_at": ""}, "This field is required."),
        ],
    )
    @pytest.mark.parametrize("step", ["review", "confirm"])
    def test_gets_a_sentence_and_changes_nothing(
        self, client, operator, aisha, act, change, sentence, step
    ):
        url = url_of(act, aisha)
        data = ACTS[act] | opened(client, url) | change | {step: "1"}
        before = all_tables()

        page = client.post(url, data)

        (problem,) = problems(page)
        assert sentence in problem
        assert page.status_code == 422
        assert all_tables() == before


class TestARowThatDoesNotFit:
    def test_is_not_there(self, client, operator):
        page = client.get(reverse("admin:credits_creditbalance_grant", args=[4711]), follow=True)

        assert [str(message) for message in page.context["messages"]] == ["There is no such row."]

    @pytest.mark.parametrize(
        ("act", "sentence"),
        [
            ("refund", "Only a spend can be refunded."),
            ("extend", "Only a lot of paid credits can be extended."),
        ],
    )
    def test_is_of_another_type(self, client, operator, aisha, act, sentence):
        bonus = CreditTransaction.objects.filter(transaction_type="bonus").get()
        url = reverse(f"admin:credits_credittransaction_{act}", args=[bonus.pk])

        page = client.get(url, follow=True)

        assert [str(message) for message in page.context["messages"]] == [sentence]

    def test_is_refunded_already(self, client, operator, aisha):
        url = url_of("refund", aisha)
        do(client, url, {"amount": "", "reason": "The lead was false"})

        page = client.get(url, follow=True)

        assert "Nothing of this spend is left" in str(list(page.context["messages"])[-1])
        assert "refund/" not in page.content.decode()

    def test_is_a_lot_that_has_expired(self, client, operator, aisha, clock):
        url = url_of("extend", aisha)
        clock(JULY_15)
        client.force_login(operator)

        page = client.get(url, follow=True)

        assert "empty or has expired" in str(next(iter(page.context["messages"])))


class TestButtons:
    def test_are_those_of_what_one_may_do(self, client, aisha):
        page = reverse("admin:credits_creditbalance_change", args=[aisha.pk])

        login_with(client, "view_creditbalance", "grant_credits")

        body = client.get(page).content.decode()
        assert url_of("grant", aisha) in body
        assert url_of("adjust", aisha) not in body
