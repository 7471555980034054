"""credits.jobs.reset: everyone's free credits become the monthly amount, once a period."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.exceptions import NoEligibilityRule, RunFailed, TooManyFailures
from credits.jobs.chunks import HOPELESS_AFTER, Watch
from credits.jobs.reset import NOBODY, forecast_reset, reset_monthly_credits
from credits.ledger import balance_of
from credits.models import CreditBalance, CreditTransaction, JobRun
from homezy.models import User
from tests.books import all_tables, broken_invariants
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    MARCH,
    give_lot,
    make_professional,
    make_professionals,
    make_user,
    use,
)
from tests.tampering import POISON, guards_down, mend, poison

pytestmark = pytest.mark.django_db

NEARLY_ALL = 2**63 - 2
"""Lifetime credits so near the end of the column that a reset does not fit any more."""


def free_credits_of(*professionals):
    return [balance_of(professional.pk).free for professional in professionals]


def resets():
    return CreditTransaction.objects.filter(transaction_type="monthly_reset").order_by("pk")


def amounts_by_professional():
    return dict(resets().values_list("professional_id", "amount"))


class TestResetMonthlyCredits:
    def test_sets_everyones_free_credits_up_or_down(self):
        low, high = make_professional(free=30, paid=50), make_professional(free=120)
        exact, new = make_professional(free=100), make_professional()

        run = reset_monthly_credits(as_of=MARCH)

        assert free_credits_of(low, high, exact, new) == [100] * 4
        assert amounts_by_professional() == {low.pk: 70, high.pk: -20, exact.pk: 0, new.pk: 100}
        assert (run.total_count, run.success_count, run.error_count) == (4, 4, 0)
        assert (run.credits_granted, run.credits_expired) == (170, 20)
        assert broken_invariants() == {}

    def test_records_its_run(self):
        make_professional(free=30)

        run = reset_monthly_credits(as_of=MARCH, trigger="cron")

        assert run == JobRun.objects.get()
        assert (run.job, run.status) == (JobRun.Job.RESET, JobRun.Status.SUCCEEDED)
        assert (run.period, run.as_of, run.trigger) == ("2026-03", MARCH, "cron")
        assert run.is_whole
        assert run.started_at <= run.heartbeat_at <= run.finished_at
        assert run.error_summary == ""
        assert {row.run for row in resets()} == {run}

    def test_leaves_those_alone_who_are_not_verified(self):
        pending, homeowner = make_professional(free=7, verification="pending"), make_user()

        reset_monthly_credits(as_of=MARCH)

        assert free_credits_of(pending, homeowner) == [7, 0]
        assert not CreditBalance.objects.filter(professional=homeowner).exists()

    def test_changes_nothing_a_second_time_in_the_period(self):
        aisha = make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        use(aisha, 60, at=MARCH)

        again = reset_monthly_credits(as_of=MARCH.replace(day=31))

        assert (again.status, again.total_count) == (JobRun.Status.SUCCEEDED, 0)
        assert again.chunk_count == 0
        assert free_credits_of(aisha) == [40]
        assert resets().count() == 1

    def test_does_those_who_became_eligible_since(self):
        early = make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        late = make_professional(free=5)

        run = reset_monthly_credits(as_of=MARCH)

        assert run.success_count == 1
        assert amounts_by_professional() == {early.pk: 70, late.pk: 95}

    def test_sets_them_again_in_the_next_period(self):
        aisha = make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        use(aisha, 60, at=MARCH)

        run = reset_monthly_credits(as_of=APRIL)

        assert (run.period, run.credits_granted) == ("2026-04", 60)
        assert free_credits_of(aisha) == [100]

    def test_never_goes_back_to_an_earlier_period(self):
        aisha = make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        use(aisha, 60, at=MARCH)

        run = reset_monthly_credits(as_of=MARCH, period="2026-02")

        assert run.total_count == 0
        assert free_credits_of(aisha) == [40]

    def test_does_the_period_it_is_told_at_the_moment_it_is_told(self):
        make_professional(free=30)

        run = reset_monthly_credits(as_of=APRIL, period="2026-03")

        assert (run.period, run.as_of, run.trigger) == ("2026-03", APRIL, "command")
        assert CreditBalance.objects.get().last_reset_period == "2026-03"
        assert resets().get().created_at == APRIL

    def test_sets_what_the_project_says(self, settings):
        settings.CREDITS = {**settings.CREDITS, "MONTHLY_FREE_CREDITS": 250}
        aisha = make_professional(free=30)

        reset_monthly_credits(as_of=MARCH)

        assert free_credits_of(aisha) == [250]

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 100])
    def test_does_the_same_in_chunks_of_any_size(self, size):
        known = [make_professional(free=free) for free in (0, 30, 100, 120)]
        new = make_professionals(2)
        for professional in known:
            use(professional, 1) if balance_of(professional.pk).free else None

        run = reset_monthly_credits(as_of=MARCH, chunk_size=size)

        assert (run.success_count, run.credits_granted, run.credits_expired) == (6, 372, 19)
        assert free_credits_of(*known, *new) == [100] * 6
        assert broken_invariants() == {}

    def test_takes_its_chunk_size_from_the_project(self, settings):
        settings.CREDITS = {**settings.CREDITS, "CHUNK_SIZE": 2}
        for _ in range(5):
            make_professional(free=30)

        assert reset_monthly_credits(as_of=MARCH).chunk_count == 3

    def test_tells_its_watch_what_it_found_and_how_far_it_is(self):
        for _ in range(3):
            make_professional(free=30)
        said = []
        watch = Watch(found=said.append, progress=lambda written: said.append(f"{written} written"))

        reset_monthly_credits(as_of=MARCH, chunk_size=2, watch=watch)

        assert said == [3, "2 written", "3 written"]

    def test_stops_between_chunks_when_its_watch_says_so_and_goes_on_another_time(self):
        professionals = [make_professional(free=30) for _ in range(5)]
        written = []
        watch = Watch(progress=written.append, should_stop=lambda: written == [2])

        stopped = reset_monthly_credits(as_of=MARCH, chunk_size=2, watch=watch)
        halfway = broken_invariants()
        run = reset_monthly_credits(as_of=MARCH)

        assert (stopped.status, stopped.success_count) == (JobRun.Status.INTERRUPTED, 2)
        assert halfway == {}
        assert (run.status, run.success_count) == (JobRun.Status.SUCCEEDED, 3)
        assert free_credits_of(*professionals) == [100] * 5

    def test_without_anyone_eligible_is_a_warning_not_a_quiet_success(self):
        make_professional(verification="pending")

        run = reset_monthly_credits(as_of=MARCH)

        assert (run.status, run.total_count) == (JobRun.Status.SUCCEEDED, 0)
        assert run.error_summary == NOBODY

    def test_without_anyone_left_is_no_warning(self):
        make_professional()
        reset_monthly_credits(as_of=MARCH)

        assert reset_monthly_credits(as_of=MARCH).error_summary == ""

    def test_without_a_rule_is_refused_and_leaves_no_run(self, settings):
        settings.CREDITS = {}

        with pytest.raises(NoEligibilityRule):
            reset_monthly_credits(as_of=MARCH)

        assert not JobRun.objects.exists()


class TestProfessionals:
    def test_are_the_only_ones_done(self):
        wanted, other = make_professional(free=1), make_professional(free=1)

        run = reset_monthly_credits(as_of=MARCH, professionals=[wanted.pk])

        assert free_credits_of(wanted, other) == [100, 1]
        assert not run.is_whole

    def test_are_done_though_the_ledger_never_touched_them(self):
        wanted, other = make_professional(), make_professional()

        run = reset_monthly_credits(as_of=MARCH, professionals=[wanted.pk])

        assert run.success_count == 1
        assert not CreditBalance.objects.filter(professional=other).exists()

    def test_are_left_alone_if_they_are_not_eligible_without_a_warning(self):
        pending = make_professional(free=1, verification="pending")

        run = reset_monthly_credits(as_of=MARCH, professionals=[pending.pk])

        assert (run.total_count, run.error_summary) == (0, "")
        assert free_credits_of(pending) == [1]

    def test_are_all_that_is_walked(self):
        _, wanted, _ = (make_professional(free=1) for _ in range(3))

        run = reset_monthly_credits(as_of=MARCH, professionals=[wanted.pk], chunk_size=1)

        assert run.chunk_count == 1

    def test_may_be_none_at_all(self):
        make_professional(free=1)

        assert reset_monthly_credits(as_of=MARCH, professionals=[]).total_count == 0


class TestLimit:
    def test_is_the_most_that_are_done_in_the_order_of_their_keys(self):
        professionals = [make_professional(free=1) for _ in range(5)]

        run = reset_monthly_credits(as_of=MARCH, limit=2)

        assert run.success_count == 2
        assert free_credits_of(*professionals) == [100, 100, 1, 1, 1]
        assert not run.is_whole

    def test_counts_those_who_wait_so_that_the_next_run_goes_on(self):
        professionals = [make_professional(free=1) for _ in range(5)]

        done = [reset_monthly_credits(as_of=MARCH, limit=2).success_count for _ in range(4)]

        assert done == [2, 2, 1, 0]
        assert free_credits_of(*professionals) == [100] * 5

    def test_counts_those_too_whom_the_ledger_never_touched(self):
        make_professional(free=1)
        make_professionals(3)

        run = reset_monthly_credits(as_of=MARCH, limit=2)

        assert run.success_count == 2
        assert CreditBalance.objects.count() == 2

    def test_may_be_more_than_there_are(self):
        make_professional(free=1)

        assert reset_monthly_credits(as_of=MARCH, limit=10).success_count == 1

    def test_holds_among_the_professionals_one_names(self):
        _, *wanted = [make_professional(free=1) for _ in range(4)]

        run = reset_monthly_credits(
            as_of=MARCH, limit=2, professionals=[professional.pk for professional in wanted]
        )

        assert run.success_count == 2
        assert free_credits_of(*wanted) == [100, 100, 1]


class TestForecastReset:
    @pytest.mark.parametrize(
        "arguments", [{}, {"limit": 3}, {"limit": 1, "period": "2026-04"}], ids=repr
    )
    def test_is_what_the_run_then_does(self, arguments):
        make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        for free in (30, 120, 100):
            make_professional(free=free, paid=10)
        make_professionals(2)
        before = all_tables()

        foreseen = forecast_reset(as_of=MARCH, **arguments)
        untouched = all_tables() == before
        found = []
        run = reset_monthly_credits(as_of=MARCH, **arguments, watch=Watch(found=found.append))

        assert untouched
        assert [foreseen.found] == found
        assert foreseen.tally.succeeded == run.success_count
        assert foreseen.tally.granted == run.credits_granted
        assert foreseen.tally.expired == run.credits_expired
        assert {
            change.professional_id: change.after - change.before for change in foreseen.largest
        } == dict(run.transactions.values_list("professional_id", "amount"))

    def test_is_about_the_professionals_one_names(self):
        wanted, _ = make_professional(free=1), make_professional(free=1)

        foreseen = forecast_reset(as_of=MARCH, professionals=[wanted.pk])

        assert (foreseen.found, foreseen.tally.succeeded) == (1, 1)

    def test_without_a_rule_is_refused(self, settings):
        settings.CREDITS = {}

        with pytest.raises(NoEligibilityRule):
            forecast_reset(as_of=MARCH)


@pytest.mark.usefixtures("no_counting")
class TestStatements:
    def count(self, *, professionals, size):
        """Count the statements of the run that resets so many professionals, and no others."""
        for professional in make_professionals(professionals):
            CreditBalance.objects.create(professional=professional)
        with CaptureQueriesContext(connection) as statements:
            run = reset_monthly_credits(as_of=MARCH, chunk_size=size)
        assert (run.success_count, run.chunk_count) == (professionals, -(-professionals // size))
        return len(statements)

    def test_are_as_many_for_two_hundred_as_for_ten(self):
        many = self.count(professionals=200, size=1_000)
        forget_everyone()
        few = self.count(professionals=10, size=1_000)

        assert few == many

    def test_are_a_fixed_number_and_a_fixed_number_for_each_chunk(self):
        counts = {}
        for chunks in (1, 2, 5, 9):
            counts[chunks] = self.count(professionals=3 * chunks - 1, size=3)
            forget_everyone()

        each = counts[2] - counts[1]
        assert counts[5] - counts[1] == 4 * each
        assert counts[9] - counts[1] == 8 * each


def forget_everyone():
    """Let the professionals so far be no more, as far as a job can see."""
    with guards_down():
        CreditTransaction.objects.all().delete()
    CreditBalance.objects.all().delete()
    User.objects.all().delete()


class TestAPoisonedProfessional:
    @pytest.fixture
    def professionals(self):
        return [make_professional(free=30) for _ in range(9)]

    @pytest.mark.parametrize("size", [1, 2, 4, 100])
    def test_is_listed_once_and_everyone_else_is_done(self, professionals, size):
        poisoned = professionals[4]
        poison(poisoned)

        run = reset_monthly_credits(as_of=MARCH, chunk_size=size)

        assert run.status == JobRun.Status.PARTIAL
        assert (run.total_count, run.success_count, run.error_count) == (9, 8, 1)
        assert run.credits_granted == 8 * 70
        failure = run.failures.get()
        assert failure.professional == poisoned
        assert POISON in failure.error
        assert run.error_summary.startswith("1 failed; the first with: ")
        assert POISON in run.error_summary
        assert free_credits_of(*professionals) == [100, 100, 100, 100, 30, 100, 100, 100, 100]
        assert broken_invariants() == {}

    @pytest.mark.parametrize("places", [(0, 1), (0, 8), (3, 4, 5), tuple(range(8))], ids=repr)
    def test_may_be_several(self, professionals, places):
        keys = ", ".join(str(professionals[place].pk) for place in places)
        poison(condition=f"NEW.professional_id IN ({keys})")

        run = reset_monthly_credits(as_of=MARCH)

        assert (run.success_count, run.error_count) == (9 - len(places), len(places))
        assert {failure.professional for failure in run.failures.all()} == {
            professionals[place] for place in places
        }
        assert broken_invariants() == {}

    def test_is_done_by_the_next_run_when_mended(self, professionals):
        poison(professionals[4])
        reset_monthly_credits(as_of=MARCH)
        mend()

        run = reset_monthly_credits(as_of=MARCH)

        assert (run.status, run.success_count, run.error_count) == (
            JobRun.Status.SUCCEEDED,
            1,
            0,
        )
        assert free_credits_of(*professionals) == [100] * 9

    def test_is_listed_again_while_not_mended(self, professionals):
        poison(professionals[4])
        reset_monthly_credits(as_of=MARCH)

        run = reset_monthly_credits(as_of=MARCH)

        assert (run.status, run.total_count, run.error_count) == (JobRun.Status.PARTIAL, 1, 1)

    @pytest.mark.engine("postgresql")
    def test_may_have_earned_more_than_a_column_holds(self, professionals):
        rich = professionals[4]
        CreditBalance.objects.filter(professional=rich).update(
            lifetime_earned=NEARLY_ALL, lifetime_spent=NEARLY_ALL - 30
        )

        run = reset_monthly_credits(as_of=MARCH)

        assert run.failures.get().professional == rich
        assert "bigint out of range" in run.error_summary
        assert run.success_count == 8

    @pytest.mark.engine("postgresql")
    def test_may_hold_more_paid_credits_than_a_reset_leaves_room_for(self, professionals):
        full = make_professional()
        give_lot(full, 2**31 - 1, expires_at=AUGUST)

        run = reset_monthly_credits(as_of=MARCH)

        assert [failure.professional for failure in run.failures.all()] == [full]
        assert run.success_count == 9

    def test_whose_balance_cannot_be_opened_is_listed_and_left(self, professionals):
        new, refused = make_professional(), make_professional()
        poison(refused, table="credits_creditbalance")

        run = reset_monthly_credits(as_of=MARCH)

        assert run.failures.get().professional == refused
        assert (run.success_count, run.error_count) == (10, 1)
        assert free_credits_of(new) == [100]


class TestEveryProfessionalFailing:
    def test_is_no_professionals_fault_and_fails_the_run(self):
        make_professionals(HOPELESS_AFTER + 2)
        poison()

        with pytest.raises(RunFailed) as failed:
            reset_monthly_credits(as_of=MARCH)

        run = JobRun.objects.get()
        assert isinstance(failed.value.__cause__, TooManyFailures)
        assert failed.value.__cause__.failures == HOPELESS_AFTER
        assert POISON in str(failed.value)
        assert (failed.value.job, failed.value.run_id) == (run.job, run.pk)
        assert run.status == JobRun.Status.FAILED
        assert run.error_summary.startswith(f"The first {HOPELESS_AFTER} professionals all failed")
        assert (run.success_count, run.error_count) == (0, HOPELESS_AFTER)
        assert not resets().exists()
        assert broken_invariants() == {}

    def test_is_every_one_of_those_tried_not_of_those_there_are(self):
        """A few are too few to tell: they are listed."""
        make_professionals(3)
        poison()

        run = reset_monthly_credits(as_of=MARCH)

        assert (run.status, run.error_count) == (JobRun.Status.PARTIAL, 3)

    def test_is_over_when_what_was_wrong_is_mended(self):
        make_professionals(HOPELESS_AFTER + 2)
        poison()
        with pytest.raises(RunFailed):
            reset_monthly_credits(as_of=FEBRUARY)
        mend()

        run = reset_monthly_credits(as_of=FEBRUARY)

        assert (run.status, run.success_count) == (JobRun.Status.SUCCEEDED, HOPELESS_AFTER + 2)


class TestAnErrorThatIsNoRowsFault:
    def test_fails_the_run_and_lists_nobody(self):
        make_professional(free=30)
        connection.check_constraints()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE credits_credittransaction RENAME TO mislaid")
        try:
            with pytest.raises(RunFailed, match="credits_credittransaction"):
                reset_monthly_credits(as_of=MARCH)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE mislaid RENAME TO credits_credittransaction")

        run = JobRun.objects.get()
        assert (run.status, run.error_count) == (JobRun.Status.FAILED, 0)
        assert not run.failures.exists()
        assert CreditBalance.objects.get().free_credits == 30
