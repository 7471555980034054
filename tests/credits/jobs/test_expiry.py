"""credits.jobs.expiry: what is left in expired lots is written off."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.exceptions import RunFailed, TooManyFailures
from credits.jobs.chunks import HOPELESS_AFTER, Watch
from credits.jobs.expiry import expire_credits, forecast_expiry
from credits.ledger import balance_of, lots_of
from credits.models import CreditBalance, CreditTransaction, JobRun
from tests.books import all_tables, broken_invariants
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JULY_15,
    MARCH,
    MOMENT,
    buy,
    give_lot,
    make_lot_holders,
    make_professional,
    use,
)
from tests.tampering import POISON, mend, poison

pytestmark = pytest.mark.django_db


def paid_credits_of(*professionals):
    return [balance_of(professional.pk).paid for professional in professionals]


def expiries():
    return CreditTransaction.objects.filter(transaction_type="expiry").order_by("pk")


class TestExpireCredits:
    def test_writes_off_what_is_left_in_expired_lots(self):
        aisha, omar = make_professional(free=100), make_professional()
        give_lot(aisha, 10, expires_at=MARCH)
        give_lot(aisha, 10, expires_at=APRIL)
        lasting = buy(aisha, 10)
        buy(omar, 20)
        use(omar, 5)
        use(aisha, 103)

        run = expire_credits(as_of=APRIL)

        assert [row.amount for row in expiries()] == [-7, -10]
        assert list(lots_of(aisha.pk)) == [lasting]
        assert paid_credits_of(aisha, omar) == [10, 15]
        assert (run.total_count, run.success_count, run.error_count) == (2, 2, 0)
        assert run.trigger == "command"
        assert (run.credits_granted, run.credits_expired) == (0, 17)
        assert broken_invariants() == {}

    def test_records_its_run(self):
        make_professional(paid=10)

        run = expire_credits(as_of=AUGUST, trigger="cron")

        assert run == JobRun.objects.get()
        assert (run.job, run.status) == (JobRun.Job.EXPIRY, JobRun.Status.SUCCEEDED)
        assert (run.period, run.as_of, run.trigger) == ("", AUGUST, "cron")
        assert run.is_whole
        assert run.started_at <= run.heartbeat_at <= run.finished_at
        assert {row.run for row in expiries()} == {run}

    @pytest.mark.parametrize(
        ("as_of", "written_off"),
        [
            pytest.param(JULY_15 - MOMENT, 0, id="in the last moment of a lot"),
            pytest.param(JULY_15, 1, id="when it expires"),
            pytest.param(JULY_15 + MOMENT, 1, id="a moment later"),
        ],
    )
    def test_lets_a_lot_last_to_its_last_moment(self, as_of, written_off):
        make_professional(paid=10)

        assert expire_credits(as_of=as_of).success_count == written_off

    def test_leaves_free_credits_alone(self):
        aisha = make_professional(free=100, paid=10)

        expire_credits(as_of=AUGUST)

        assert balance_of(aisha.pk).free == 100

    def test_does_those_too_who_are_no_longer_verified(self):
        gone = make_professional(paid=10, verification="rejected", is_active=False)

        expire_credits(as_of=AUGUST)

        assert paid_credits_of(gone) == [0]

    def test_changes_nothing_a_second_time(self):
        make_professional(paid=10)
        expire_credits(as_of=AUGUST)

        again = expire_credits(as_of=AUGUST)

        assert (again.status, again.total_count) == (JobRun.Status.SUCCEEDED, 0)
        assert expiries().count() == 1

    def test_makes_good_the_days_it_missed(self):
        aisha = make_professional()
        for expires_at in (FEBRUARY, MARCH, APRIL, JULY_15):
            give_lot(aisha, 5, expires_at=expires_at)

        run = expire_credits(as_of=AUGUST)

        assert run.success_count == 4
        assert [row.balance_after for row in expiries()] == [15, 10, 5, 0]
        assert broken_invariants() == {}

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100])
    def test_does_the_same_in_chunks_of_any_size(self, size):
        holders = make_lot_holders(3, lots=(3, 4), expires_at=APRIL)
        (rich,) = make_lot_holders(1, lots=(1, 2, 3, 4, 5), expires_at=APRIL)

        run = expire_credits(as_of=APRIL, chunk_size=size)

        assert (run.success_count, run.credits_expired) == (11, 36)
        assert paid_credits_of(*holders, rich) == [0] * 4
        assert broken_invariants() == {}

    def test_takes_its_chunk_size_from_the_project(self, settings):
        settings.CREDITS = {**settings.CREDITS, "CHUNK_SIZE": 2}
        make_lot_holders(5, expires_at=APRIL)

        assert expire_credits(as_of=APRIL).chunk_count == 3

    def test_tells_its_watch_what_it_found_and_how_far_it_is(self):
        make_lot_holders(3, lots=(1, 2), expires_at=APRIL)
        said = []
        watch = Watch(found=said.append, progress=lambda written: said.append(f"{written} written"))

        expire_credits(as_of=APRIL, chunk_size=4, watch=watch)

        assert said == [6, "4 written", "6 written"]

    def test_stops_between_chunks_when_its_watch_says_so_and_goes_on_another_time(self):
        holders = make_lot_holders(5, expires_at=APRIL)
        written = []
        watch = Watch(progress=written.append, should_stop=lambda: written == [2])

        stopped = expire_credits(as_of=APRIL, chunk_size=2, watch=watch)
        halfway = broken_invariants()
        run = expire_credits(as_of=APRIL)

        assert (stopped.status, stopped.success_count) == (JobRun.Status.INTERRUPTED, 2)
        assert halfway == {}
        assert (run.status, run.success_count) == (JobRun.Status.SUCCEEDED, 3)
        assert paid_credits_of(*holders) == [0] * 5


class TestProfessionals:
    def test_are_the_only_ones_done(self):
        wanted, other = make_professional(paid=5), make_professional(paid=5)

        run = expire_credits(as_of=AUGUST, professionals=[wanted.pk])

        assert paid_credits_of(wanted, other) == [0, 5]
        assert not run.is_whole

    def test_may_be_none_at_all(self):
        make_professional(paid=5)

        assert expire_credits(as_of=AUGUST, professionals=[]).total_count == 0


class TestLimit:
    def test_is_the_most_professionals_with_all_their_lots(self):
        holders = make_lot_holders(4, lots=(1, 2, 3), expires_at=APRIL)

        run = expire_credits(as_of=APRIL, limit=2)

        assert run.success_count == 6
        assert paid_credits_of(*holders) == [0, 0, 6, 6]
        assert not run.is_whole

    def test_lets_the_next_run_go_on(self):
        make_lot_holders(5, lots=(1, 2), expires_at=APRIL)

        done = [expire_credits(as_of=APRIL, limit=2).success_count for _ in range(4)]

        assert done == [4, 4, 2, 0]

    def test_holds_among_the_professionals_one_names(self):
        _, *wanted = make_lot_holders(4, expires_at=APRIL)

        expire_credits(as_of=APRIL, limit=2, professionals=[holder.pk for holder in wanted])

        assert paid_credits_of(*wanted) == [0, 0, 10]


class TestForecastExpiry:
    @pytest.mark.parametrize("arguments", [{}, {"limit": 2}, {"limit": 10}], ids=repr)
    def test_is_what_the_run_then_does(self, arguments):
        make_lot_holders(3, lots=(5, 6), expires_at=APRIL)
        aisha = make_professional(free=100, paid=10)
        use(aisha, 104)
        before = all_tables()

        foreseen = forecast_expiry(as_of=AUGUST, **arguments)
        untouched = all_tables() == before
        found = []
        run = expire_credits(as_of=AUGUST, **arguments, watch=Watch(found=found.append))

        assert untouched
        assert [foreseen.found] == found
        assert (foreseen.tally.succeeded, foreseen.tally.expired) == (
            run.success_count,
            run.credits_expired,
        )
        rows = run.transactions.order_by("pk")
        for change in foreseen.largest:
            own = [row for row in rows if row.professional_id == change.professional_id]
            assert (own[0].balance_before, own[-1].balance_after) == (change.before, change.after)
        assert {change.professional_id for change in foreseen.largest} == {
            row.professional_id for row in rows
        }

    def test_is_about_the_professionals_one_names(self):
        wanted, _ = make_professional(paid=5), make_professional(paid=5)

        foreseen = forecast_expiry(as_of=AUGUST, professionals=[wanted.pk])

        assert (foreseen.found, foreseen.tally.expired) == (1, 5)


@pytest.mark.usefixtures("no_counting")
class TestStatements:
    def count(self, *, holders, size, lots=(3, 4)):
        """Count the statements of the run that writes off the lots of so many professionals."""
        make_lot_holders(holders, lots=lots, expires_at=APRIL)
        with CaptureQueriesContext(connection) as statements:
            run = expire_credits(as_of=APRIL, chunk_size=size)
        written = holders * len(lots)
        assert (run.success_count, run.chunk_count) == (written, -(-written // size))
        return len(statements)

    def test_are_as_many_for_two_hundred_as_for_ten(self):
        few = self.count(holders=10, size=1_000)
        many = self.count(holders=200, size=1_000)

        assert few == many

    def test_are_a_fixed_number_and_a_fixed_number_for_each_chunk(self):
        # The last chunk is never full: a full one costs a look beyond it.
        counts = {
            chunks: self.count(holders=3 * chunks - 1, size=3, lots=(5,)) for chunks in (1, 2, 5, 9)
        }

        each = counts[2] - counts[1]
        assert counts[5] - counts[1] == 4 * each
        assert counts[9] - counts[1] == 8 * each


class TestAPoisonedProfessional:
    @pytest.fixture
    def holders(self):
        return make_lot_holders(9, lots=(4, 5), expires_at=APRIL)

    @pytest.mark.parametrize("size", [1, 2, 4, 5, 100])
    def test_is_listed_once_and_everyone_else_is_done(self, holders, size):
        poisoned = holders[4]
        poison(poisoned)

        run = expire_credits(as_of=APRIL, chunk_size=size)

        assert run.status == JobRun.Status.PARTIAL
        assert (run.total_count, run.success_count, run.error_count) == (17, 16, 1)
        assert run.credits_expired == 72
        failure = run.failures.get()
        assert failure.professional == poisoned
        assert POISON in failure.error
        assert paid_credits_of(*holders) == [0, 0, 0, 0, 9, 0, 0, 0, 0]
        assert broken_invariants() == {}

    def test_is_done_by_the_next_run_when_mended(self, holders):
        poison(holders[4])
        expire_credits(as_of=APRIL)
        mend()

        run = expire_credits(as_of=APRIL)

        assert (run.status, run.success_count, run.error_count) == (
            JobRun.Status.SUCCEEDED,
            2,
            0,
        )
        assert paid_credits_of(*holders) == [0] * 9
        assert broken_invariants() == {}

    @pytest.mark.engine("postgresql")
    def test_may_have_lost_more_than_a_column_holds(self, holders):
        unlucky = holders[4]
        CreditBalance.objects.filter(professional=unlucky).update(
            lifetime_earned=2**63 - 1, lifetime_expired=2**63 - 10
        )
        CreditBalance.objects.filter(professional=unlucky).update(
            lifetime_expired=2**63 - 1, lifetime_spent=-9
        )

        run = expire_credits(as_of=APRIL)

        assert run.failures.get().professional == unlucky
        assert "bigint out of range" in run.error_summary
        assert run.success_count == 16

    def test_may_have_a_balance_that_holds_less_than_its_lots(self, holders):
        """Somebody edited a balance by hand: it would fall below zero."""
        poorer = holders[4]
        CreditBalance.objects.filter(professional=poorer).update(paid_credits=8, lifetime_earned=8)

        run = expire_credits(as_of=APRIL)

        assert run.failures.get().professional == poorer
        assert "credits_total_is_never_negative" in run.failures.get().error
        assert run.success_count == 16


class TestEveryProfessionalFailing:
    def test_is_no_professionals_fault_and_fails_the_run(self):
        make_lot_holders(HOPELESS_AFTER + 2, expires_at=APRIL)
        poison()

        with pytest.raises(RunFailed) as failed:
            expire_credits(as_of=APRIL)

        run = JobRun.objects.get()
        assert isinstance(failed.value.__cause__, TooManyFailures)
        assert (run.status, run.error_count) == (JobRun.Status.FAILED, HOPELESS_AFTER)
        assert not expiries().exists()
        assert broken_invariants() == {}
