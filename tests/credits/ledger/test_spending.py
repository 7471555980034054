"""credits.ledger.spending: the free pool, then the paid lots that expire soonest."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.exceptions import (
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidArgument,
    UnknownProfessional,
)
from credits.ledger import balance_of, lots_of, spend
from credits.models import CreditAllocation, CreditBalance
from tests.books import all_tables, broken_invariants, left_in
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JANUARY,
    JULY_15,
    MARCH,
    buy,
    give,
    give_lot,
    make_professional,
    make_user,
    use,
)
from tests.threads import in_double_quotes

pytestmark = pytest.mark.django_db


def drawn_by(rows):
    """Return which lot gave how much, in the order in which the lots were drawn on."""
    allocations = CreditAllocation.objects.filter(transaction__in=rows).order_by("pk")
    return [(allocation.lot, -allocation.amount) for allocation in allocations]


class TestSpend:
    def test_takes_the_free_pool_first(self):
        aisha = make_professional(free=100, paid=50)

        (row,) = use(aisha, 100)

        assert (row.transaction_type, row.credit_type, row.amount) == ("spend", "free", -100)
        assert (row.balance_before, row.balance_after) == (150, 50)
        assert drawn_by([row]) == []
        assert balance_of(aisha.pk).paid == 50

    def test_writes_one_row_for_each_pool_the_free_one_first(self):
        aisha = make_professional(free=100)
        lot = buy(aisha, 50)

        free, paid = use(aisha, 120)

        assert (free.credit_type, free.amount) == ("free", -100)
        assert (free.balance_before, free.balance_after) == (150, 50)
        assert (paid.credit_type, paid.amount) == ("paid", -20)
        assert (paid.balance_before, paid.balance_after) == (50, 30)
        assert free.idempotency_key == paid.idempotency_key
        assert free.pk < paid.pk
        assert drawn_by([free, paid]) == [(lot, 20)]
        assert broken_invariants() == {}

    def test_takes_paid_credits_alone_where_the_free_pool_is_empty(self):
        aisha = make_professional(paid=50)

        (row,) = use(aisha, 50)

        assert (row.credit_type, row.amount) == ("paid", -50)
        assert balance_of(aisha.pk).total == 0

    def test_takes_the_lot_that_expires_soonest_whatever_its_age(self):
        aisha = make_professional()
        lasting = give_lot(aisha, 10, at=JANUARY, expires_at=AUGUST)
        fleeting = give_lot(aisha, 10, at=FEBRUARY, expires_at=MARCH)

        rows = use(aisha, 12)

        assert drawn_by(rows) == [(fleeting, 10), (lasting, 2)]
        assert left_in(fleeting, lasting) == [0, 8]

    def test_takes_the_older_of_two_that_expire_together(self):
        aisha = make_professional()
        younger = give_lot(aisha, 10, at=FEBRUARY, expires_at=AUGUST)
        older = give_lot(aisha, 10, at=JANUARY, expires_at=AUGUST)

        rows = use(aisha, 12, at=MARCH)

        assert drawn_by(rows) == [(older, 10), (younger, 2)]

    def test_takes_the_first_of_two_that_differ_in_nothing(self):
        aisha = make_professional()
        first = give_lot(aisha, 10, expires_at=AUGUST)
        second = give_lot(aisha, 10, expires_at=AUGUST)

        rows = use(aisha, 12)

        assert drawn_by(rows) == [(first, 10), (second, 2)]

    def test_draws_on_many_lots_at_once(self):
        aisha = make_professional(free=1)
        lots = [give_lot(aisha, 2, expires_at=moment) for moment in (MARCH, APRIL, JULY_15, AUGUST)]

        use(aisha, 8)

        assert left_in(*lots) == [0, 0, 0, 1]
        assert broken_invariants() == {}

    def test_reads_no_more_lots_than_it_may_need(self):
        aisha = make_professional(free=1)
        lots = [give_lot(aisha, 1, expires_at=moment) for moment in (MARCH, APRIL, JULY_15)]

        with CaptureQueriesContext(connection) as asked:
            use(aisha, 3)

        (lots_asked,) = [
            it["sql"] for it in asked if '"expires_at" > ' in in_double_quotes(it["sql"])
        ]
        assert lots_asked.endswith("LIMIT 2")
        assert left_in(*lots) == [0, 0, 1]

    def test_can_take_the_last_credit_of_each_lot(self):
        aisha = make_professional()
        lots = [give_lot(aisha, 1, expires_at=moment) for moment in (MARCH, APRIL, JULY_15)]

        with pytest.raises(InsufficientCredits) as refused:
            use(aisha, 4)
        use(aisha, 3)

        assert refused.value.available == 3
        assert left_in(*lots) == [0, 0, 0]

    def test_leaves_other_peoples_lots_alone(self):
        aisha, omar = make_professional(paid=5), make_professional(paid=50)

        with pytest.raises(InsufficientCredits):
            use(aisha, 6)

        assert balance_of(omar.pk).paid == 50

    @pytest.mark.parametrize("late", [MARCH, APRIL], ids=["at its expiry", "after its expiry"])
    def test_never_takes_an_expired_lot_job_or_no_job(self, late):
        aisha = make_professional()
        expired = give_lot(aisha, 10, expires_at=MARCH)
        open_lot = give_lot(aisha, 5, expires_at=AUGUST)

        with pytest.raises(InsufficientCredits) as refused:
            use(aisha, 6, at=late)
        rows = use(aisha, 5, at=late)

        assert refused.value.available == 5
        assert drawn_by(rows) == [(open_lot, 5)]
        assert left_in(expired) == [10]

    def test_takes_nothing_when_credits_are_short(self):
        aisha = make_professional(free=2, paid=3)
        books = all_tables()

        with pytest.raises(InsufficientCredits) as refused:
            use(aisha, 6)

        assert refused.value.professional_id == aisha.pk
        assert (refused.value.requested, refused.value.available) == (6, 5)
        assert all_tables() == books

    def test_can_take_everything(self):
        aisha = make_professional(free=2, paid=3)

        use(aisha, 5)

        assert balance_of(aisha.pk).total == 0
        assert not lots_of(aisha.pk).exists()

    def test_of_a_professional_without_a_balance_is_short(self):
        with pytest.raises(InsufficientCredits) as refused:
            use(make_user(), 1)

        assert refused.value.available == 0

    def test_moves_the_balance(self):
        aisha = make_professional(free=10, paid=10)

        use(aisha, 15, at=MARCH)

        balance = CreditBalance.objects.get()
        assert (balance.free_credits, balance.paid_credits) == (0, 5)
        assert (balance.lifetime_earned, balance.lifetime_spent) == (20, 15)
        assert balance.last_spend_at == MARCH
        assert balance.last_purchase_at == JANUARY

    def test_keeps_what_it_was_for(self):
        aisha = make_professional(free=10, paid=10)

        rows = spend(
            professional_id=aisha.pk,
            amount=15,
            at=MARCH,
            idempotency_key="lead-1",
            description="Lead unlocked",
            metadata={"lead": 7},
        )

        for row in rows:
            row.refresh_from_db()
            assert (row.description, row.metadata) == ("Lead unlocked", {"lead": 7})
            assert (row.created_at, row.idempotency_key) == (MARCH, "lead-1")

    def test_does_not_share_a_callers_metadata(self):
        aisha = make_professional(free=10)
        metadata = {"lead": 7}

        (row,) = spend(
            professional_id=aisha.pk,
            amount=1,
            at=MARCH,
            idempotency_key="lead-1",
            metadata=metadata,
        )
        metadata["lead"] = 8

        assert row.metadata == {"lead": 7}

    def test_again_returns_the_first_rows_and_changes_nothing(self):
        aisha = make_professional(free=10, paid=10)
        first = use(aisha, 15, key="lead-1")
        books = all_tables()

        again = use(aisha, 15, at=MARCH, key="lead-1")

        assert again == first
        assert all_tables() == books

    def test_again_succeeds_though_the_balance_is_empty_by_now(self):
        aisha = make_professional(free=10)
        first = use(aisha, 10, key="lead-1")

        assert use(aisha, 10, key="lead-1") == first

    def test_again_with_another_amount_is_refused(self):
        aisha = make_professional(free=10, paid=10)
        use(aisha, 15, key="lead-1")

        with pytest.raises(IdempotencyKeyReused) as refused:
            use(aisha, 10, key="lead-1")

        assert refused.value.argument == "amount"
        assert (abs(refused.value.first), abs(refused.value.now)) == (15, 10)

    def test_again_by_another_professional_is_refused(self):
        aisha, omar = make_professional(free=10), make_professional(free=10)
        use(aisha, 5, key="lead-1")

        with pytest.raises(IdempotencyKeyReused, match="professional_id"):
            use(omar, 5, key="lead-1")

    def test_under_the_key_of_another_act_is_refused(self):
        aisha = make_professional(free=10)
        bonus = give(aisha, 5)

        with pytest.raises(IdempotencyKeyReused, match="transaction_type bonus"):
            use(aisha, 5, key=bonus.idempotency_key)

    def test_of_someone_unknown_is_refused(self):
        with pytest.raises(UnknownProfessional, match="There is no professional 405"):
            spend(professional_id=405, amount=1, at=MARCH, idempotency_key="lead-1")

    @pytest.mark.parametrize("amount", [0, -1, 1.0, "1", True, None, 2**31], ids=repr)
    def test_refuses_an_amount_that_can_never_be_right(self, amount):
        aisha = make_professional(free=10)

        with pytest.raises(InvalidArgument) as refused:
            spend(professional_id=aisha.pk, amount=amount, at=MARCH, idempotency_key="lead-1")

        assert refused.value.argument == "amount"
        assert balance_of(aisha.pk).free == 10
