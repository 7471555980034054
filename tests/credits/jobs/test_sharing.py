"""credits.jobs.sharing: one run, done by several workers."""

import os
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credits.exceptions import (
    JobPaused,
    LeaseLost,
    NoEligibilityRule,
    RunAlreadyActive,
    ShardFailed,
)
from credits.jobs import chunks
from credits.jobs.expiry import expire_credits
from credits.jobs.pausing import pause_job, resume_job
from credits.jobs.reset import NOBODY, reset_monthly_credits
from credits.jobs.running import Watch
from credits.jobs.shards import Work
from credits.jobs.sharing import ATTEMPTS, open_shared_run, stranded_shards, work_on_shard
from credits.models import (
    CreditBalance,
    CreditTransaction,
    JobFailure,
    JobPause,
    JobRun,
    JobShard,
)
from homezy.models import User, Verification
from tests.books import all_tables, broken_invariants, reset_once_each
from tests.factories import (
    APRIL,
    LEASE,
    MARCH,
    make_lot_holders,
    make_professional,
    make_professionals,
)
from tests.faults import Fault, Outage, lost_answers, passing_error
from tests.processes import Child, die, run_in_child, stop
from tests.tampering import poison
from tests.threads import Knock, Pause, at_once, in_double_quotes, threads

pytestmark = pytest.mark.django_db(transaction=True)

Status = JobShard.Status


WRITTEN = 'INTO "credits_credittransaction"'
LOCKED = "FOR NO KEY UPDATE"
"""In the statement by which a shard that has ended looks whether it was the last."""


@pytest.fixture(autouse=True)
def small_chunks(settings: Any) -> None:
    settings.CREDITS = {**settings.CREDITS, "CHUNK_SIZE": 2}


def open_reset(*, shards: int = 2) -> list[int]:
    """Open a shared reset; return the ids of its shards in the order of their keys."""
    run = open_shared_run(JobRun.Job.RESET, as_of=MARCH, shards=shards, trigger="test")
    return list(run.shards.order_by("number").values_list("pk", flat=True))


def shard(pk: int) -> JobShard:
    return JobShard.objects.get(pk=pk)


def pause(job: str) -> None:
    pause_job(job, reason="Wrong dates", actor_id=None, at=MARCH)


def stop_after(written: int) -> Watch:
    """Stop when so many ledger rows are written."""
    seen = [0]

    def note(count: int) -> None:
        seen[0] = count

    return Watch(progress=note, should_stop=lambda: seen[0] >= written)


def die_after(written: int) -> Watch:
    """Kill this process when so many ledger rows are written."""
    return Watch(progress=lambda count: die() if count >= written else None)


class TestOpenSharedRun:
    @pytest.mark.parametrize(
        ("professionals", "shards", "opened"),
        [
            pytest.param(0, 4, 1, id="nobody"),
            pytest.param(2, 4, 1, id="one chunk"),
            pytest.param(5, 4, 3, id="fewer chunks than shards"),
            pytest.param(8, 4, 4, id="as many"),
            pytest.param(9, 2, 2, id="more"),
            pytest.param(9, 1, 1, id="alone"),
        ],
    )
    def test_cuts_the_keys_in_parts(self, professionals, shards, opened):
        make_professionals(professionals)

        ids = open_reset(shards=shards)

        bounds = [(it.after, it.upto, it.cursor) for it in map(shard, ids)]
        assert len(ids) == opened
        assert (bounds[0][0], bounds[-1][1]) == ("", "")
        assert [upto for _, upto, _ in bounds[:-1]] == [after for after, _, _ in bounds[1:]]
        assert all(after == cursor for after, _, cursor in bounds)

    def test_makes_the_parts_about_as_large(self, settings):
        settings.CREDITS = {**settings.CREDITS, "CHUNK_SIZE": 4}
        make_professionals(9)

        for pk in open_reset(shards=4):
            work_on_shard(pk)

        done = JobShard.objects.order_by("number").values_list("total_count", flat=True)
        assert list(done) == [3, 3, 3]

    def test_says_what_a_run_is_about(self):
        make_professionals(4)

        open_reset()

        run = JobRun.objects.get()
        assert (run.job, run.period, run.as_of) == (JobRun.Job.RESET, "2026-03", MARCH)
        assert (run.status, run.trigger, run.is_whole) == (JobRun.Status.RUNNING, "test", True)

    @pytest.mark.parametrize("first", ["shared", "plain"])
    def test_is_refused_beside_a_run_under_way(self, first):
        make_professionals(4)
        open_reset()

        with pytest.raises(RunAlreadyActive):
            open_reset() if first == "shared" else reset_monthly_credits(as_of=MARCH)

        assert JobRun.objects.get().shards.count() == 2

    def test_is_opened_once_though_the_database_was_busy(self):
        make_professionals(4)
        fault = Fault(passing_error(), at='INTO "credits_jobshard"', times=1)

        with connection.execute_wrapper(fault):
            ids = open_reset()

        assert (fault.raised, len(ids)) == (1, 2)
        assert (JobRun.objects.count(), JobShard.objects.count()) == (1, 2)

    def test_needs_to_know_who_is_eligible(self, settings):
        settings.CREDITS = {"CHUNK_SIZE": 2}

        with pytest.raises(NoEligibilityRule):
            open_reset()

        assert not JobRun.objects.exists()


