"""credits.models.allocations: what moved in and out of a lot."""

import pytest
from django.db import IntegrityError, transaction

from credits.models import CreditAllocation
from tests.factories import buy, make_professional, use

pytestmark = pytest.mark.django_db


class TestCreditAllocation:
    @pytest.mark.parametrize(("amount", "text"), [(-1500, "-1,500 of lot 7"), (3, "+3 of lot 7")])
    def test_reads_as_its_signed_amount_and_its_lot(self, amount, text):
        assert str(CreditAllocation(amount=amount, lot_id=7)) == text

    def test_moves_something(self):
        lot = buy(make_professional(), 5)

        with (
            pytest.raises(IntegrityError, match="credits_allocation_moves_something"),
            transaction.atomic(),
        ):
            CreditAllocation.objects.create(lot=lot, transaction=lot, amount=0)

    def test_is_one_for_each_lot_of_a_transaction(self):
        professional = make_professional(paid=5)
        (spent,) = use(professional, 2)
        first = spent.allocations.get()

        # SQLite names the columns of a table's unique constraint, not its name.
        with (
            pytest.raises(
                IntegrityError,
                match="credits_lot_is_allocated_once_a_transaction|transaction_id, .*lot_id",
            ),
            transaction.atomic(),
        ):
            CreditAllocation.objects.create(lot=first.lot, transaction=spent, amount=-1)
