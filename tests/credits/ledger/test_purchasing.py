"""credits.ledger.purchasing: credits that come in as a lot, or as a gift."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from credits.exceptions import IdempotencyKeyReused, InvalidArgument, UnknownProfessional
from credits.ledger import balance_of, grant_bonus, lots_of, purchase
from credits.models import CreditBalance, CreditTransaction, TransactionReason
from tests.books import all_tables, broken_invariants
from tests.factories import (
    AUGUST_31,
    FEBRUARY,
    JANUARY,
    JULY_15,
    MARCH,
    make_professional,
    make_user,
)

pytestmark = pytest.mark.django_db


def book_purchase(professional, **changes):
    arguments = {
        "professional_id": professional.pk,
        "amount": 50,
        "price": Decimal("249.50"),
        "currency": "AED",
        "payment_reference": "pi_1",
        "at": JANUARY,
    }
    return purchase(**arguments | changes)


def book_bonus(professional, **changes):
    arguments = {
        "professional_id": professional.pk,
        "amount": 20,
        "at": JANUARY,
        "idempotency_key": "welcome-1",
    }
    return grant_bonus(**arguments | changes)


class TestPurchase:
    def test_is_a_lot_and_a_row_of_the_ledger(self):
        aisha = make_professional(free=30)

        lot = book_purchase(aisha, metadata={"campaign": "spring"})

        lot.refresh_from_db()
        assert (lot.transaction_type, lot.credit_type) == ("purchase", "paid")
        assert (lot.amount, lot.granted_amount, lot.remaining_amount) == (50, 50, 50)
        assert (lot.balance_before, lot.balance_after) == (30, 80)
        assert (lot.price, lot.currency) == (Decimal("249.50"), "AED")
        assert lot.idempotency_key == "pi_1"
        assert lot.description == "Purchase of 50 credits"
        assert lot.metadata == {"campaign": "spring"}
        assert lot.created_at == JANUARY
        assert list(lots_of(aisha.pk)) == [lot]
        assert broken_invariants() == {}

    def test_moves_the_balance(self):
        aisha = make_professional(free=30)

        book_purchase(aisha)

        balance = CreditBalance.objects.get(professional=aisha)
        assert (balance.free_credits, balance.paid_credits) == (30, 50)
        assert balance.lifetime_earned == 80
        assert balance.last_purchase_at == JANUARY
        assert balance.last_spend_at is None

    def test_opens_the_balance_of_a_professional_it_never_touched(self):
        aisha = make_user()

        book_purchase(aisha)

        assert balance_of(aisha.pk).paid == 50

    @pytest.mark.parametrize(
        ("at", "expires_at"),
        [
            pytest.param(JANUARY, JULY_15, id="the same day"),
            pytest.param(AUGUST_31, datetime(2027, 2, 28, 12, tzinfo=UTC), id="clamped"),
        ],
    )
    def test_expires_six_calendar_months_later(self, at, expires_at):
        assert book_purchase(make_user(), at=at).expires_at == expires_at

    def test_expires_when_the_project_says(self, settings):
        settings.CREDITS = {"PURCHASE_VALIDITY_MONTHS": 1}

        lot = book_purchase(make_user(), at=AUGUST_31)

        assert lot.expires_at == datetime(2026, 9, 30, 12, tzinfo=UTC)

    def test_again_returns_the_first_lot_and_changes_nothing(self):
        aisha = make_user()
        first = book_purchase(aisha)
        books = all_tables()

        # A retry comes later, and a price is the same however it is written.
        again = book_purchase(aisha, at=FEBRUARY, price=Decimal("249.5"))

        assert again == first
        assert all_tables() == books

    @pytest.mark.parametrize(
        ("changes", "argument", "first", "now"),
        [
            ({"amount": 51}, "amount", 50, 51),
            ({"price": Decimal(250)}, "price", Decimal("249.50"), Decimal(250)),
            ({"currency": "USD"}, "currency", "AED", "USD"),
        ],
        ids=["amount", "price", "currency"],
    )
    def test_again_with_other_arguments_is_refused_by_name(self, changes, argument, first, now):
        aisha = make_user()
        book_purchase(aisha)

        with pytest.raises(IdempotencyKeyReused) as refused:
            book_purchase(aisha, **changes)

        assert refused.value.idempotency_key == "pi_1"
        assert (refused.value.argument, refused.value.first, refused.value.now) == (
            argument,
            first,
            now,
        )
        assert balance_of(aisha.pk).paid == 50

    def test_again_for_another_professional_is_refused(self):
        aisha, omar = make_user(), make_user()
        book_purchase(aisha)

        with pytest.raises(IdempotencyKeyReused) as refused:
            book_purchase(omar)

        assert refused.value.argument == "professional_id"
        assert (refused.value.first, refused.value.now) == (aisha.pk, omar.pk)
        assert balance_of(omar.pk).total == 0

    def test_under_the_key_of_another_act_is_refused(self):
        aisha = make_user()
        book_bonus(aisha, idempotency_key="pi_1", amount=50)

        with pytest.raises(IdempotencyKeyReused, match="transaction_type bonus"):
            book_purchase(aisha)

    def test_of_someone_unknown_is_refused(self):
        with pytest.raises(UnknownProfessional) as refused:
            book_purchase(make_user(pk=404), professional_id=405)

        assert refused.value.professional_id == 405
        assert not CreditBalance.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            pytest.param({"amount": 0}, "amount", id="nothing"),
            pytest.param({"amount": -5}, "amount", id="less than nothing"),
            pytest.param({"amount": 1.5}, "amount", id="half a credit"),
            pytest.param({"amount": Decimal(5)}, "amount", id="a Decimal"),
            pytest.param({"amount": True}, "amount", id="a bool"),
            pytest.param({"amount": "5"}, "amount", id="text"),
            pytest.param({"amount": 2**31}, "amount", id="more than a column holds"),
            pytest.param({"price": 250}, "price", id="a price that is an int"),
            pytest.param({"price": 249.5}, "price", id="a price that is a float"),
            pytest.param({"price": Decimal("-0.01")}, "price", id="a negative price"),
            pytest.param({"price": Decimal("NaN")}, "price", id="no price"),
            pytest.param({"price": Decimal("sNaN")}, "price", id="a signalling no price"),
            pytest.param({"price": Decimal("Infinity")}, "price", id="an endless price"),
            pytest.param({"price": Decimal("1.005")}, "price", id="half a fils"),
            pytest.param({"price": Decimal(10**10)}, "price", id="a price beyond the column"),
            pytest.param({"price": Decimal("1E+30")}, "price", id="a price beyond all reason"),
            pytest.param({"currency": "aed"}, "currency", id="a currency in small letters"),
            pytest.param({"currency": "DIRHAM"}, "currency", id="a long currency"),
            pytest.param({"currency": "د.إ"}, "currency", id="a currency's sign"),
            pytest.param({"currency": ""}, "currency", id="no currency"),
            pytest.param({"currency": None}, "currency", id="a currency that is none"),
            pytest.param({"currency": "A1D"}, "currency", id="a currency with a digit"),
            pytest.param({"metadata": {"invoice": b"7"}}, "metadata", id="metadata of bytes"),
            pytest.param({"payment_reference": ""}, "payment_reference", id="no reference"),
            pytest.param({"payment_reference": "  "}, "payment_reference", id="a blank reference"),
            pytest.param({"at": datetime(2026, 1, 1)}, "at", id="a naive moment"),  # noqa: DTZ001
            pytest.param({"at": "2026-01-01"}, "at", id="a moment that is text"),
        ],
    )
    def test_refuses_what_can_never_be_right(self, changes, argument):
        with pytest.raises(InvalidArgument) as refused:
            book_purchase(make_user(), **changes)

        assert refused.value.argument == argument
        assert not CreditTransaction.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"currency": "aed"}, "currency: must be three capital letters, not 'aed'."),
            ({"price": 1}, "price: must be a Decimal of at least 0, not 1."),
            (
                {"price": Decimal("1.005")},
                "price: must have two decimals and be below 10**10, not 1.005.",
            ),
        ],
        ids=["currency", "int", "decimals"],
    )
    def test_says_what_would_be_right(self, changes, sentence):
        with pytest.raises(InvalidArgument) as refused:
            book_purchase(make_user(), **changes)

        assert str(refused.value) == sentence

    @pytest.mark.parametrize("price", [Decimal(0), Decimal("9999999999.99")], ids=str)
    def test_takes_any_price_that_the_column_holds(self, price):
        lot = book_purchase(make_user(), price=price)

        lot.refresh_from_db()
        assert lot.price == price

    def test_fills_a_balance_to_the_brim_and_no_further(self):
        aisha = make_user()
        book_purchase(aisha, amount=2**31 - 1)

        with pytest.raises(
            InvalidArgument, match=r"^amount: a balance holds at most 2,147,483,647 credits\.$"
        ):
            book_purchase(aisha, amount=1, payment_reference="pi_2")

        assert balance_of(aisha.pk).paid == 2**31 - 1


class TestGrantBonus:
    def test_goes_into_the_free_pool(self):
        aisha = make_professional(paid=5)

        row = book_bonus(aisha, description="Welcome", metadata={"code": "HELLO"})

        row.refresh_from_db()
        assert (row.transaction_type, row.credit_type, row.amount) == ("bonus", "free", 20)
        assert (row.granted_amount, row.remaining_amount, row.expires_at) == (0, 0, None)
        assert (row.balance_before, row.balance_after) == (5, 25)
        assert (row.description, row.metadata) == ("Welcome", {"code": "HELLO"})
        assert balance_of(aisha.pk).free == 20
        assert broken_invariants() == {}

    def test_keeps_who_gave_it_and_why(self):
        admin = make_user()

        row = book_bonus(make_user(), actor_id=admin.pk, reason=" For the wait.\n")

        assert (row.created_by_id, row.description) == (admin.pk, "Bonus")
        assert TransactionReason.objects.get(transaction=row).text == "For the wait."

    def test_needs_no_one_to_answer_for_it(self):
        assert book_bonus(make_user()).created_by_id is None
        assert not TransactionReason.objects.exists()

    def test_by_someone_unknown_is_refused(self):
        with pytest.raises(UnknownProfessional):
            book_bonus(make_user(pk=404), actor_id=405)

        assert not CreditTransaction.objects.exists()

    def test_leaves_the_last_purchase_alone(self):
        aisha = make_user()

        book_bonus(aisha, credit_type="paid")

        assert CreditBalance.objects.get().last_purchase_at is None

    def test_may_be_a_paid_lot_of_six_months(self):
        aisha = make_user()

        lot = book_bonus(aisha, credit_type="paid")

        assert (lot.granted_amount, lot.remaining_amount) == (20, 20)
        assert lot.expires_at == JULY_15
        assert list(lots_of(aisha.pk)) == [lot]
        assert broken_invariants() == {}

    def test_may_be_a_paid_lot_that_lasts_as_long_as_one_likes(self):
        lot = book_bonus(make_user(), credit_type="paid", expires_at=MARCH)

        assert lot.expires_at == MARCH

    def test_again_returns_the_first_row_and_changes_nothing(self):
        aisha, admin = make_user(), make_user()
        first = book_bonus(aisha, actor_id=admin.pk)
        books = all_tables()

        again = book_bonus(aisha, actor_id=admin.pk, at=FEBRUARY)

        assert again == first
        assert all_tables() == books

    def test_of_paid_credits_again_need_not_say_when_they_expire(self):
        aisha = make_user()
        first = book_bonus(aisha, credit_type="paid")

        assert book_bonus(aisha, credit_type="paid") == first

    def test_under_the_key_of_another_act_is_refused(self):
        aisha = make_user()
        book_purchase(aisha)

        with pytest.raises(IdempotencyKeyReused, match="transaction_type purchase"):
            book_bonus(aisha, idempotency_key="pi_1", amount=50, credit_type="paid")

    def test_again_succeeds_though_the_lot_has_expired_by_now(self):
        aisha = make_user()
        first = book_bonus(aisha, credit_type="paid", expires_at=FEBRUARY)

        again = book_bonus(aisha, credit_type="paid", expires_at=FEBRUARY, at=MARCH)

        assert again == first

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            pytest.param({"amount": 21}, "amount", id="amount"),
            pytest.param({"credit_type": "free", "expires_at": None}, "credit_type", id="pool"),
            pytest.param({"expires_at": JULY_15}, "expires_at", id="expiry"),
            pytest.param({"actor_id": None}, "created_by_id", id="actor"),
        ],
    )
    def test_again_with_other_arguments_is_refused_by_name(self, changes, argument):
        aisha = make_user()
        arguments = {"credit_type": "paid", "expires_at": MARCH, "actor_id": make_user().pk}
        book_bonus(aisha, **arguments)

        with pytest.raises(IdempotencyKeyReused) as refused:
            book_bonus(aisha, **arguments | changes)

        assert refused.value.argument == argument
        assert balance_of(aisha.pk).total == 20

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            pytest.param({"amount": 0}, "amount", id="nothing"),
            pytest.param({"expires_at": MARCH}, "expires_at", id="an expiry of free credits"),
            pytest.param(
                {"credit_type": "paid", "expires_at": JANUARY}, "expires_at", id="expired at once"
            ),
            pytest.param(
                {"credit_type": "paid", "expires_at": JANUARY - timedelta(1)},
                "expires_at",
                id="expired before",
            ),
            pytest.param(
                {"credit_type": "paid", "expires_at": datetime(2026, 3, 1)},  # noqa: DTZ001
                "expires_at",
                id="a naive expiry",
            ),
            pytest.param({"credit_type": "gratis"}, "credit_type", id="a pool there is not"),
            pytest.param({"idempotency_key": ""}, "idempotency_key", id="no key"),
            pytest.param({"at": None}, "at", id="no moment"),
        ],
    )
    def test_refuses_what_can_never_be_right(self, changes, argument):
        with pytest.raises(InvalidArgument) as refused:
            book_bonus(make_user(), **changes)

        assert refused.value.argument == argument
        assert not CreditTransaction.objects.exists()
