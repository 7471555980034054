"""credits.ledger.adjusting: corrections by hand, and later expiries."""

from datetime import datetime, timedelta

import pytest

from credits.exceptions import (
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidArgument,
    LotNotOpen,
    NotAnExtension,
    UnknownLot,
    UnknownProfessional,
)
from credits.jobs.expiry import expire_credits
from credits.ledger import adjust, balance_of, extend, grant_bonus, lots_of, spendable_at
from credits.models import CreditBalance, CreditTransaction, TransactionReason
from tests.books import all_tables, broken_invariants
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JULY_15,
    MARCH,
    MOMENT,
    buy,
    correct,
    give,
    give_lot,
    make_professional,
    make_user,
    prolong,
    undo,
    use,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return make_user(role="admin")


@pytest.fixture
def make_adjustment(admin):
    def make(professional, **changes):
        arguments = {
            "professional_id": professional.pk,
            "amount": 5,
            "credit_type": "free",
            "reason": "A miscount.",
            "actor_id": admin.pk,
            "at": FEBRUARY,
            "idempotency_key": "case-1",
        }
        return adjust(**arguments | changes)

    return make


@pytest.fixture
def make_extension(admin):
    def make(lot, **changes):
        arguments = {
            "lot_id": lot.pk,
            "expires_at": AUGUST,
            "reason": "A long illness.",
            "actor_id": admin.pk,
            "at": FEBRUARY,
            "idempotency_key": "case-1",
        }
        return extend(**arguments | changes)

    return make


