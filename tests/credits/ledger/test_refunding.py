"""credits.ledger.refunding: a spend's return to where it came from."""

from datetime import timedelta

import pytest

from credits.exceptions import (
    IdempotencyKeyReused,
    InvalidArgument,
    RefundExceedsSpend,
    UnknownProfessional,
    UnknownSpend,
)
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import balance_of, lots_of, refund, spendable_at
from credits.models import CreditBalance, CreditTransaction, TransactionReason
from tests.books import all_tables, broken_invariants, left_in
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JULY_15,
    MARCH,
    MOMENT,
    buy,
    give,
    give_lot,
    make_professional,
    make_user,
    prolong,
    undo,
    use,
)

pytestmark = pytest.mark.django_db

GRACE = timedelta(days=30)


def granted(rows):
    """Return amount and expiry of the lots among these rows."""
    return [(row.granted_amount, row.expires_at) for row in rows if row.granted_amount]


class TestRefund:
    def test_of_free_credits_goes_back_into_the_pool(self):
        aisha = make_professional(free=100)
        spent = use(aisha, 40)

        (row,) = undo(spent)

        row.refresh_from_db()
        assert (row.transaction_type, row.credit_type, row.amount) == ("refund", "free", 40)
        assert (row.balance_before, row.balance_after) == (60, 100)
        assert row.origin == spent[0]
        assert row.description == "Refund"
        assert balance_of(aisha.pk).free == 100
        assert broken_invariants() == {}

    def test_of_paid_credits_goes_back_into_the_lots_with_their_dates(self):
        aisha = make_professional()
        fleeting = give_lot(aisha, 10, expires_at=APRIL)
        lasting = give_lot(aisha, 10, expires_at=AUGUST)
        spent = use(aisha, 15)

        (row,) = undo(spent)

        assert (row.credit_type, row.amount, row.granted_amount) == ("paid", 15, 0)
        assert left_in(fleeting, lasting) == [10, 10]
        assert list(lots_of(aisha.pk)) == [fleeting, lasting]
        assert sorted(row.allocations.values_list("lot", "amount")) == [
            (fleeting.pk, 10),
            (lasting.pk, 5),
        ]
        assert broken_invariants() == {}

    def test_writes_one_row_for_each_pool_the_free_one_first(self):
        aisha = make_professional(free=100, paid=50)
        spent = use(aisha, 120)

        rows = undo(spent)

        assert [(row.credit_type, row.amount, row.origin) for row in rows] == [
            ("free", 100, spent[0]),
            ("paid", 20, spent[1]),
        ]
        assert (balance_of(aisha.pk).free, balance_of(aisha.pk).paid) == (100, 50)

    def test_of_a_part_gives_paid_credits_back_first(self):
        aisha = make_professional(free=100, paid=50)
        spent = use(aisha, 120)

        (first,) = undo(spent, 15)
        second = undo(spent, 15)

        assert (first.credit_type, first.amount) == ("paid", 15)
        assert [(row.credit_type, row.amount) for row in second] == [("free", 10), ("paid", 5)]

    def test_in_parts_undoes_the_last_draw_first(self):
        aisha = make_professional()
        fleeting = give_lot(aisha, 10, expires_at=APRIL)
        lasting = give_lot(aisha, 10, expires_at=AUGUST)
        spent = use(aisha, 15)

        undo(spent, 3)
        after_one_part = left_in(fleeting, lasting)
        undo(spent, 4)
        after_two_parts = left_in(fleeting, lasting)
        undo(spent)

        assert after_one_part == [0, 8]
        assert after_two_parts == [2, 10]
        assert left_in(fleeting, lasting) == [10, 10]
        assert broken_invariants() == {}

    def test_without_an_amount_is_all_that_is_left_to_refund(self):
        aisha = make_professional(free=10, paid=10)
        spent = use(aisha, 15)
        undo(spent, 4)

        rows = undo(spent)

        assert sum(row.amount for row in rows) == 11
        assert balance_of(aisha.pk).total == 20

    @pytest.mark.parametrize(
        ("earlier", "amount", "refundable"),
        [
            pytest.param(None, 16, 15, id="at once"),
            pytest.param(10, 6, 5, id="in parts"),
            pytest.param(15, 1, 0, id="of nothing"),
            pytest.param(15, None, 0, id="of all of nothing"),
        ],
    )
    def test_never_gives_back_more_than_was_spent(self, earlier, amount, refundable):
        aisha = make_professional(free=10, paid=10)
        spent = use(aisha, 15)
        if earlier:
            undo(spent, earlier)
        books = all_tables()

        with pytest.raises(RefundExceedsSpend) as refused:
            undo(spent, amount)

        assert refused.value.spend_key == spent[0].idempotency_key
        assert refused.value.refundable == refundable
        assert refused.value.requested == (amount or 0)
        assert all_tables() == books

    def test_into_the_pool_may_exceed_the_monthly_amount_until_the_next_reset(self):
        aisha = make_professional(free=100)
        spent = use(aisha, 40)
        reset_monthly_credits(as_of=MARCH)

        undo(spent, at=MARCH)
        in_march = balance_of(aisha.pk).free
        reset_monthly_credits(as_of=APRIL)

        assert in_march == 140
        assert balance_of(aisha.pk).free == 100
        assert broken_invariants() == {}

    @pytest.mark.parametrize(
        ("at", "back_in_its_lot"),
        [
            pytest.param(JULY_15 - MOMENT, True, id="a moment before the lot expires"),
            pytest.param(JULY_15, False, id="when the lot expires"),
        ],
    )
    @pytest.mark.parametrize("written_off", [False, True], ids=["before the job", "after the job"])
    def test_of_an_expired_lot_is_a_new_lot_of_thirty_days(self, at, back_in_its_lot, written_off):
        aisha = make_professional()
        lot = buy(aisha, 10)
        spent = use(aisha, 4)
        if written_off and not back_in_its_lot:
            expire_credits(as_of=JULY_15)

        rows = undo(spent, at=at)

        assert granted(rows) == ([] if back_in_its_lot else [(4, at + GRACE)])
        assert spendable_at(aisha.pk, at).paid == (10 if back_in_its_lot else 4)
        assert left_in(lot) == [10 if back_in_its_lot else 0 if written_off else 6]
        assert broken_invariants() == {}

    def test_lasts_as_long_as_the_project_says(self, settings):
        settings.CREDITS = {"REFUND_GRACE_DAYS": 7}
        aisha = make_professional(paid=10)
        spent = use(aisha, 4)

        rows = undo(spent, at=AUGUST)

        assert granted(rows) == [(4, AUGUST + timedelta(days=7))]

    def test_shares_itself_over_open_and_expired_lots(self):
        aisha = make_professional()
        expired = give_lot(aisha, 10, expires_at=APRIL)
        still_open = give_lot(aisha, 10, expires_at=AUGUST)
        spent = use(aisha, 15)

        (row,) = undo(spent, at=JULY_15)

        assert row.amount == 15
        assert granted([row]) == [(10, JULY_15 + GRACE)]
        assert left_in(expired, still_open) == [0, 10]
        assert spendable_at(aisha.pk, JULY_15).paid == 20
        assert broken_invariants() == {}

    def test_in_parts_of_an_expired_lot_adds_up(self):
        aisha = make_professional()
        give_lot(aisha, 10, expires_at=APRIL)
        give_lot(aisha, 10, expires_at=AUGUST)
        spent = use(aisha, 15)

        for _ in range(5):
            undo(spent, 3, at=JULY_15)

        assert spendable_at(aisha.pk, JULY_15).paid == 20
        assert broken_invariants() == {}
        with pytest.raises(RefundExceedsSpend):
            undo(spent, 1, at=JULY_15)

    def test_of_a_refunded_lot_of_its_own_spend_goes_back_there(self):
        aisha = make_professional(paid=10)
        spent = use(aisha, 10)
        (regranted,) = undo(spent, at=AUGUST)
        spent_again = use(aisha, 7, at=AUGUST)

        undo(spent_again, at=AUGUST)

        assert left_in(regranted) == [10]
        assert broken_invariants() == {}

    def test_of_an_extended_lot_keeps_what_the_extension_promised(self):
        aisha = make_professional()
        lot = buy(aisha, 10)
        spent = use(aisha, 4)
        prolong(lot, AUGUST + GRACE * 12)

        rows = undo(spent)

        assert granted(rows) == [(4, AUGUST + GRACE * 12)]
        assert broken_invariants() == {}

    def test_of_a_lot_extended_twice_keeps_the_last_promise(self):
        aisha = make_professional()
        lot = buy(aisha, 10)
        spent = use(aisha, 4)
        extension = prolong(lot, AUGUST)
        prolong(extension, AUGUST + GRACE * 12)

        assert granted(undo(spent)) == [(4, AUGUST + GRACE * 12)]

    def test_of_an_extension_that_has_expired_too_has_its_days_of_grace(self):
        aisha = make_professional()
        lot = buy(aisha, 10)
        spent = use(aisha, 4)
        prolong(lot, AUGUST)

        assert granted(undo(spent, at=AUGUST)) == [(4, AUGUST + GRACE)]

    def test_of_a_lot_the_job_has_written_off_leaves_that_lot_closed(self):
        """A caller's clock may be behind that of the job."""
        aisha = make_professional()
        lot = buy(aisha, 10)
        spent = use(aisha, 4)
        expire_credits(as_of=JULY_15)

        rows = undo(spent, at=JULY_15 - MOMENT)

        assert left_in(lot) == [0]
        assert granted(rows) == [(4, JULY_15 - MOMENT + GRACE)]
        assert expire_credits(as_of=AUGUST + GRACE).status == "succeeded"

    def test_moves_the_balance(self):
        aisha = make_professional(free=10, paid=10)
        spent = use(aisha, 15)

        undo(spent, 6)

        balance = CreditBalance.objects.get()
        assert (balance.free_credits, balance.paid_credits) == (1, 10)
        assert (balance.lifetime_earned, balance.lifetime_spent) == (20, 9)
        assert balance.last_spend_at == FEBRUARY

    def test_again_returns_the_first_rows_and_changes_nothing(self):
        aisha = make_professional(free=10, paid=10)
        use(aisha, 15, key="lead-1")
        first = refund(spend_key="lead-1", amount=12, at=MARCH, idempotency_key="undo-1")
        books = all_tables()

        again = refund(spend_key="lead-1", amount=12, at=APRIL, idempotency_key="undo-1")

        assert again == first
        assert len(first) == 2
        assert all_tables() == books

    def test_again_succeeds_though_nothing_is_left_to_refund(self):
        aisha = make_professional(free=10, paid=10)
        use(aisha, 15, key="lead-1")
        first = refund(spend_key="lead-1", at=MARCH, idempotency_key="undo-1")

        assert refund(spend_key="lead-1", at=APRIL, idempotency_key="undo-1") == first

    def test_again_with_another_amount_is_refused(self):
        aisha = make_professional(free=10)
        use(aisha, 10, key="lead-1")
        refund(spend_key="lead-1", amount=4, at=MARCH, idempotency_key="undo-1")

        with pytest.raises(IdempotencyKeyReused) as refused:
            refund(spend_key="lead-1", amount=5, at=MARCH, idempotency_key="undo-1")

        assert (refused.value.argument, refused.value.first, refused.value.now) == ("amount", 4, 5)

    def test_again_by_another_actor_is_refused(self):
        admin = make_user()
        spent = use(make_professional(free=10), 5)
        arguments = {"spend_key": spent[0].idempotency_key, "at": MARCH, "idempotency_key": "undo"}
        (row,) = refund(**arguments, actor_id=admin.pk)

        with pytest.raises(IdempotencyKeyReused) as refused:
            refund(**arguments, actor_id=make_user().pk)

        assert refund(**arguments, actor_id=admin.pk) == [row]
        assert row.created_by_id == admin.pk
        assert (refused.value.argument, refused.value.first) == ("created_by_id", admin.pk)

    def test_by_someone_unknown_is_refused(self):
        spent = use(make_professional(free=10), 5)

        with pytest.raises(UnknownProfessional):
            refund(
                spend_key=spent[0].idempotency_key, at=MARCH, idempotency_key="undo", actor_id=10**6
            )

    def test_need_not_say_why(self):
        undo(use(make_professional(free=10), 5))

        assert not TransactionReason.objects.exists()

    def test_again_of_another_spend_is_refused(self):
        aisha = make_professional(free=10)
        use(aisha, 5, key="lead-1")
        use(aisha, 5, key="lead-2")
        refund(spend_key="lead-1", at=MARCH, idempotency_key="undo-1")

        with pytest.raises(IdempotencyKeyReused) as refused:
            refund(spend_key="lead-2", at=MARCH, idempotency_key="undo-1")

        assert (refused.value.argument, refused.value.idempotency_key) == ("spend_key", "undo-1")
        assert (refused.value.first, refused.value.now) == ("lead-1", "lead-2")

    def test_under_the_key_of_its_spend_is_refused(self):
        aisha = make_professional(free=10)
        use(aisha, 5, key="lead-1")

        with pytest.raises(IdempotencyKeyReused, match="transaction_type spend"):
            refund(spend_key="lead-1", at=MARCH, idempotency_key="lead-1")

    @pytest.mark.parametrize("key", ["", "lead-404", "bonus", "undo"])
    def test_of_what_is_no_spend_is_refused(self, key):
        aisha = make_professional(free=10)
        bonus = give(aisha, 5)
        spent = use(aisha, 5)
        undone = undo(spent)
        keys = {"bonus": bonus.idempotency_key, "undo": undone[0].idempotency_key}
        spend_key = keys.get(key, key)

        with pytest.raises(UnknownSpend) as refused:
            refund(spend_key=spend_key, at=MARCH, idempotency_key="undo-2")

        assert refused.value.spend_key == spend_key

    @pytest.mark.parametrize(
        ("changes", "argument"),
        [
            pytest.param({"amount": 0}, "amount", id="nothing"),
            pytest.param({"amount": -3}, "amount", id="less than nothing"),
            pytest.param({"amount": True}, "amount", id="a bool"),
            pytest.param({"idempotency_key": " "}, "idempotency_key", id="a blank key"),
            pytest.param({"at": None}, "at", id="no moment"),
        ],
    )
    def test_refuses_what_can_never_be_right(self, changes, argument):
        use(make_professional(free=10), 5, key="lead-1")
        arguments = {"spend_key": "lead-1", "at": MARCH, "idempotency_key": "undo-1"}

        with pytest.raises(InvalidArgument) as refused:
            refund(**arguments | changes)

        assert refused.value.argument == argument
        assert not CreditTransaction.objects.filter(transaction_type="refund").exists()

    def test_leaves_other_peoples_credits_alone(self):
        aisha, omar = make_professional(free=10), make_professional(free=10)
        use(omar, 5)
        spent = use(aisha, 5)

        undo(spent)

        assert (balance_of(aisha.pk).free, balance_of(omar.pk).free) == (10, 5)

    def test_works_for_one_who_is_no_longer_verified(self):
        aisha = make_professional(free=10)
        spent = use(aisha, 5)
        aisha.verification = "rejected"
        aisha.save()

        undo(spent)

        assert balance_of(aisha.pk).free == 10

    def test_is_by_key_whoever_spent(self):
        make_user()
        aisha = make_professional(free=10)
        use(aisha, 5, key="lead-1")

        (row,) = refund(spend_key="lead-1", at=MARCH, idempotency_key="undo-1")

        assert row.professional == aisha
