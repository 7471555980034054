import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.jobs.reset import reset_monthly_credits
from credits.ledger import adjust, spend
from credits.models import CreditTransaction
from homezy.models import User
from tests.factories import JANUARY, MARCH, make_professional

pytestmark = pytest.mark.django_db

MODELS = ["creditbalance", "credittransaction", "jobrun"]


@pytest.fixture
def aisha() -> User:
    """A professional with a row of every kind the pages show."""
    aisha = make_professional(free=30, paid=50, email="aisha@example.com")
    spend(professional_id=aisha.pk, amount=40, at=JANUARY, idempotency_key="lead-1")
    adjust(
        professional_id=aisha.pk,
        amount=5,
        credit_type="free",
        reason="<b>lost</b> lead",
        actor_id=aisha.pk,
        at=JANUARY,
        idempotency_key="adjustment-1",
    )
    reset_monthly_credits(as_of=MARCH)
    return aisha


class TestLists:
    @pytest.mark.parametrize("model", MODELS)
    def test_show_their_rows(self, operator: Client, aisha: User, model: str):
        page = operator.get(reverse(f"admin:credits_{model}_changelist"))

        assert page.status_code == 200
        assert page.context["cl"].result_count > 0

    @pytest.mark.parametrize("model", ["creditbalance", "credittransaction"])
    def test_find_a_professional_by_address(self, operator: Client, aisha: User, model: str):
        other = make_professional(free=10)

        page = operator.get(
            reverse(f"admin:credits_{model}_changelist"), {"q": "Aisha@example.com"}
        )

        owners = {row.professional_id for row in page.context["cl"].result_list}
        assert owners == {aisha.pk}
        assert other.pk not in owners

    @pytest.mark.parametrize("model", MODELS)
    def test_ask_no_more_for_more_rows(self, operator: Client, aisha: User, model: str):
        url = reverse(f"admin:credits_{model}_changelist")
        operator.get(url)
        with CaptureQueriesContext(connection) as few:
            operator.get(url)
        for _ in range(10):
            make_professional(free=10, paid=10)

        with CaptureQueriesContext(connection) as many:
            operator.get(url)

        assert len(many) == len(few)


class TestPages:
    def test_show_which_lots_a_spend_drew_from(self, operator: Client, aisha: User):
        drawn = CreditTransaction.objects.get(idempotency_key="lead-1", credit_type="paid")

        page = operator.get(reverse("admin:credits_credittransaction_change", args=[drawn.pk]))

        assert "-10" in page.content.decode()

    def test_keep_what_a_person_typed_a_text(self, operator: Client, aisha: User):
        adjustment = CreditTransaction.objects.get(idempotency_key="adjustment-1")

        page = operator.get(reverse("admin:credits_credittransaction_change", args=[adjustment.pk]))

        assert "&lt;b&gt;lost&lt;/b&gt; lead" in page.content.decode()

    @pytest.mark.parametrize("model", MODELS)
    def test_change_nothing(self, operator: Client, aisha: User, model: str):
        row = operator.get(reverse(f"admin:credits_{model}_changelist")).context["cl"].queryset[0]
        change = reverse(f"admin:credits_{model}_change", args=[row.pk])

        assert operator.get(change).status_code == 200
        assert operator.post(change, {"free_credits": 999}).status_code == 403
        assert operator.get(reverse(f"admin:credits_{model}_add")).status_code == 403
        assert (
            operator.post(
                reverse(f"admin:credits_{model}_delete", args=[row.pk]), {"post": "yes"}
            ).status_code
            == 403
        )