class TestAdjust:
    def test_adds_to_the_free_pool(self, make_adjustment, admin):
        aisha = make_professional(free=10)

        row = make_adjustment(aisha)

        row.refresh_from_db()
        assert (row.transaction_type, row.credit_type, row.amount) == ("adjustment", "free", 5)
        assert (row.granted_amount, row.expires_at) == (0, None)
        assert (row.balance_before, row.balance_after) == (10, 15)
        assert (row.created_by, row.created_at) == (admin, FEBRUARY)
        assert balance_of(aisha.pk).free == 15
        assert broken_invariants() == {}

    def test_keeps_the_reason_apart_from_the_ledger(self, make_adjustment):
        row = make_adjustment(make_professional(), reason="  Called on Monday.\n")

        assert TransactionReason.objects.get(transaction=row).text == "Called on Monday."
        assert row.description == "Adjustment"
        assert row.metadata == {}

    def test_takes_from_the_free_pool(self, make_adjustment):
        aisha = make_professional(free=10, paid=10)

        row = make_adjustment(aisha, amount=-10)

        assert (row.amount, row.balance_after) == (-10, 10)
        assert (balance_of(aisha.pk).free, balance_of(aisha.pk).paid) == (0, 10)
        assert broken_invariants() == {}

    def test_adds_paid_credits_as_a_lot_of_six_months(self, make_adjustment):
        aisha = make_professional()

        lot = make_adjustment(aisha, credit_type="paid")

        assert (lot.granted_amount, lot.remaining_amount) == (5, 5)
        assert lot.expires_at == datetime.fromisoformat("2026-08-01T00:01Z")
        assert list(lots_of(aisha.pk)) == [lot]
        assert broken_invariants() == {}

    def test_adds_paid_credits_that_last_as_long_as_one_likes(self, make_adjustment):
        lot = make_adjustment(make_professional(), credit_type="paid", expires_at=MARCH)

        assert lot.expires_at == MARCH

    def test_takes_paid_credits_from_the_lots_a_spend_would_use(self, make_adjustment):
        aisha = make_professional(free=10)
        lasting = give_lot(aisha, 10, expires_at=AUGUST)
        fleeting = give_lot(aisha, 10, expires_at=APRIL)

        row = make_adjustment(aisha, credit_type="paid", amount=-12)

        assert sorted(row.allocations.values_list("lot", "amount")) == [
            (lasting.pk, -2),
            (fleeting.pk, -10),
        ]
        assert (row.granted_amount, row.balance_before, row.balance_after) == (0, 30, 18)
        assert broken_invariants() == {}

    @pytest.mark.parametrize("credit_type", ["free", "paid"])
    def test_takes_nothing_below_zero(self, make_adjustment, credit_type):
        aisha = make_professional(free=5, paid=5)
        books = all_tables()

        with pytest.raises(InsufficientCredits) as refused:
            make_adjustment(aisha, amount=-6, credit_type=credit_type)

        assert (refused.value.requested, refused.value.available) == (6, 5)
        assert refused.value.professional_id == aisha.pk
        assert all_tables() == books

    def test_takes_nothing_from_an_expired_lot(self, make_adjustment):
        aisha = make_professional(paid=5)

        with pytest.raises(InsufficientCredits) as refused:
            make_adjustment(aisha, amount=-1, credit_type="paid", at=JULY_15)

        assert refused.value.available == 0

    def test_counts_as_earned(self, make_adjustment):
        aisha = make_professional(free=10)

        make_adjustment(aisha, amount=-4)

        balance = CreditBalance.objects.get(professional=aisha)
        assert (balance.lifetime_earned, balance.lifetime_spent) == (6, 0)
        assert balance.last_spend_at is None

    def test_opens_the_balance_of_a_professional_it_never_touched(self, make_adjustment):
        aisha = make_user()

        make_adjustment(aisha)

        assert balance_of(aisha.pk).free == 5

    @pytest.mark.parametrize("amount", [5, -5])
    def test_again_returns_the_first_row_and_changes_nothing(self, make_adjustment, amount):
        aisha = make_professional(free=5)
        first = make_adjustment(aisha, amount=amount)
        books = all_tables()

        again = make_adjustment(aisha, amount=amount, at=MARCH)

        assert again == first
        assert all_tables() == books

    def test_again_succeeds_though_the_lot_has_expired_by_now(self, make_adjustment):
        aisha = make_professional()
        arguments = {"credit_type": "paid", "expires_at": MARCH}
        first = make_adjustment(aisha, **arguments)

        assert make_adjustment(aisha, **arguments, at=APRIL) == first

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            ({"amount": 6}, "amount"),
            ({"amount": -5, "expires_at": None}, "amount"),
            ({"credit_type": "free", "expires_at": None}, "credit_type"),
            ({"expires_at": AUGUST}, "expires_at"),
        ],
        ids=["amount", "sign", "pool", "expiry"],
    )
    def test_again_with_other_arguments_is_refused_by_name(
        self, make_adjustment, changes, argument
    ):
        aisha = make_professional()
        arguments = {"credit_type": "paid", "expires_at": APRIL}
        make_adjustment(aisha, **arguments)

        with pytest.raises(IdempotencyKeyReused) as refused:
            make_adjustment(aisha, **arguments | changes)

        assert refused.value.argument == argument

    def test_again_by_another_actor_is_refused(self, make_adjustment):
        aisha, someone_else = make_professional(), make_user()
        make_adjustment(aisha)

        with pytest.raises(IdempotencyKeyReused) as refused:
            make_adjustment(aisha, actor_id=someone_else.pk)

        assert refused.value.argument == "created_by_id"

    def test_of_paid_credits_again_need_not_say_when_they_expire(self, make_adjustment):
        aisha = make_professional()
        first = make_adjustment(aisha, amount=1, credit_type="paid")

        assert make_adjustment(aisha, amount=1, credit_type="paid") == first == lots_of(aisha.pk)[0]

    def test_under_the_key_of_another_act_is_refused(self, make_adjustment, admin):
        aisha = make_professional()
        grant_bonus(
            professional_id=aisha.pk,
            amount=5,
            at=FEBRUARY,
            idempotency_key="case-1",
            actor_id=admin.pk,
        )

        with pytest.raises(IdempotencyKeyReused, match="transaction_type bonus"):
            make_adjustment(aisha)

    def test_of_someone_unknown_is_refused(self, make_adjustment):
        with pytest.raises(UnknownProfessional):
            make_adjustment(make_professional(), professional_id=405)

    def test_by_someone_unknown_is_refused(self, make_adjustment):
        aisha = make_professional(free=5)
        books = all_tables()

        with pytest.raises(UnknownProfessional) as refused:
            make_adjustment(aisha, actor_id=405)

        assert refused.value.professional_id == 405
        assert all_tables() == books

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            pytest.param({"amount": 0}, "amount", id="nothing"),
            pytest.param({"amount": 1.0}, "amount", id="a float"),
            pytest.param({"amount": None}, "amount", id="no amount"),
            pytest.param({"amount": True}, "amount", id="a bool"),
            pytest.param({"amount": -(2**31)}, "amount", id="more than a column holds"),
            pytest.param({"reason": ""}, "reason", id="no reason"),
            pytest.param({"reason": " \n"}, "reason", id="a blank reason"),
            pytest.param({"reason": None}, "reason", id="None for a reason"),
            pytest.param({"actor_id": None}, "actor_id", id="no actor"),
            pytest.param({"at": datetime(2026, 1, 1)}, "at", id="a naive moment"),  # noqa: DTZ001
            pytest.param({"idempotency_key": ""}, "idempotency_key", id="no key"),
            pytest.param({"credit_type": "Free"}, "credit_type", id="a pool there is not"),
            pytest.param({"credit_type": None}, "credit_type", id="no pool"),
            pytest.param({"expires_at": AUGUST}, "expires_at", id="an expiry of free credits"),
            pytest.param(
                {"amount": -1, "credit_type": "paid", "expires_at": AUGUST},
                "expires_at",
                id="an expiry of what is taken",
            ),
            pytest.param(
                {"credit_type": "paid", "expires_at": FEBRUARY}, "expires_at", id="expired at once"
            ),
        ],
    )
    def test_refuses_what_can_never_be_right(self, make_adjustment, changes, argument):
        aisha = make_professional(free=5, paid=5)
        books = all_tables()

        with pytest.raises(InvalidArgument) as refused:
            make_adjustment(aisha, **changes)

        assert refused.value.argument == argument
        assert all_tables() == books

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"reason": " "}, "reason: must not be blank."),
            ({"actor_id": None}, "actor_id: must be the id of the user who answers for it."),
            ({"credit_type": "gratis"}, "credit_type: must be “free” or “paid”, not 'gratis'."),
            (
                {"amount": -1, "expires_at": AUGUST},
                "expires_at: only added credits have an expiry.",
            ),
            (
                {"expires_at": AUGUST},
                "expires_at: free credits have no expiry but the next reset.",
            ),
            (
                {"credit_type": "paid", "expires_at": FEBRUARY},
                "expires_at: must lie after the moment of the grant.",
            ),
        ],
        ids=["reason", "actor", "pool", "taken", "free", "expired"],
    )
    def test_says_what_would_be_right(self, make_adjustment, changes, sentence):
        with pytest.raises(InvalidArgument) as refused:
            make_adjustment(make_professional(free=5), **changes)

        assert str(refused.value) == sentence


