"""credits.jobs.workers: a whole run by several threads, once and never twice."""

from functools import partial
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from credits.exceptions import JobPaused, LeaseLost, RunAlreadyActive, RunFailed, ShardFailed
from credits.jobs import chunks, running, workers
from credits.jobs.pausing import pause_job
from credits.jobs.reset import NOBODY, reset_monthly_credits
from credits.jobs.running import Watch
from credits.jobs.shards import Shard
from credits.jobs.workers import run_with_workers
from credits.models import JobPause, JobRun
from tests.books import all_tables, broken_invariants, reset_once_each
from tests.factories import (
    APRIL,
    LEASE,
    MARCH,
    make_lot_holders,
    make_professionals,
    make_run,
)
from tests.processes import die, run_in_child
from tests.tampering import mend, poison

# SQLite has one writer: there more of them stand in each other's way, and the command refuses it.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.engine("postgresql")]

Status = JobRun.Status

reset = partial(run_with_workers, JobRun.Job.RESET, as_of=MARCH, workers=2)


@pytest.fixture(autouse=True)
def small_chunks(settings: Any) -> None:
    settings.CREDITS = {**settings.CREDITS, "CHUNK_SIZE": 2}


def fail(error: BaseException) -> Any:
    """Return what fails so whatever it is asked."""

    def act(*args: Any, **kwargs: Any) -> None:
        raise error

    return act


