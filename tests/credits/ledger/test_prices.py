"""What was paid for a lot goes with its credits, and is all there at every moment."""

from decimal import Decimal

import pytest

from credits.jobs.expiry import expire_credits
from credits.ledger import purchase
from credits.models import CreditAllocation, CreditTransaction, CreditType
from tests.books import broken_invariants
from tests.factories import (
    AUGUST,
    AUGUST_31,
    FEBRUARY,
    JANUARY,
    JULY_15,
    MARCH,
    correct,
    give_lot,
    make_professional,
    new_key,
    prolong,
    undo,
    use,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def aisha():
    return make_professional()


@pytest.fixture(autouse=True)
def books_in_order():
    yield
    assert broken_invariants() == {}


def book(professional, amount: int, price: str, currency: str = "AED") -> CreditTransaction:
    return purchase(
        professional_id=professional.pk,
        amount=amount,
        price=Decimal(price),
        currency=currency,
        payment_reference=new_key("payment"),
        at=JANUARY,
    )


def worth(lot: CreditTransaction) -> Decimal | None:
    lot.refresh_from_db()
    return lot.remaining_price


def moved() -> list[Decimal | None]:
    return list(CreditAllocation.objects.order_by("pk").values_list("price", flat=True))


class TestAPurchase:
    def test_is_worth_what_was_paid(self, aisha):
        assert worth(book(aisha, 50, "249.50")) == Decimal("249.50")


class TestASpend:
    def test_takes_its_share(self, aisha):
        lot = book(aisha, 3, "10")

        use(aisha, 1)
        use(aisha, 1)

        assert worth(lot) == Decimal("3.33")
        assert moved() == [Decimal("-3.33"), Decimal("-3.34")]

    def test_that_takes_the_last_credit_takes_the_last_cent(self, aisha):
        lot = book(aisha, 3, "10")

        for _ in range(3):
            use(aisha, 1)

        assert worth(lot) == 0
        assert sum(moved()) == -10

    def test_takes_nothing_from_what_was_given(self, aisha):
        lot = give_lot(aisha, 5, expires_at=AUGUST)

        use(aisha, 2)

        assert worth(lot) is None
        assert moved() == [None]


class TestARefund:
    def test_puts_back_what_the_credits_were_worth(self, aisha):
        lot = book(aisha, 3, "10")
        spent = use(aisha, 3)

        undo(spent, 1)
        undo(spent, 2)

        assert worth(lot) == 10
        assert moved() == [Decimal(-10), Decimal("3.33"), Decimal("6.67")]

    def test_of_credits_that_have_expired_is_a_lot_worth_their_share(self, aisha):
        book(aisha, 3, "10")
        spent = use(aisha, 2)

        (refunded,) = undo(spent, at=AUGUST)

        assert (refunded.price, refunded.remaining_price) == (Decimal("6.67"), Decimal("6.67"))
        assert refunded.currency == "AED"

    @pytest.mark.parametrize("price", ["10", "0.05"])
    def test_in_parts_is_worth_what_the_spend_took(self, aisha, price):
        book(aisha, 3, price)
        spent = use(aisha, 3)

        parts = [undo(spent, 1, at=AUGUST)[0].price for _ in range(3)]

        assert sum(parts) == Decimal(price)

    def test_of_a_lots_first_credit_begins_at_its_first_cent(self, aisha):
        book(aisha, 3, "0.10")
        book(aisha, 2, "1")
        spent = use(aisha, 5)
        undo(spent, 2, at=AUGUST)

        (refunded,) = undo(spent, 1, at=AUGUST)

        # Its second credit would be worth 0.04.
        assert refunded.price == Decimal("0.03")

    def test_converts_no_currency(self, aisha):
        book(aisha, 3, "10")
        book(aisha, 3, "30", "USD")
        spent = use(aisha, 6)

        (refunded,) = undo(spent, at=AUGUST)

        # The last draw comes first.
        assert (refunded.granted_amount, refunded.price, refunded.currency) == (6, 30, "USD")


class TestAnExtension:
    def test_carries_over_what_is_left(self, aisha):
        lot = book(aisha, 3, "10")
        use(aisha, 1)

        extended = prolong(lot, AUGUST_31, at=MARCH)

        assert worth(lot) == 0
        assert worth(extended) == Decimal("6.67")
        assert extended.currency == "AED"


class TestAnAdjustment:
    def test_down_takes_its_share(self, aisha):
        lot = book(aisha, 4, "10")

        correct(aisha, -1, CreditType.PAID)

        assert worth(lot) == Decimal("7.50")

    def test_up_is_worth_nothing(self, aisha):
        assert worth(correct(aisha, 5, CreditType.PAID)) is None


class TestAnExpiry:
    def test_takes_what_is_left(self, aisha):
        paid, given = book(aisha, 3, "10"), give_lot(aisha, 5, expires_at=JULY_15)
        use(aisha, 1, at=FEBRUARY)

        expire_credits(as_of=AUGUST)

        taken = CreditAllocation.objects.filter(transaction__transaction_type="expiry")
        assert dict(taken.values_list("lot", "price")) == {
            paid.pk: Decimal("-6.67"),
            given.pk: None,
        }
        assert (worth(paid), worth(given)) == (0, None)
