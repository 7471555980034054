"""credits.engine.reset: the monthly reset of one chunk."""

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from credits.engine.keys import KeyRange
from credits.engine.reset import (
    KEY_PREFIX,
    MonthlyReset,
    Standing,
    forecast,
    open_balances,
    standing,
    without_balance,
)
from credits.engine.tally import Change, Tally
from credits.models import CreditBalance, CreditTransaction
from homezy.eligibility import verified_professionals
from homezy.models import User
from tests.books import at_the_gate, broken_invariants, write_statements
from tests.factories import (
    APRIL,
    FEBRUARY,
    MARCH,
    buy,
    make_professional,
    make_professionals,
    make_run,
    make_user,
    use,
)

pytestmark = pytest.mark.django_db


def reset(within=None, *, run=None, period="2026-03", as_of=MARCH, eligible=None, amount=100):
    """Reset one chunk; everyone who is verified, unless told otherwise."""
    run = run or make_run(period=period, as_of=as_of)
    monthly = MonthlyReset(
        verified_professionals() if eligible is None else eligible,
        run=run,
        free_credits=amount,
        using="default",
    )
    tally = monthly.reset_chunk(within or KeyRange())
    run.success_count = run.total_count = tally.succeeded
    run.credits_granted, run.credits_expired = tally.granted, tally.expired
    run.save()
    return tally


def resets_of(professional):
    return list(
        CreditTransaction.objects.filter(
            professional=professional, transaction_type="monthly_reset"
        ).order_by("pk")
    )


class TestOpenBalances:
    def test_gives_an_empty_balance_to_those_who_have_none(self):
        new, known = make_professional(), make_professional(free=5)

        count = open_balances(verified_professionals(), KeyRange(), using="default")

        assert count == 1
        assert CreditBalance.objects.get(professional=new).total == 0
        assert CreditBalance.objects.get(professional=known).total == 5
        assert broken_invariants() == {}

    def test_keeps_to_the_range(self):
        first, second, third = make_professionals(3)

        open_balances(verified_professionals(), KeyRange(first.pk, second.pk), using="default")

        assert CreditBalance.objects.get().professional == second
        assert list(without_balance(verified_professionals()).order_by("pk")) == [first, third]

    def test_opens_none_for_those_who_are_not_eligible(self):
        make_user()

        assert open_balances(verified_professionals(), KeyRange(), using="default") == 0

    def test_may_be_done_again(self):
        make_professionals(2)
        open_balances(verified_professionals(), KeyRange(), using="default")

        assert open_balances(verified_professionals(), KeyRange(), using="default") == 0