class TestRunWithWorkers:
    @pytest.mark.parametrize("count", [2, 32])
    def test_resets_each_once(self, count):
        make_professionals(17)

        run = reset(workers=count)

        assert (run.status, run.success_count, run.trigger) == (Status.SUCCEEDED, 17, "command")
        assert run.shards.count() == {2: 6, 32: 9}[count]
        assert reset_once_each()
        assert broken_invariants() == {}

    def test_expires_each_once(self):
        make_lot_holders(9, lots=(5, 7), expires_at=APRIL)

        run = run_with_workers(JobRun.Job.EXPIRY, as_of=APRIL, workers=2, trigger="test")

        assert (run.status, run.success_count, run.credits_expired) == (Status.SUCCEEDED, 18, 108)
        assert run.trigger == "test"
        assert broken_invariants() == {}

    def test_does_nothing_when_all_is_done(self):
        make_professionals(9)
        reset()

        again = reset()

        assert (again.status, again.success_count) == (Status.SUCCEEDED, 0)
        assert reset_once_each()

    def test_says_that_there_was_nobody(self):
        assert reset().error_summary == NOBODY

    def test_resets_the_month_it_is_told(self):
        make_professionals(1)

        assert reset(period="2026-02").period == "2026-02"

    def test_tells_its_watch_what_it_found_and_how_far_all_of_them_are(self):
        make_professionals(9)
        found, written = [], []

        reset(watch=Watch(found=found.append, progress=written.append))

        assert found == [9]
        assert written == sorted(written)
        assert written[-1] == 9

    def test_ends_partial_where_one_cannot_be_reset(self):
        bad, *_ = make_professionals(9)
        poison(bad)

        run = reset()

        mend()
        assert (run.status, run.success_count, run.error_count) == (Status.PARTIAL, 8, 1)
        assert broken_invariants() == {}

    @pytest.mark.parametrize("ways", ["asked to stop", "paused"])
    def test_stops_behind_the_chunks_at_hand_and_goes_on_another_time(
        self, ways, settings, monkeypatch
    ):
        monkeypatch.setattr(chunks, "ASK_FOR_PAUSE_AFTER", 0)
        # Two to a shard: whoever stops leaves the second.
        settings.CREDITS = settings.CREDITS | {"CHUNK_SIZE": 1}
        make_professionals(16)
        written: list[int] = []

        def progress(count: int) -> None:
            if count and not any(written) and ways == "paused":
                pause_job(JobPause.Job.RESET, reason="Wrong", actor_id=None, at=MARCH)
            written.append(count)

        watch = Watch(
            progress=progress,
            should_stop=lambda: ways == "asked to stop" and any(written),
        )
        stopped = reset(watch=watch)
        halfway = broken_invariants()
        JobPause.objects.update(resumed_at=MARCH)
        run = reset()

        assert stopped.status == Status.INTERRUPTED
        assert stopped.success_count in {1, 2}
        assert halfway == {}
        assert (run.status, run.success_count) == (Status.SUCCEEDED, 16 - stopped.success_count)
        assert reset_once_each()

    @pytest.mark.parametrize(
        ("refusal", "arrange"),
        [
            pytest.param(
                RunAlreadyActive,
                lambda: make_run(status=Status.RUNNING, heartbeat_at=timezone.now()),
                id="another run",
            ),
            pytest.param(
                JobPaused,
                lambda: pause_job(JobPause.Job.RESET, reason="No", actor_id=None, at=MARCH),
                id="paused",
            ),
        ],
    )
    def test_begins_only_where_a_run_may_begin(self, refusal, arrange):
        make_professionals(3)
        arrange()
        before = all_tables()

        with pytest.raises(refusal):
            reset()

        assert all_tables() == before

    def test_fails_where_a_shard_is_given_up(self, monkeypatch):
        make_professionals(9)
        go_through, wrong = Shard.go_through, RuntimeError("No more memory")

        def sometimes(work: Shard, plan: Any) -> None:
            if work.shard.number == 2:
                raise wrong
            go_through(work, plan)

        monkeypatch.setattr(Shard, "go_through", sometimes)

        with pytest.raises(RunFailed) as failed:
            reset()

        run = JobRun.objects.get()
        assert str(failed.value) == (
            f"Run {run.pk} of reset_monthly_credits failed: Shard 2 failed: No more memory"
        )
        assert (run.status, run.success_count) == (Status.FAILED, 7)
        assert broken_invariants() == {}

    def test_fails_where_one_of_them_cannot_go_on(self, monkeypatch):
        make_professionals(9)
        monkeypatch.setattr(workers, "work_on_shard", fail(OSError("Gone\nfor good")))

        with pytest.raises(RunFailed) as failed:
            reset()

        run = JobRun.objects.get()
        assert str(failed.value) == f"Run {run.pk} of reset_monthly_credits failed: Gone"
        assert (run.status, run.error_summary) == (Status.FAILED, "Gone")

    @pytest.mark.parametrize(
        ("error", "told"), [(OSError("Gone"), RunFailed), (KeyboardInterrupt(), KeyboardInterrupt)]
    )
    def test_says_why_though_its_end_cannot_be_recorded(self, error, told, monkeypatch):
        make_professionals(3)
        monkeypatch.setattr(workers, "work_on_shard", fail(error))
        monkeypatch.setattr(running, "finish", fail(OperationalError("The server is gone")))

        with pytest.raises(told):
            reset()

    def test_is_left_to_whoever_took_it_over(self, monkeypatch):
        make_professionals(9)
        monkeypatch.setattr(workers, "work_on_shard", fail(LeaseLost(run_id=1)))

        with pytest.raises(LeaseLost):
            reset()

        assert JobRun.objects.get().status == Status.RUNNING

    def test_is_interrupted_by_who_means_it(self):
        make_professionals(9)

        with pytest.raises(KeyboardInterrupt):
            reset(watch=Watch(progress=fail(KeyboardInterrupt())))

        run = JobRun.objects.get()
        assert run.status == Status.INTERRUPTED
        assert 0 <= run.success_count < 9
        assert broken_invariants() == {}

    def test_tries_a_shard_again(self, monkeypatch):
        make_professionals(9)
        work, errors = workers.work_on_shard, [ShardFailed(run_id=1, number=1, error="Once")]

        def once(*args: Any, **kwargs: Any) -> Any:
            if errors:
                raise errors.pop()
            return work(*args, **kwargs)

        monkeypatch.setattr(workers, "work_on_shard", once)

        assert (reset().status, errors) == (Status.SUCCEEDED, [])

    def test_that_is_killed_loses_nothing(self):
        make_professionals(12)
        watch = Watch(progress=lambda written: die() if written >= 6 else None)

        assert run_in_child(lambda: reset(watch=watch)) == -9
        assert broken_invariants() == {}
        with pytest.raises(RunAlreadyActive):
            reset_monthly_credits(as_of=MARCH)
        JobRun.objects.update(heartbeat_at=timezone.now() - LEASE)

        assert reset_monthly_credits(as_of=MARCH).status == Status.SUCCEEDED

        assert reset_once_each()
        assert broken_invariants() == {}