class TestSharedReset:
    def test_does_everyone_once_and_is_closed_by_the_last(self, finished):
        make_professionals(7)
        make_professional(free=130)
        first, second, third = open_reset(shards=3)

        assert work_on_shard(second) == work_on_shard(first) == Work.DONE
        assert finished == []
        assert broken_invariants() == {}
        assert work_on_shard(third) == Work.CLOSED

        run = JobRun.objects.get()
        assert (run.status, run.total_count, run.success_count) == ("succeeded", 8, 8)
        assert run.error_summary == ""
        assert (run.credits_granted, run.credits_expired, run.notices_staged) == (700, 30, 8)
        assert (finished, run.finished_at is not None) == ([run], True)
        assert run.shards.aggregate(sum=Sum("total_count"))["sum"] == 8
        assert reset_once_each()
        assert broken_invariants() == {}

    def test_is_what_one_process_would_have_done(self):
        for free in (0, 30, 100, 130, 7):
            make_professional(free=free, paid=3)
        shared = [work_on_shard(pk) for pk in open_reset(shards=3)]
        columns = ("professional", "amount", "balance_before", "balance_after", "idempotency_key")
        rows = CreditTransaction.objects.filter(transaction_type="monthly_reset")

        keys = list(rows.order_by("professional").values_list(*columns))

        assert shared[-1] == Work.CLOSED
        assert [(amount, before) for _, amount, before, *_ in keys] == [
            (100, 3),
            (70, 33),
            (0, 103),
            (-30, 133),
            (93, 10),
        ]
        assert reset_monthly_credits(as_of=MARCH).success_count == 0

    def test_has_each_shard_do_its_own_keys_alone(self):
        users = [make_professional(free=1) for _ in range(6)]
        _, second, _ = open_reset(shards=3)

        work_on_shard(second)

        rows = CreditTransaction.objects.filter(transaction_type="monthly_reset")
        assert [row.professional for row in rows.order_by("professional")] == users[2:4]
        assert shard(second).chunk_count == 1

    def test_has_its_shards_done_in_any_order(self):
        make_professionals(6)

        works = [work_on_shard(pk) for pk in reversed(open_reset(shards=3))]

        assert works == [Work.DONE, Work.DONE, Work.CLOSED]
        assert reset_once_each()

    def test_adds_to_its_own_counts_alone(self):
        make_professionals(4)
        first, _ = open_reset()
        other = open_shared_run(JobRun.Job.EXPIRY, as_of=MARCH, shards=1, trigger="test")

        work_on_shard(first)

        other.refresh_from_db()
        assert (other.success_count, other.chunk_count) == (0, 0)

    def test_takes_in_who_joins_meanwhile(self):
        make_professionals(4)
        first, second = open_reset()
        make_professionals(3)

        work_on_shard(first)
        work_on_shard(second)

        assert JobRun.objects.get().success_count == 7
        assert reset_once_each()

    def test_of_nobody_is_a_warning(self):
        (only,) = open_reset()

        assert work_on_shard(only) == Work.CLOSED

        run = JobRun.objects.get()
        assert (run.status, run.error_summary) == (JobRun.Status.SUCCEEDED, NOBODY)