class TestResetChunk:
    @pytest.mark.parametrize(
        ("free", "granted", "expired"),
        [
            pytest.param(30, 70, 0, id="30 becomes 100"),
            pytest.param(120, 0, 20, id="120 becomes 100"),
            pytest.param(100, 0, 0, id="100 stays 100"),
            pytest.param(99, 1, 0, id="99 becomes 100"),
            pytest.param(101, 0, 1, id="101 becomes 100"),
        ],
    )
    def test_sets_the_free_credits_up_or_down(self, free, granted, expired):
        aisha = make_professional(free=free, paid=50)

        tally = reset()

        balance = CreditBalance.objects.get()
        assert (balance.free_credits, balance.paid_credits) == (100, 50)
        assert (balance.lifetime_earned, balance.lifetime_expired) == (
            free + 50 + granted,
            expired,
        )
        assert tally == Tally(
            succeeded=1, granted=granted, expired=expired, notices=int(granted != expired)
        )
        assert [row.amount for row in resets_of(aisha)] == [100 - free]
        assert broken_invariants() == {}

    def test_marks_the_balance(self):
        make_professional(free=30)
        run = make_run(period="2026-03", as_of=MARCH)

        reset(run=run)

        balance = CreditBalance.objects.get()
        assert (balance.last_reset_period, balance.last_reset_date) == ("2026-03", MARCH)
        assert balance.free_before_reset == 30
        assert balance.claimed_by == run
        assert (balance.last_purchase_at, balance.last_spend_at) == (None, None)

    def test_writes_a_whole_row(self):
        aisha = make_professional(free=30, paid=50)
        run = make_run(period="2026-03", as_of=MARCH)

        reset(run=run)

        (row,) = resets_of(aisha)
        assert (row.credit_type, row.amount) == ("free", 70)
        assert (row.granted_amount, row.remaining_amount, row.expires_at) == (0, 0, None)
        assert (row.balance_before, row.balance_after) == (80, 150)
        assert row.description == "Monthly free credits reset to 100"
        assert row.metadata == {"previous_free_credits": 30}
        assert row.idempotency_key == f"{KEY_PREFIX}2026-03:{aisha.pk}"
        assert (row.run, row.created_at) == (run, MARCH)
        assert (row.price, row.currency, row.origin, row.created_by) == (None, "", None, None)

    def test_leaves_paid_lots_alone(self):
        aisha = make_professional(free=120)
        lot = buy(aisha, 50)

        reset()

        lot.refresh_from_db()
        assert lot.remaining_amount == 50

    def test_lets_the_new_month_be_spent(self):
        aisha = make_professional(paid=50)
        reset()

        use(aisha, 120, at=MARCH)

        assert CreditBalance.objects.get().total == 30
        assert broken_invariants() == {}

    def test_changes_nothing_a_second_time(self):
        aisha = make_professional(free=30)
        reset()
        use(aisha, 40, at=MARCH)
        before = CreditBalance.objects.values().get()

        tally = reset()

        assert tally == Tally()
        assert CreditBalance.objects.values().get() == before
        assert len(resets_of(aisha)) == 1

    def test_sets_them_again_in_the_next_period(self):
        aisha = make_professional(free=30)
        reset()
        use(aisha, 40, at=MARCH)

        tally = reset(period="2026-04", as_of=APRIL)

        assert tally == Tally(succeeded=1, granted=40, notices=1)
        assert [row.amount for row in resets_of(aisha)] == [70, 40]

    def test_never_goes_back_to_an_earlier_period(self):
        make_professional(free=30)
        reset()

        assert reset(period="2026-02", as_of=FEBRUARY) == Tally()

    def test_goes_on_from_one_year_to_the_next(self):
        make_professional(free=30)
        reset(period="2026-12")

        assert reset(period="2027-01").succeeded == 1

    @pytest.mark.parametrize("amount", [0, 1, 250])
    def test_sets_what_the_project_says(self, amount):
        aisha = make_professional(free=30)

        reset(amount=amount)

        assert CreditBalance.objects.get().free_credits == amount
        assert resets_of(aisha)[0].description == f"Monthly free credits reset to {amount}"
        assert broken_invariants() == {}

    def test_keeps_to_the_range(self):
        first, second, third = (make_professional(free=1) for _ in range(3))

        tally = reset(KeyRange(first.pk, second.pk))

        assert tally == Tally(succeeded=1, granted=99, notices=1)
        assert [len(resets_of(who)) for who in (first, second, third)] == [0, 1, 0]

    def test_records_what_an_earlier_chunk_of_its_run_claimed_no_second_time(self):
        first, second, third = (make_professional(free=1) for _ in range(3))
        run = make_run(period="2026-03", as_of=MARCH)

        reset(KeyRange(None, first.pk), run=run)
        tally = reset(KeyRange(first.pk, None), run=run)

        assert tally == Tally(succeeded=2, granted=198, notices=2)
        assert [len(resets_of(who)) for who in (first, second, third)] == [1, 1, 1]

    def test_leaves_those_alone_who_are_not_eligible(self):
        unverified = make_professional(free=1, verification="pending")
        gone = make_professional(free=1, is_active=False)
        homeowner = make_professional(free=1, role="homeowner")

        assert reset() == Tally()
        assert [resets_of(who) for who in (unverified, gone, homeowner)] == [[], [], []]

    def test_leaves_those_alone_who_have_no_balance(self):
        make_professional()

        assert reset() == Tally()

    def test_asks_who_is_eligible_once(self):
        """Asked again in a later statement the question might have another answer."""
        make_professional(free=30)
        make_professional(free=30)

        with CaptureQueriesContext(connection) as statements:
            reset()

        asking = [q["sql"] for q in statements.captured_queries if "verification" in q["sql"]]
        assert len(asking) == 1
        assert asking[0].startswith("UPDATE")

    def test_takes_any_queryset_of_users(self):
        aisha = make_professional(free=30)
        make_professional(free=30)
        eligible = User.objects.filter(email=aisha.email).order_by("email")

        assert reset(eligible=eligible).succeeded == 1

    @pytest.mark.parametrize("count", [1, 30])
    def test_writes_three_statements_however_many_it_resets(self, count):
        for _ in range(count):
            make_professional(free=30)
        monthly = MonthlyReset(
            verified_professionals(),
            run=make_run(period="2026-03", as_of=MARCH),
            free_credits=100,
            using="default",
        )

        with CaptureQueriesContext(connection) as statements:
            monthly.reset_chunk(KeyRange())

        assert len(write_statements(statements.captured_queries)) == 3
        assert len(statements) == 4 + at_the_gate()


