"""credits.admin.acts: the same form confirmed by two clicks at the same moment."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from credits.admin.acts.flow import ActPage
from credits.ledger import balance_of
from credits.models import CreditTransaction
from homezy.models import User
from tests.books import broken_invariants
from tests.factories import make_professional
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

CLICKS = 4


@pytest.fixture
def operator() -> User:
    return User.objects.create_superuser("operator@example.com", "secret")


def logged_in(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def filled(client: Client, url: str, amount: str = "25") -> dict[str, str]:
    token = client.get(url).context["token"]
    return {"token": token, "amount": amount, "credit_type": "free", "reason": "A lost lead"}


class TestADoubleClick:
    @pytest.mark.parametrize(("act", "amount"), [("grant", "25"), ("adjust", "-5")])
    def test_does_it_once_and_leads_to_one_page(self, operator, act, amount):
        aisha = make_professional(free=30)
        url = reverse(f"admin:credits_creditbalance_{act}", args=[aisha.pk])
        clients = [logged_in(operator) for _ in range(CLICKS)]
        data = filled(clients[0], url, amount) | {"confirm": "1"}
        before = CreditTransaction.objects.count()

        answers = at_once(*[lambda client=client: client.post(url, data) for client in clients])

        assert CreditTransaction.objects.count() == before + 1
        assert balance_of(aisha.pk).free == 30 + int(amount)
        assert {(answer.status_code, answer["Location"]) for answer in answers} == {
            (302, reverse("admin:credits_creditbalance_change", args=[aisha.pk]))
        }
        assert LogEntry.objects.count() == 1
        assert broken_invariants() == {}


class TestAFormThatWasConfirmed:
    def test_leads_to_the_same_end_when_it_is_reviewed_again(self, operator):
        aisha = make_professional(free=30)
        url = reverse("admin:credits_creditbalance_grant", args=[aisha.pk])
        client = logged_in(operator)
        data = filled(client, url)
        first = client.post(url, data | {"confirm": "1"})

        again = client.post(url, data | {"review": "1"})

        assert (again.status_code, again["Location"]) == (302, first["Location"])
        assert balance_of(aisha.pk).free == 55

    def test_never_says_that_nothing_was_changed_when_something_was(self, operator, monkeypatch):
        aisha = make_professional(free=30)
        url = reverse("admin:credits_creditbalance_grant", args=[aisha.pk])
        client = logged_in(operator)
        client.raise_request_exception = False
        data = filled(client, url)

        def fails(*args: object, **options: object) -> None:
            raise DatabaseError("the log is full")

        monkeypatch.setattr(ActPage, "_done", fails)
        answer = client.post(url, data | {"confirm": "1"})

        assert balance_of(aisha.pk).free == 55
        assert "nothing was changed" not in answer.content.decode()