class TestSharedExpiry:
    def test_writes_every_lot_off_once(self):
        make_lot_holders(5, lots=(10, 5), expires_at=MARCH)
        lasting = make_lot_holders(1, expires_at=APRIL)
        run = open_shared_run(JobRun.Job.EXPIRY, as_of=MARCH, shards=3, trigger="test")

        works = [work_on_shard(it.pk) for it in run.shards.order_by("number")]

        run.refresh_from_db()
        assert works == [Work.DONE, Work.DONE, Work.CLOSED]
        assert (run.status, run.success_count, run.credits_expired) == ("succeeded", 10, 75)
        rich = CreditBalance.objects.filter(paid_credits__gt=0)
        assert [it.professional_id for it in rich] == [lasting[0].pk]
        assert expire_credits(as_of=MARCH).success_count == 0
        assert broken_invariants() == {}

    def test_of_nothing_is_no_warning(self):
        run = open_shared_run(JobRun.Job.EXPIRY, as_of=MARCH, shards=3, trigger="test")

        assert work_on_shard(run.shards.get().pk) == Work.CLOSED

        run.refresh_from_db()
        assert (run.status, run.period, run.error_summary) == (JobRun.Status.SUCCEEDED, "", "")


class TestAShard:
    def test_delivered_twice_is_done_once(self):
        make_professionals(4)
        first, second = open_reset()
        work_on_shard(first)
        before = all_tables()

        assert work_on_shard(first) == Work.NOTHING
        assert all_tables() == before
        work_on_shard(second)
        assert work_on_shard(second) == Work.NOTHING
        assert reset_once_each()

    def test_that_is_done_is_never_stranded(self):
        make_professionals(4)
        first, second = open_reset()
        work_on_shard(first)

        assert stranded_shards(as_of=timezone.now() + 2 * LEASE) == [second]
        assert shard(first).status == Status.DONE

    def test_of_no_run_is_nothing(self):
        assert work_on_shard(999) == Work.NOTHING

    def test_goes_on_where_it_was_stopped(self):
        make_professionals(6)
        (only,) = open_reset(shards=1)

        assert work_on_shard(only, watch=stop_after(2)) == Work.RELEASED
        stopped = shard(only)
        assert (stopped.status, stopped.holder, stopped.total_count) == (Status.PENDING, "", 2)
        assert broken_invariants() == {}

        assert work_on_shard(only) == Work.CLOSED
        # Three chunks of balances and three of resets, none of them gone over twice.
        assert shard(only).chunk_count == 6
        assert reset_once_each()

    @pytest.mark.parametrize("chunks", [3, 4], ids=["left", "done"])
    def test_shows_a_sign_of_life_with_each_chunk_and_when_it_is(self, clock, chunks):
        make_professionals(4)
        clock(MARCH)
        (only,) = open_reset(shards=1)
        seen = []

        def note(written: int) -> None:
            seen.append(shard(only).heartbeat_at)
            clock(MARCH + len(seen) * LEASE)

        work_on_shard(only, watch=Watch(progress=note, should_stop=lambda: len(seen) == chunks))

        signs = [*seen, shard(only).heartbeat_at]
        assert signs == [MARCH + it * LEASE for it in range(chunks + 1)]

    @pytest.mark.parametrize("database", ["there", "gone"])
    def test_that_was_interrupted_can_be_gone_on_with_at_once(self, database):
        make_professionals(4)
        (only,) = open_reset(shards=1)
        outage = Outage()

        def interrupt(written: int) -> None:
            outage.is_on = database == "gone"
            raise KeyboardInterrupt

        with connection.execute_wrapper(outage), pytest.raises(KeyboardInterrupt):
            work_on_shard(only, watch=Watch(progress=interrupt))

        left = {"there": Status.PENDING, "gone": Status.RUNNING}
        assert shard(only).status == left[database]
        assert work_on_shard(only) == Work.CLOSED
        assert reset_once_each()

    @pytest.mark.parametrize(
        ("rows", "meanwhile"),
        [
            pytest.param(JobShard, {"holder": "other"}, id="another has it"),
            pytest.param(JobShard, {"holder": "other", "status": "done"}, id="another ended it"),
            pytest.param(JobRun, {"status": "interrupted"}, id="its run was taken over"),
        ],
    )
    @pytest.mark.parametrize("professionals", [2, 4], ids=["after its last chunk", "before it"])
    def test_that_is_lost_is_left_as_it_is(self, finished, professionals, rows, meanwhile):
        make_professionals(professionals)
        (only,) = open_reset(shards=1)
        left = []

        def lose(written: int) -> None:
            if written and not left:
                rows.objects.update(**meanwhile)
                left.append(all_tables())

        with pytest.raises(LeaseLost) as lost:
            work_on_shard(only, watch=Watch(progress=lose))

        assert lost.value.run_id == JobRun.objects.get().pk
        assert ([all_tables()], finished) == (left, [])

    @pytest.mark.parametrize("professionals", [2, 0], ids=["with a chunk to do", "with none"])
    def test_is_not_begun_in_somebodys_transaction(self, professionals):
        """What it did could be lost as a whole later."""
        make_professionals(professionals)
        (only,) = open_reset(shards=1)

        with transaction.atomic(), pytest.raises(ShardFailed, match="durable"):
            work_on_shard(only)

        assert not CreditTransaction.objects.exists()

    @pytest.mark.parametrize("number", range(1, 6))
    def test_is_done_once_though_the_answer_to_a_commit_is_lost(self, number):
        make_professionals(4)
        (only,) = open_reset(shards=1)

        with lost_answers({number}):
            work = work_on_shard(only)

        run = JobRun.objects.get()
        assert work == Work.CLOSED
        assert (run.success_count, run.chunk_count) == (4, 4)
        assert reset_once_each()
        assert broken_invariants() == {}

    def test_is_left_to_the_thread_of_this_process_that_works_on_it(self):
        make_professionals(4)
        (only,) = open_reset(shards=1)
        at_its_chunk = Pause(before=WRITTEN)

        with threads() as started:
            first = started.start(partial(work_on_shard, only), at_its_chunk)
            at_its_chunk.wait()
            assert work_on_shard(only) == Work.NOTHING
            assert stranded_shards(as_of=timezone.now()) == []
            at_its_chunk.resume()

            assert first.result() == Work.CLOSED

        assert reset_once_each()

    def test_is_claimed_by_one_of_many(self):
        make_professionals(6)
        (only,) = open_reset(shards=1)

        works = at_once(*[partial(work_on_shard, only)] * 4)

        assert sorted(works) == ["closed", "nothing", "nothing", "nothing"]
        assert (shard(only).chunk_count, JobRun.objects.get().success_count) == (6, 6)
        assert reset_once_each()

    def test_has_one_closer_when_all_end_at_once(self, finished):
        make_professionals(8)
        ids = open_reset(shards=4)

        works = at_once(*[partial(work_on_shard, pk) for pk in ids])

        assert sorted(works) == ["closed", "done", "done", "done"]
        assert [run.status for run in finished] == ["succeeded"]
        assert reset_once_each()
        assert broken_invariants() == {}

    @pytest.mark.engine("postgresql")
    def test_writes_the_runs_row_when_nothing_else_is_left_to_do(self):
        make_professionals(2)
        (only,) = open_reset(shards=1)

        with CaptureQueriesContext(connection) as queries:
            work_on_shard(only, watch=stop_after(2))

        statements = [query["sql"] for query in queries]
        counted = [i for i, sql in enumerate(statements) if 'UPDATE "credits_jobrun"' in sql]
        # Foreign keys are checked before it, and not by the COMMIT behind it.
        assert len(counted) >= 2
        for place in counted[:2]:
            assert statements[place - 1] == "SET CONSTRAINTS ALL DEFERRED"
            assert statements[place + 1] == "COMMIT"
        assert not [sql for sql in statements if "credits_jobrun" in sql and "FOR UPDATE" in sql]

    @pytest.mark.engine("postgresql")
    def test_waits_for_the_end_of_another_before_it_looks_whether_it_is_the_last(self, finished):
        users = make_professionals(4)
        first, second = open_reset()
        # So that the second has no chunk to do.
        User.objects.filter(pk__gt=users[1].pk).update(verification=Verification.UNVERIFIED)
        holds_the_run, knock = Pause(after=LOCKED), Knock()

        with threads() as started:
            earlier = started.start(partial(work_on_shard, first), holds_the_run)
            holds_the_run.wait()
            later = started.start(partial(work_on_shard, second), knock)
            knock.wait_until_blocked()
            holds_the_run.resume()
            works = [earlier.result(), later.result()]

        assert works == [Work.DONE, Work.CLOSED]
        assert [run.status for run in finished] == ["succeeded"]


