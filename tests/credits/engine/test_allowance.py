"""credits.engine.allowance: free credits of a month, for all or for each."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.engine.allowance import allowance_of, monthly_allowance, sample_allowance
from credits.exceptions import InvalidAllowance
from credits.jobs.reset import forecast_reset, reset_monthly_credits
from credits.models import CreditBalance, CreditTransaction
from tests.books import broken_invariants
from tests.factories import APRIL, MARCH, make_expert, make_professional, make_professionals

pytestmark = pytest.mark.django_db


def free_of(professional):
    return CreditBalance.objects.get(pk=professional.pk).free_credits


class TestMonthlyAllowance:
    @pytest.mark.parametrize(("name", "number"), [("forty", 40), ("naught", 0)])
    def test_is_the_number_that_a_function_returns(self, allow, name, number):
        allow(f"tests.plans.{name}")

        assert monthly_allowance() == number

    @pytest.mark.parametrize(("name", "found"), [("many", "'many'"), ("nothing", "None")])
    def test_is_nothing_else(self, allow, name, found):
        path = f"tests.plans.{name}"
        allow(path)

        with pytest.raises(InvalidAllowance, match=f"{path} returned {found}; it must return a"):
            monthly_allowance()


class TestAllowanceOf:
    def test_is_each_professionals_own(self, allow):
        expert, other = make_expert(), make_professional()
        allow("tests.plans.by_verification")

        assert (allowance_of(expert.pk), allowance_of(other.pk)) == (250, 100)

    def test_of_someone_unknown_is_nothing(self, allow):
        allow("tests.plans.by_verification")

        assert allowance_of(405) == 0

    def test_of_one_number_asks_nobody(self, django_assert_num_queries):
        expert = make_expert()

        with django_assert_num_queries(0):
            assert (allowance_of(expert.pk), sample_allowance()) == (100, 100)


class TestSampleAllowance:
    def test_is_what_somebody_gets(self, allow):
        make_expert()
        allow("tests.plans.by_verification")

        assert sample_allowance() == 250

    def test_is_a_round_number_where_nobody_is(self, allow):
        allow("tests.plans.by_verification")

        assert sample_allowance() == 100


class TestReset:
    def test_gives_each_their_own(self, allow):
        expert, other, above = make_expert(free=30), make_professional(free=30), make_expert()
        newcomer = make_expert(free=400)
        allow("tests.plans.by_verification")

        run = reset_monthly_credits(as_of=MARCH)

        assert [free_of(who) for who in (expert, other, above, newcomer)] == [250, 100, 250, 250]
        assert (run.status, run.credits_granted, run.credits_expired) == ("succeeded", 540, 150)
        rows = CreditTransaction.objects.filter(run=run).order_by("professional")
        assert [(row.amount, row.description) for row in rows] == [
            (220, "Monthly free credits reset to 250"),
            (70, "Monthly free credits reset to 100"),
            (250, "Monthly free credits reset to 250"),
            (-150, "Monthly free credits reset to 250"),
        ]
        assert broken_invariants() == {}

    @pytest.mark.parametrize(
        ("path", "amounts"),
        [("tests.plans.by_group", [250, 100]), ("tests.plans.by_count", [20, 0])],
    )
    def test_asks_other_tables(self, allow, path, amounts):
        golden, other = make_professional(free=30), make_professional()
        golden.groups.set(Group.objects.create(name=name) for name in ("gold", "early"))
        allow(path)

        foreseen = forecast_reset(as_of=MARCH).tally
        run = reset_monthly_credits(as_of=MARCH)

        assert [free_of(golden), free_of(other)] == amounts
        assert (run.credits_granted, run.credits_expired) == (foreseen.granted, foreseen.expired)
        assert (run.success_count, run.error_count) == (foreseen.succeeded, foreseen.failed)
        assert broken_invariants() == {}

    def test_does_what_was_forecast(self, allow):
        make_expert(free=30), make_professional(free=130), make_expert()
        allow("tests.plans.by_verification")

        foreseen = forecast_reset(as_of=MARCH)
        run = reset_monthly_credits(as_of=MARCH)

        tally = foreseen.tally
        assert (tally.succeeded, tally.granted, tally.expired, tally.failed) == (3, 470, 30, 0)
        assert (run.success_count, run.credits_granted, run.credits_expired) == (3, 470, 30)
        assert [(c.before, c.after) for c in foreseen.largest] == [(0, 250), (30, 250), (130, 100)]

    def test_forecast_names_those_first_who_are_given_most(self, allow):
        make_professionals(10)
        expert = make_expert()
        allow("tests.plans.by_verification")

        largest = forecast_reset(as_of=MARCH).largest

        assert len(largest) == 10
        assert (largest[0].professional_id, largest[0].after) == (expert.pk, 250)

    @pytest.mark.parametrize("new", [False, True], ids=["with a balance", "new"])
    @pytest.mark.parametrize("path", ["tests.plans.none_for_basic"])
    def test_fails_for_whom_there_is_no_amount_alone(self, allow, path, new):
        make_expert(free=30)
        forgotten = make_professional(free=0 if new else 7)
        allow(path)

        foreseen = forecast_reset(as_of=MARCH).tally
        run = reset_monthly_credits(as_of=MARCH)

        assert (run.status, run.success_count, run.error_count) == ("partial", 1, 1)
        assert run.failures.get().professional == forgotten
        assert (foreseen.succeeded, foreseen.failed) == (1, 1)
        assert broken_invariants() == {}

    @pytest.mark.parametrize("path", ["tests.plans.less_than_nothing", "tests.plans.by_chance"])
    def test_fails_rather_than_book_what_does_not_add_up(self, allow, path):
        aisha = make_professional(free=30)
        allow(path)

        run = reset_monthly_credits(as_of=MARCH)

        assert (run.status, run.error_count) == ("partial", 1)
        assert free_of(aisha) == 30
        assert broken_invariants() == {}

    def test_costs_no_statement_more(self, allow):
        make_expert(free=30)
        reset_monthly_credits(as_of=MARCH)
        with CaptureQueriesContext(connection) as of_all:
            reset_monthly_credits(as_of=APRIL)
        allow("tests.plans.by_verification")

        with CaptureQueriesContext(connection) as of_each:
            reset_monthly_credits(as_of=APRIL.replace(month=5))

        assert len(of_each) == len(of_all)

    def test_follows_a_change_in_the_middle_of_the_year(self, allow):
        aisha = make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        allow(20)

        run = reset_monthly_credits(as_of=APRIL)

        assert free_of(aisha) == 20
        assert (run.credits_granted, run.credits_expired) == (0, 80)
        rows = CreditTransaction.objects.filter(transaction_type="monthly_reset").order_by("pk")
        assert [row.description for row in rows] == [
            "Monthly free credits reset to 100",
            "Monthly free credits reset to 20",
        ]
