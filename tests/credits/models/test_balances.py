"""credits.models.balances: what a professional holds."""

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from credits.models import CreditBalance
from tests.factories import make_professional, make_user

pytestmark = pytest.mark.django_db


class TestCreditBalance:
    def test_reads_as_its_two_pools(self):
        assert str(CreditBalance(free_credits=100, paid_credits=50)) == "100 free, 50 paid"

    def test_totals_both_pools(self):
        assert CreditBalance(free_credits=100, paid_credits=50).total == 150

    def test_begins_with_nothing(self):
        balance = CreditBalance.objects.create(professional=make_user())

        balance.refresh_from_db()
        assert (balance.total, balance.lifetime_earned, balance.last_reset_period) == (0, 0, "")

    def test_is_somebodys(self):
        with pytest.raises(IntegrityError), transaction.atomic():
            CreditBalance.objects.create()

    @pytest.mark.engine("sqlite")
    def test_is_found_in_its_table_and_in_no_index_beside_it(self):
        plan = CreditBalance.objects.filter(pk=1).explain()

        assert "USING INTEGER PRIMARY KEY" in plan

    @pytest.mark.parametrize(
        "columns",
        [
            pytest.param({"free_credits": -1, "lifetime_earned": -1}, id="free"),
            pytest.param({"paid_credits": -1, "lifetime_earned": -1}, id="paid"),
            pytest.param({"free_credits": -1, "paid_credits": 1}, id="one pool for the other"),
        ],
    )
    def test_is_never_negative(self, columns):
        with (
            pytest.raises(IntegrityError, match="credits_balance_is_never_negative"),
            transaction.atomic(),
        ):
            CreditBalance.objects.create(professional=make_user(), **columns)

    @pytest.mark.parametrize(
        "columns",
        [
            pytest.param({"free_credits": 1}, id="free from nowhere"),
            pytest.param({"paid_credits": 1}, id="paid from nowhere"),
            pytest.param({"lifetime_earned": 1}, id="earned and gone"),
            pytest.param({"lifetime_spent": 1}, id="spent what was not there"),
            pytest.param({"lifetime_expired": 1}, id="expired what was not there"),
        ],
    )
    def test_is_what_was_earned_less_what_was_spent_and_expired(self, columns):
        with (
            pytest.raises(
                IntegrityError, match="credits_balance_is_earned_less_spent_less_expired"
            ),
            transaction.atomic(),
        ):
            CreditBalance.objects.create(professional=make_user(), **columns)

    def test_explains_itself(self):
        CreditBalance.objects.create(
            professional=make_user(),
            free_credits=2,
            paid_credits=3,
            lifetime_earned=14,
            lifetime_spent=4,
            lifetime_expired=5,
        )

        assert CreditBalance.objects.get().total == 5

    def test_is_one_for_each_professional(self):
        aisha = make_professional(free=1)

        with pytest.raises(IntegrityError), transaction.atomic():
            CreditBalance.objects.create(professional=aisha)

    def test_protects_its_professional(self):
        aisha = make_professional(free=1)

        with pytest.raises(ProtectedError):
            aisha.delete()
