"""credits.engine.expiry: the lots of one chunk written off."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.engine.expiry import Expiry, due_lots, forecast
from credits.engine.keys import KeyRange
from credits.engine.tally import Change, Tally
from credits.models import CreditAllocation, CreditBalance, CreditTransaction, JobRun
from tests.books import all_tables, at_the_gate, broken_invariants, write_statements
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JANUARY,
    JULY_15,
    MARCH,
    MOMENT,
    buy,
    give_lot,
    make_lot_holders,
    make_professional,
    make_run,
    use,
)

pytestmark = pytest.mark.django_db


def expire(within=None, *, as_of=AUGUST, run=None):
    """Write off one chunk: everything that is due, unless told otherwise."""
    run = run or make_run(job=JobRun.Job.EXPIRY, as_of=as_of)
    write_off = Expiry(due_lots(as_of=as_of, using="default"), run=run, using="default")
    tally = write_off.expire_chunk(within or KeyRange())
    run.success_count = run.total_count = tally.succeeded
    run.credits_granted, run.credits_expired = tally.granted, tally.expired
    run.save()
    return tally


def expiries():
    return list(CreditTransaction.objects.filter(transaction_type="expiry").order_by("pk"))


class TestDueLots:
    @pytest.mark.parametrize(
        ("as_of", "is_due"),
        [
            pytest.param(APRIL - MOMENT, False, id="in its last moment"),
            pytest.param(APRIL, True, id="at its expiry"),
            pytest.param(AUGUST, True, id="long after"),
        ],
    )
    def test_are_those_whose_expiry_has_come(self, as_of, is_due):
        lot = give_lot(make_professional(), 5, expires_at=APRIL)

        assert list(due_lots(as_of=as_of, using="default")) == ([lot] if is_due else [])

    def test_are_not_empty(self):
        aisha = make_professional(paid=5)
        use(aisha, 5)

        assert not due_lots(as_of=AUGUST, using="default").exists()


class TestExpireChunk:
    def test_writes_a_whole_row(self):
        aisha = make_professional(free=30)
        lot = buy(aisha, 10)
        use(aisha, 34)
        run = make_run(job=JobRun.Job.EXPIRY, as_of=AUGUST)

        tally = expire(run=run)

        (row,) = expiries()
        assert tally == Tally(succeeded=1, expired=6, notices=1)
        assert (row.professional, row.credit_type, row.amount) == (aisha, "paid", -6)
        assert (row.granted_amount, row.remaining_amount, row.expires_at) == (0, 0, None)
        assert (row.balance_before, row.balance_after) == (6, 0)
        assert (row.description, row.metadata) == ("Credits expired", {"lot": lot.pk})
        assert (row.origin, row.run, row.created_at) == (lot, run, AUGUST)
        assert (row.idempotency_key, row.created_by, row.price, row.currency) == (
            None,
            None,
            None,
            "",
        )
        assert broken_invariants() == {}

    def test_empties_the_lot_lowers_the_balance_and_says_which_lot_gave(self):
        aisha = make_professional(free=30)
        lot = buy(aisha, 10)

        expire()

        lot.refresh_from_db()
        balance = CreditBalance.objects.get()
        allocation = CreditAllocation.objects.get()
        assert lot.remaining_amount == 0
        assert (balance.free_credits, balance.paid_credits) == (30, 0)
        assert (balance.lifetime_earned, balance.lifetime_expired) == (40, 10)
        assert (allocation.lot, allocation.amount) == (lot, -10)
        assert allocation.transaction == expiries()[0]

    def test_runs_the_balance_down_over_the_lots_that_fall_together(self):
        aisha = make_professional(free=100)
        in_april = give_lot(aisha, 20, expires_at=APRIL)
        lasting = give_lot(aisha, 7, expires_at=AUGUST + MOMENT)
        in_march = give_lot(aisha, 5, expires_at=MARCH)
        in_july = give_lot(aisha, 1, expires_at=JULY_15)

        expire()

        assert [
            (row.origin, row.amount, row.balance_before, row.balance_after) for row in expiries()
        ] == [
            (in_march, -5, 133, 128),
            (in_april, -20, 128, 108),
            (in_july, -1, 108, 107),
        ]
        lasting.refresh_from_db()
        assert lasting.remaining_amount == 7
        assert broken_invariants() == {}

    def test_runs_the_balance_down_one_by_one_over_lots_that_expire_together(self):
        """Peers in a window would share one running sum."""
        aisha = make_professional(free=100)
        lots = [give_lot(aisha, size, expires_at=APRIL) for size in (4, 4, 9)]

        expire()

        assert [(row.origin, row.balance_before, row.balance_after) for row in expiries()] == [
            (lots[0], 117, 113),
            (lots[1], 113, 109),
            (lots[2], 109, 100),
        ]
        assert broken_invariants() == {}

    def test_keeps_the_running_balances_of_several_professionals_apart(self):
        aisha, omar = make_professional(free=10), make_professional(free=1000)
        # Their lots alternate, in the ledger and in time.
        for size, expires_at in ((1, JULY_15), (2, MARCH), (3, APRIL)):
            give_lot(omar, size, expires_at=expires_at)
            give_lot(aisha, size * 10, expires_at=expires_at)

        tally = expire()

        by_owner = {
            owner: [row.balance_after for row in expiries() if row.professional == owner]
            for owner in (aisha, omar)
        }
        assert by_owner == {aisha: [50, 20, 10], omar: [1004, 1001, 1000]}
        assert tally == Tally(succeeded=6, expired=66, notices=2)
        assert broken_invariants() == {}

    def test_writes_off_only_what_is_left(self):
        aisha = make_professional()
        give_lot(aisha, 10, expires_at=MARCH)
        give_lot(aisha, 10, expires_at=APRIL)
        use(aisha, 13)

        tally = expire()

        assert tally == Tally(succeeded=1, expired=7, notices=1)

    def test_changes_nothing_a_second_time(self):
        make_professional(paid=10)
        expire()

        assert expire() == Tally()
        assert len(expiries()) == 1

    def test_does_what_falls_due_later_another_time(self):
        aisha = make_professional()
        give_lot(aisha, 3, expires_at=MARCH)
        give_lot(aisha, 4, expires_at=APRIL)

        first, second = expire(as_of=MARCH), expire(as_of=APRIL)

        assert (first.expired, second.expired) == (3, 4)
        assert broken_invariants() == {}

    def test_keeps_to_the_range(self):
        first, second, third = make_lot_holders(3, expires_at=APRIL)

        tally = expire(KeyRange(first.pk, second.pk))

        assert tally.succeeded == 1
        assert expiries()[0].professional == second
        assert CreditBalance.objects.get(professional=third).paid_credits == 10
        assert broken_invariants() == {}

    def test_goes_on_in_the_next_range_of_the_same_run(self):
        run = make_run(job=JobRun.Job.EXPIRY)
        first, second = make_lot_holders(2, lots=(3, 4), expires_at=APRIL)

        one = expire(KeyRange(None, first.pk), run=run)
        other = expire(KeyRange(first.pk, second.pk), run=run)

        assert one == other == Tally(succeeded=2, expired=7, notices=1)
        assert set(CreditBalance.objects.values_list("paid_credits", flat=True)) == {0}

    def test_does_nothing_where_nothing_is_due(self):
        make_professional(paid=10)
        run = make_run(job=JobRun.Job.EXPIRY)
        before = all_tables()

        tally = expire(as_of=FEBRUARY, run=run)

        assert tally == Tally()
        assert all_tables() == before

    @pytest.mark.parametrize("count", [1, 30])
    def test_takes_a_number_of_statements_that_does_not_grow(self, count):
        make_lot_holders(count, lots=(3, 4), expires_at=APRIL)
        write_off = Expiry(
            due_lots(as_of=AUGUST, using="default"),
            run=make_run(job=JobRun.Job.EXPIRY, as_of=AUGUST),
            using="default",
        )

        with CaptureQueriesContext(connection) as statements:
            write_off.expire_chunk(KeyRange())

        assert len(write_statements(statements.captured_queries)) == 5
        assert len(statements) <= 8 + at_the_gate()


class TestForecast:
    def foresee(self, as_of=AUGUST):
        return forecast(due_lots(as_of=as_of, using="default"))

    def test_counts_lots_and_credits(self):
        make_lot_holders(3, lots=(4, 5), expires_at=APRIL)
        make_lot_holders(2, lots=(1,), expires_at=AUGUST + MOMENT)

        foreseen = self.foresee()

        assert (foreseen.found, foreseen.tally) == (6, Tally(succeeded=6, expired=27))

    def test_names_the_ten_largest_changes_one_for_each_professional(self):
        for size in range(1, 13):
            aisha = make_professional(free=100, paid=size)
        buy(aisha, 30)

        largest = self.foresee().largest

        assert [change.before - change.after for change in largest] == [
            42,
            *range(11, 2, -1),
        ]
        assert largest[0] == Change(aisha.pk, 142, 100)

    def test_is_empty_where_nothing_is_due(self):
        make_professional(paid=5)

        foreseen = self.foresee(JANUARY)

        assert (foreseen.found, foreseen.tally, foreseen.largest) == (0, Tally(), ())

    def test_writes_nothing(self, django_assert_num_queries):
        make_lot_holders(3, lots=(4, 5), expires_at=APRIL)

        with django_assert_num_queries(2) as statements:
            self.foresee()

        assert write_statements(statements.captured_queries) == []