class TestAPausedJob:
    def test_has_its_shards_wait_until_it_goes_on(self):
        make_professionals(2)
        (only,) = open_reset(shards=1)
        pause(JobPause.Job.RESET)

        assert work_on_shard(only) == Work.NOTHING
        assert stranded_shards(as_of=timezone.now() + 2 * LEASE) == []
        resume_job(JobPause.Job.RESET, actor_id=None, at=MARCH)

        assert work_on_shard(only) == Work.CLOSED

    def test_is_not_opened(self):
        pause(JobPause.Job.RESET)

        with pytest.raises(JobPaused):
            open_reset()

        assert not JobRun.objects.exists()

    def test_keeps_no_shard_of_the_other_job_waiting(self):
        make_professionals(2)
        (only,) = open_reset(shards=1)
        pause(JobPause.Job.EXPIRY)

        assert stranded_shards(as_of=timezone.now() + 2 * LEASE) == [only]
        assert work_on_shard(only) == Work.CLOSED

    def test_is_left_after_the_chunk_at_hand(self, monkeypatch):
        monkeypatch.setattr(chunks, "ASK_FOR_PAUSE_AFTER", 0)
        make_professionals(4)
        (only,) = open_reset(shards=1)
        watch = Watch(progress=lambda written: written and pause(JobPause.Job.RESET))

        assert work_on_shard(only, watch=watch) == Work.RELEASED

        left = shard(only)
        assert (left.status, left.holder, left.error) == (Status.PENDING, "", "")
        assert JobRun.objects.get().success_count == 2