class TestStanding:
    @pytest.mark.parametrize(
        "shaped",
        [
            pytest.param(lambda users: users, id="plain"),
            pytest.param(lambda users: users.distinct().order_by("email"), id="distinct"),
            pytest.param(
                lambda users: users.annotate(rows=Count("credit_transactions")).filter(rows__gte=0),
                id="grouped",
            ),
            pytest.param(
                lambda users: users.exclude(credit_balance__free_credits=7), id="joined already"
            ),
        ],
    )
    def test_counts_the_eligible_of_any_queryset(self, shaped):
        make_professional(free=30)
        reset()
        make_professional(free=30, paid=10)
        make_professional()
        make_user()

        found = standing(shaped(verified_professionals()), period="2026-03")

        assert found == Standing(found=3, opened=2, done=1)


class TestForecast:
    def foresee(self, **arguments):
        arguments = {"period": "2026-03", "free_credits": 100, "using": "default"} | arguments
        return forecast(verified_professionals(), **arguments)

    def test_counts_the_found_and_those_who_wait(self):
        make_professional(free=30)
        make_professional(free=120)
        reset()
        make_professional(free=10)
        make_professional(free=150, paid=40)
        make_professional()

        foreseen = self.foresee()

        assert foreseen.found == 5
        assert foreseen.tally == Tally(succeeded=3, granted=190, expired=50)

    def test_names_the_ten_largest_changes_largest_first(self):
        amounts = [100, 99, 130, 20, 0, 95, 105, 180, 60, 40, 101, 250]
        who = {amount: make_professional(free=amount) for amount in amounts}

        largest = self.foresee().largest

        assert [change.before for change in largest] == [250, 0, 20, 180, 40, 60, 130, 95, 105, 99]
        assert [change.professional_id for change in largest] == [
            who[change.before].pk for change in largest
        ]
        assert {change.after for change in largest} == {100}

    def test_puts_those_without_a_balance_among_them(self):
        known, new = make_professional(free=300), make_professional()

        assert self.foresee().largest == (
            Change(known.pk, 300, 100),
            Change(new.pk, 0, 100),
        )

    def test_speaks_of_free_credits_as_a_run_does_of_balances(self):
        """A dry run and ``-v 2`` of the real one must show the same numbers."""
        aisha = make_professional(free=30, paid=50)

        (foreseen,) = self.foresee().largest
        reset()

        (row,) = resets_of(aisha)
        assert (foreseen.before, foreseen.after) == (row.balance_before, row.balance_after)

    def test_is_empty_where_all_is_done(self):
        make_professional(free=30)
        reset()

        assert (self.foresee().tally, self.foresee().largest) == (Tally(), ())

    def test_writes_nothing(self):
        make_professional(free=30)

        with CaptureQueriesContext(connection) as statements:
            self.foresee()

        assert write_statements(statements.captured_queries) == []

    @pytest.mark.parametrize("count", [1, 30])
    def test_asks_a_number_of_questions_that_does_not_grow(self, django_assert_num_queries, count):
        for _ in range(count):
            make_professional(free=30)

        with django_assert_num_queries(5):
            self.foresee()