class TestExtend:
    def test_moves_what_is_left_into_a_lot_that_lasts_longer(self, make_extension, admin):
        aisha = make_professional(free=7)
        lot = buy(aisha, 10)
        use(aisha, 10)

        row = make_extension(lot)

        lot.refresh_from_db()
        row.refresh_from_db()
        assert (row.transaction_type, row.credit_type, row.amount) == ("adjustment", "paid", 0)
        assert (row.granted_amount, row.remaining_amount) == (7, 7)
        assert (row.balance_before, row.balance_after) == (7, 7)
        assert (row.expires_at, row.origin, row.created_by) == (AUGUST, lot, admin)
        assert row.description == "Expiry of 7 credits extended"
        assert row.metadata == {"expired_at_before": "2026-07-15T09:00:00+00:00"}
        assert (lot.remaining_amount, lot.expires_at) == (0, JULY_15)
        assert list(lots_of(aisha.pk)) == [row]
        assert broken_invariants() == {}

    def test_keeps_the_reason_apart_from_the_ledger(self, make_extension):
        row = make_extension(buy(make_professional(), 10), reason=" A long illness. ")

        assert row.reason.text == "A long illness."

    def test_changes_no_balance(self, make_extension):
        aisha = make_professional(free=5)
        lot = buy(aisha, 10)
        before = CreditBalance.objects.values().get()

        make_extension(lot)

        assert CreditBalance.objects.values().get() == before

    def test_lets_the_credits_be_spent_and_expire_later(self, make_extension):
        aisha = make_professional()
        make_extension(buy(aisha, 10))

        at_the_old_expiry = expire_credits(as_of=JULY_15)
        spendable = spendable_at(aisha.pk, AUGUST - MOMENT).paid
        at_the_new_expiry = expire_credits(as_of=AUGUST)

        assert at_the_old_expiry.success_count == 0
        assert spendable == 10
        assert at_the_new_expiry.credits_expired == 10

    def test_can_be_done_again_to_the_extension(self, make_extension):
        aisha = make_professional()
        extension = make_extension(buy(aisha, 10))

        last = make_extension(
            extension, expires_at=AUGUST + timedelta(90), idempotency_key="case-2"
        )

        assert list(lots_of(aisha.pk)) == [last]
        assert broken_invariants() == {}

    def test_can_be_done_to_a_lot_that_a_refund_made(self, make_extension):
        aisha = make_professional(paid=10)
        spent = use(aisha, 10)
        (regranted,) = undo(spent, at=AUGUST)

        row = make_extension(regranted, at=AUGUST, expires_at=AUGUST + timedelta(90))

        assert row.granted_amount == 10

    def test_again_returns_the_first_row_and_changes_nothing(self, make_extension):
        lot = buy(make_professional(), 10)
        first = make_extension(lot)
        books = all_tables()

        again = make_extension(lot, at=MARCH)

        assert again == first
        assert all_tables() == books

    def test_again_succeeds_though_the_lot_has_expired_by_now(self, make_extension):
        lot = buy(make_professional(), 10)
        first = make_extension(lot)
        expire_credits(as_of=AUGUST)

        assert make_extension(lot, at=AUGUST) == first

    def test_again_with_another_expiry_is_refused(self, make_extension):
        lot = buy(make_professional(), 10)
        make_extension(lot)

        with pytest.raises(IdempotencyKeyReused) as refused:
            make_extension(lot, expires_at=AUGUST + MOMENT)

        assert refused.value.argument == "expires_at"

    def test_again_by_another_actor_is_refused(self, make_extension):
        lot = buy(make_professional(), 10)
        make_extension(lot)

        with pytest.raises(IdempotencyKeyReused) as refused:
            make_extension(lot, actor_id=make_user().pk)

        assert refused.value.argument == "created_by_id"

    def test_under_the_key_of_another_act_is_refused(self, make_extension):
        lot = buy(make_professional(), 10)

        with pytest.raises(IdempotencyKeyReused, match="transaction_type purchase"):
            make_extension(lot, idempotency_key=lot.idempotency_key)

    def test_of_a_single_credit_succeeds(self, make_extension):
        assert make_extension(buy(make_professional(), 1)).granted_amount == 1

    def test_again_of_another_lot_is_refused(self, make_extension):
        aisha = make_professional()
        lot, other_lot = buy(aisha, 10), buy(aisha, 10)
        make_extension(lot)

        with pytest.raises(IdempotencyKeyReused) as refused:
            make_extension(other_lot)

        assert (refused.value.first, refused.value.now) == (lot.pk, other_lot.pk)

    def test_of_a_lot_that_does_not_exist_is_refused(self, make_extension):
        lot = buy(make_professional(), 10)

        with pytest.raises(UnknownLot) as refused:
            make_extension(lot, lot_id=lot.pk + 1000)

        assert refused.value.lot_id == lot.pk + 1000

    def test_of_a_row_that_is_no_lot_is_refused(self, make_extension):
        bonus = give(make_professional(), 10)

        with pytest.raises(UnknownLot):
            make_extension(bonus)

    def test_of_an_empty_lot_is_refused(self, make_extension):
        aisha = make_professional()
        lot = buy(aisha, 10)
        use(aisha, 10)

        with pytest.raises(LotNotOpen) as refused:
            make_extension(lot)

        assert (refused.value.lot_id, refused.value.remaining) == (lot.pk, 0)
        assert refused.value.expires_at == JULY_15

    def test_of_an_extended_lot_is_refused(self, make_extension):
        lot = buy(make_professional(), 10)
        make_extension(lot)

        with pytest.raises(LotNotOpen):
            make_extension(lot, idempotency_key="case-2")

    @pytest.mark.parametrize(
        "at", [JULY_15, JULY_15 + MOMENT], ids=["at its expiry", "after its expiry"]
    )
    def test_of_an_expired_lot_is_refused(self, make_extension, at):
        lot = buy(make_professional(), 10)

        with pytest.raises(LotNotOpen) as refused:
            make_extension(lot, at=at)

        assert refused.value.remaining == 10

    def test_of_a_lot_in_its_last_moment_succeeds(self, make_extension):
        lot = buy(make_professional(), 10)

        assert make_extension(lot, at=JULY_15 - MOMENT).granted_amount == 10

    @pytest.mark.parametrize("expires_at", [JULY_15, JULY_15 - MOMENT], ids=["same", "earlier"])
    def test_to_a_moment_that_is_not_later_is_refused(self, make_extension, expires_at):
        lot = buy(make_professional(), 10)

        with pytest.raises(NotAnExtension) as refused:
            make_extension(lot, expires_at=expires_at)

        assert refused.value.lot_id == lot.pk
        assert (refused.value.expires_at, refused.value.requested) == (JULY_15, expires_at)

    def test_by_someone_unknown_is_refused(self, make_extension):
        lot = buy(make_professional(), 10)

        with pytest.raises(UnknownProfessional) as refused:
            make_extension(lot, actor_id=405)

        assert refused.value.professional_id == 405

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            pytest.param({"reason": " "}, "reason", id="a blank reason"),
            pytest.param({"actor_id": None}, "actor_id", id="no actor"),
            pytest.param(
                {"expires_at": datetime(2026, 9, 1)},  # noqa: DTZ001
                "expires_at",
                id="a naive expiry",
            ),
            pytest.param({"expires_at": None}, "expires_at", id="no expiry"),
            pytest.param({"at": None}, "at", id="no moment"),
            pytest.param({"idempotency_key": ""}, "idempotency_key", id="no key"),
        ],
    )
    def test_refuses_what_can_never_be_right(self, make_extension, changes, argument):
        lot = buy(make_professional(), 10)

        with pytest.raises(InvalidArgument) as refused:
            make_extension(lot, **changes)

        assert refused.value.argument == argument
        assert CreditTransaction.objects.count() == 1


class TestAnAdjustment:
    def test_may_be_undone_by_another(self):
        aisha = make_professional(free=5)

        correct(aisha, 3, "paid")
        correct(aisha, -3, "paid")

        assert balance_of(aisha.pk).total == 5
        assert broken_invariants() == {}

    def test_of_an_extended_lot_takes_from_the_extension(self):
        aisha = make_professional()
        extension = prolong(buy(aisha, 10), AUGUST)

        row = correct(aisha, -4, "paid", at=JULY_15)

        assert row.allocations.get().lot == extension