class TestADeadWorker:
    def test_is_followed_at_once_on_its_own_host(self):
        make_professionals(6)
        (only,) = open_reset(shards=1)
        run_in_child(lambda: work_on_shard(only, watch=die_after(2)))
        left = shard(only)
        assert (left.status, left.total_count) == (Status.RUNNING, 2)
        assert broken_invariants() == {}

        assert stranded_shards(as_of=timezone.now()) == [only]
        assert work_on_shard(only) == Work.CLOSED

        assert JobRun.objects.get().success_count == 6
        assert reset_once_each()
        assert broken_invariants() == {}

    def test_is_followed_at_once_when_its_task_comes_again(self):
        make_professionals(6)
        (only,) = open_reset(shards=1)
        run_in_child(lambda: work_on_shard(only, watch=die_after(2)))

        assert work_on_shard(only) == Work.CLOSED

        assert reset_once_each()

    @pytest.mark.parametrize(
        ("age", "is_taken_back"),
        [
            pytest.param(LEASE, False, id="the lease's last moment"),
            pytest.param(LEASE + timedelta(microseconds=1), True, id="a microsecond later"),
        ],
    )
    @pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING])
    def test_elsewhere_is_waited_for_until_its_lease_ends(self, clock, status, age, is_taken_back):
        make_professionals(2)
        clock(MARCH)
        (only,) = open_reset(shards=1)
        elsewhere = {"status": status, "host": "elsewhere", "process_id": 1, "holder": "other"}
        JobShard.objects.update(**elsewhere)

        found = stranded_shards(as_of=MARCH + age)

        assert found == ([only] if is_taken_back else [])
        assert (shard(only).holder == "") is is_taken_back
        # Queued again, it is waited for again.
        assert stranded_shards(as_of=MARCH + age) == []

    def test_again_and_again_makes_the_run_fail(self):
        make_professionals(2)
        (only,) = open_reset(shards=1)
        for _ in range(ATTEMPTS):
            run_in_child(lambda: work_on_shard(only, watch=Watch(should_stop=die)))

        assert work_on_shard(only) == Work.CLOSED

        run = JobRun.objects.get()
        assert run.status == JobRun.Status.FAILED
        assert run.error_summary == (
            "Shard 1 failed: Its worker died 5 times in a row before a chunk was done."
        )
        assert reset_monthly_credits(as_of=MARCH).success_count == 2

    def test_takes_its_time_out_of_a_run_that_a_command_took_over(self, clock):
        make_professionals(4)
        clock(MARCH)
        first, second = open_reset()
        work_on_shard(first)
        clock(MARCH + LEASE + timedelta(seconds=1))

        run = reset_monthly_credits(as_of=MARCH)

        assert run.success_count == 2
        assert JobRun.objects.exclude(pk=run.pk).get().status == JobRun.Status.INTERRUPTED
        assert work_on_shard(second) == Work.NOTHING
        assert stranded_shards(as_of=timezone.now() + LEASE * 2) == []
        assert broken_invariants() == {}


