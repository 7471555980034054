"""credits.ledger.balances: what the books say now, later, and at a moment past."""

from datetime import datetime

import pytest

from credits.exceptions import InvalidArgument
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import (
    Balance,
    balance_at,
    balance_of,
    expiring,
    history,
    lots_of,
    spendable_at,
)
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JANUARY,
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

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001


class TestBalance:
    def test_totals_both_pools(self):
        assert Balance(free=100, paid=50).total == 150


class TestBalanceOf:
    def test_is_what_stands_on_the_balance(self):
        aisha = make_professional(free=100, paid=50)

        assert balance_of(aisha.pk) == Balance(free=100, paid=50)

    def test_counts_expired_lots_until_they_are_written_off(self):
        aisha = make_professional(paid=50)
        before = balance_of(aisha.pk)
        expire_credits(as_of=JULY_15)

        assert (before.paid, balance_of(aisha.pk).paid) == (50, 0)

    def test_is_nothing_for_a_professional_the_ledger_never_touched(self):
        assert balance_of(make_user().pk) == Balance(0, 0)

    def test_is_nothing_for_someone_unknown(self):
        assert balance_of(405) == Balance(0, 0)

    def test_is_one_query(self, django_assert_num_queries):
        aisha = make_professional(free=100, paid=50)

        with django_assert_num_queries(1):
            balance_of(aisha.pk)


class TestSpendableAt:
    @pytest.mark.parametrize(
        ("as_of", "paid"),
        [
            pytest.param(FEBRUARY, 15, id="while both lots last"),
            pytest.param(APRIL - MOMENT, 15, id="in the last moment of one"),
            pytest.param(APRIL, 10, id="when it expires"),
            pytest.param(JULY_15, 0, id="when both have expired"),
        ],
    )
    def test_is_the_free_pool_and_the_lots_that_last(self, as_of, paid):
        aisha = make_professional(free=100, paid=10)
        give_lot(aisha, 5, expires_at=APRIL)

        assert spendable_at(aisha.pk, as_of) == Balance(free=100, paid=paid)

    def test_is_the_same_before_the_expiry_job_and_after_it(self):
        aisha = make_professional(free=3, paid=10)
        before = spendable_at(aisha.pk, JULY_15)
        expire_credits(as_of=JULY_15)

        assert before == spendable_at(aisha.pk, JULY_15) == Balance(free=3, paid=0)

    def test_leaves_other_peoples_lots_alone(self):
        make_professional(paid=10)

        assert spendable_at(make_professional().pk, FEBRUARY) == Balance(0, 0)

    def test_refuses_a_naive_moment(self):
        with pytest.raises(InvalidArgument, match="^as_of"):
            spendable_at(1, NAIVE)


class TestLotsOf:
    def test_are_open_lots_in_the_order_a_spend_would_use(self):
        aisha = make_professional(free=2)
        lasting = give_lot(aisha, 10, expires_at=AUGUST)
        younger = give_lot(aisha, 10, at=FEBRUARY, expires_at=APRIL)
        older = give_lot(aisha, 10, at=JANUARY, expires_at=APRIL)
        give_lot(aisha, 3, expires_at=MARCH)
        use(aisha, 5)

        assert list(lots_of(aisha.pk)) == [older, younger, lasting]

    def test_include_expired_lots_until_they_are_written_off(self):
        aisha = make_professional()
        lot = buy(aisha, 10)
        before = list(lots_of(aisha.pk))
        expire_credits(as_of=JULY_15)

        assert (before, list(lots_of(aisha.pk))) == ([lot], [])

    def test_are_ones_own(self):
        make_professional(paid=10)

        assert not lots_of(make_professional().pk).exists()


class TestExpiring:
    def test_are_everyones_open_lots_of_a_stretch_of_time_soonest_first(self):
        aisha, omar = make_professional(), make_professional()
        in_march = give_lot(aisha, 1, expires_at=MARCH)
        in_april = give_lot(omar, 1, expires_at=APRIL)
        in_august = give_lot(aisha, 1, expires_at=AUGUST)

        assert list(expiring(since=MARCH, until=AUGUST)) == [in_march, in_april]
        assert list(expiring(since=MARCH + MOMENT, until=AUGUST + MOMENT)) == [in_april, in_august]

    def test_are_in_the_order_of_their_keys_where_they_expire_together(self):
        last = give_lot(make_professional(), 1, expires_at=APRIL + MOMENT)
        lots = [give_lot(make_professional(), 1, expires_at=APRIL) for _ in range(3)]

        assert list(expiring(since=APRIL, until=AUGUST)) == [*lots, last]

    def test_are_not_empty(self):
        aisha = make_professional()
        give_lot(aisha, 5, expires_at=APRIL)
        use(aisha, 5)

        assert not expiring(since=MARCH, until=AUGUST).exists()

    @pytest.mark.parametrize("argument", ["since", "until"])
    def test_refuse_a_naive_moment(self, argument):
        with pytest.raises(InvalidArgument, match=f"^{argument}"):
            expiring(**{"since": MARCH, "until": APRIL, argument: NAIVE})


class TestHistory:
    def test_is_ones_own_newest_first(self):
        aisha = make_professional()
        make_professional(free=10)
        # Booked late: the order is that of the books, not of the moments.
        given = give(aisha, 5, at=MARCH)
        bought = buy(aisha, 5, at=JANUARY)

        assert list(history(aisha.pk)) == [bought, given]


class TestBalanceAt:
    def test_is_what_stood_on_the_balance_at_each_moment_of_a_life(self):
        aisha = make_professional(free=30, paid=10, at=JANUARY)
        spent = use(aisha, 35, at=FEBRUARY)
        reset_monthly_credits(as_of=MARCH)
        undo(spent, at=APRIL)
        lot = lots_of(aisha.pk).get()
        prolong(lot, AUGUST, at=APRIL)
        expire_credits(as_of=AUGUST)

        moments = [JANUARY - MOMENT, JANUARY, FEBRUARY, MARCH, APRIL, JULY_15, AUGUST]

        assert [balance_at(aisha.pk, moment) for moment in moments] == [
            Balance(0, 0),
            Balance(30, 10),
            Balance(0, 5),
            Balance(100, 5),
            Balance(130, 10),
            Balance(130, 10),
            Balance(130, 0),
        ]

    def test_now_is_the_balance(self):
        aisha = make_professional(free=30, paid=10)
        use(aisha, 35)

        assert balance_at(aisha.pk, AUGUST) == balance_of(aisha.pk)

    def test_is_nothing_for_a_professional_the_ledger_never_touched(self):
        assert balance_at(make_user().pk, MARCH) == Balance(0, 0)

    def test_refuses_a_naive_moment(self):
        with pytest.raises(InvalidArgument, match="^as_of"):
            balance_at(1, NAIVE)