class TestASharedRun:
    def test_outlives_the_process_that_opened_it(self):
        make_professionals(4)
        run_in_child(open_reset)
        assert JobRun.objects.get().process_id != os.getpid()

        with pytest.raises(RunAlreadyActive):
            reset_monthly_credits(as_of=MARCH)

    def test_lives_as_long_as_one_of_its_shards_moves(self, clock):
        make_professionals(8)
        clock(MARCH)
        _, second = open_reset()
        clock(MARCH + LEASE)
        work_on_shard(second)
        clock(MARCH + 2 * LEASE)

        with pytest.raises(RunAlreadyActive):
            reset_monthly_credits(as_of=MARCH)


class TestAFrozenWorker:
    """It sleeps between two chunks, another one goes on, and it wakes."""

    @pytest.mark.parametrize("rescue", ["another worker", "a command"])
    def test_writes_nothing_when_it_wakes(self, rescue):
        make_professionals(8)
        (only,) = open_reset(shards=1)

        def work(tell: Any) -> None:
            with pytest.raises(LeaseLost) as lost:
                work_on_shard(only, watch=Watch(progress=lambda n: stop() if n == 2 else None))
            tell(f"lost {lost.value.run_id}")

        with Child(work) as frozen:
            frozen.wait_until_stopped()
            long_ago = timezone.now() - 2 * LEASE
            JobShard.objects.update(heartbeat_at=long_ago)
            JobRun.objects.update(heartbeat_at=long_ago)
            if rescue == "another worker":
                assert stranded_shards(as_of=timezone.now()) == [only]
                assert work_on_shard(only, watch=stop_after(2)) == Work.RELEASED
            else:
                assert reset_monthly_credits(as_of=MARCH).success_count == 6
            before = all_tables()
            frozen.wake()
            assert frozen.hear() == f"lost {shard(only).run_id}"
            assert frozen.wait() == 0

        assert all_tables() == before
        assert broken_invariants() == {}


@pytest.mark.django_db
class TestPoisonedProfessionals:
    def test_are_recorded_once_and_stop_nobody(self):
        users = make_professionals(8)
        poison(condition=f"NEW.professional_id IN ({users[1].pk}, {users[6].pk})")
        first, second = open_reset()

        works = [work_on_shard(first), work_on_shard(first), work_on_shard(second)]

        run = JobRun.objects.get()
        assert works == [Work.DONE, Work.NOTHING, Work.CLOSED]
        assert (run.status, run.total_count, run.error_count) == ("partial", 8, 2)
        assert run.error_summary.startswith("2 failed; the first with: ")
        failed = JobFailure.objects.order_by("professional").values_list("professional", flat=True)
        assert list(failed) == [users[1].pk, users[6].pk]
        assert [it.error_count for it in run.shards.order_by("number")] == [1, 1]
        assert broken_invariants() == {}

    @pytest.mark.parametrize("place", [0, 1], ids=["before it stopped", "last of all"])
    def test_are_recorded_once_though_the_shard_is_begun_anew(self, place):
        users = make_professionals(6)
        poison(users[place])
        (only,) = open_reset(shards=1)

        assert work_on_shard(only, watch=stop_after(1)) == Work.RELEASED
        assert work_on_shard(only) == Work.CLOSED

        run = JobRun.objects.get()
        assert (run.success_count, run.error_count) == (5, 1)
        assert broken_invariants() == {}

    def test_of_whom_all_fail_end_the_shard(self, monkeypatch):
        monkeypatch.setattr(chunks, "HOPELESS_AFTER", 3)
        make_professionals(6)
        poison()
        (only,) = open_reset(shards=1)

        assert work_on_shard(only) == Work.CLOSED

        run = JobRun.objects.get()
        assert (run.status, run.error_count) == (JobRun.Status.FAILED, 3)
        assert run.error_summary.startswith("Shard 1 failed: The first 3 professionals all failed")
        assert broken_invariants() == {}


class TestAnError:
    def test_is_raised_and_leaves_the_rest_to_the_next_call(self):
        make_professionals(2)
        (only,) = open_reset(shards=1)

        with self._broken(), pytest.raises(ShardFailed) as failed:
            work_on_shard(only)

        left = shard(only)
        raised = failed.value
        assert (raised.run_id, raised.number, raised.error) == (left.run_id, 1, "no memory left")
        assert (left.status, left.error, left.attempts) == (Status.PENDING, "no memory left", 0)
        assert work_on_shard(only) == Work.CLOSED
        assert (shard(only).error, JobRun.objects.get().status) == ("", "succeeded")
        assert reset_once_each()

    def test_leaves_a_shard_alone_that_another_has_by_then(self):
        make_professionals(4)
        (only,) = open_reset(shards=1)

        def be_overtaken(written: int) -> None:
            JobShard.objects.update(holder="other")
            raise MemoryError

        with pytest.raises(ShardFailed):
            work_on_shard(only, watch=Watch(progress=be_overtaken))

        left = shard(only)
        assert (left.status, left.holder, left.error) == (Status.RUNNING, "other", "")

    def test_that_stays_makes_the_run_fail_when_the_others_are_done(self, finished):
        make_professionals(4)
        first, second = open_reset()

        with self._broken():
            for _ in range(ATTEMPTS):
                with pytest.raises(ShardFailed):
                    work_on_shard(first)
            assert work_on_shard(first) == Work.DONE
        assert finished == []
        assert work_on_shard(second) == Work.CLOSED

        run = JobRun.objects.get()
        assert (run.status, run.success_count) == (JobRun.Status.FAILED, 2)
        assert (finished, run.finished_at is not None) == ([run], True)
        assert run.error_summary == "Shard 1 failed: no memory left"
        assert reset_monthly_credits(as_of=MARCH).success_count == 2
        assert broken_invariants() == {}

    @staticmethod
    def _broken() -> Any:
        def fail(execute: Any, sql: str, *args: Any) -> Any:
            if WRITTEN in in_double_quotes(sql):
                raise MemoryError("no memory left")
            return execute(sql, *args)

        return connection.execute_wrapper(fail)
