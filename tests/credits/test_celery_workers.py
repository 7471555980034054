"""A run among four of Celery's workers over a real Redis, two of them killed amid it."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from credits.models import CreditTransaction, JobRun, JobShard
from credits.periods import period_of
from homezy.models import User
from tests.books import broken_invariants
from tests.crowds import crowd
from tests.factories import make_run
from tests.processes import database_url
from tests.threads import eventually
from tests.workers import RedisUnavailable, Workers, throwaway_redis

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.engine("postgresql")]

MANY = 1_000
SHARDS = 8


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    try:
        with throwaway_redis() as url:
            yield url
    except RedisUnavailable as missing:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def workers(broker: str, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(
        broker,
        tmp_path / "workers.log",
        database=database_url(),
        settings="tests.celery_settings",
    )
    yield workers
    workers.end()


def moved() -> int:
    """Return the chunks that are done."""
    return sum(JobRun.objects.values_list("chunk_count", flat=True))


def at_work() -> set[int]:
    """Return the processes that have shards in their hands."""
    shards = JobShard.objects.filter(status=JobShard.Status.RUNNING)
    return {pid for pid in shards.values_list("process_id", flat=True) if pid}


def times_done(kind: str) -> list[int]:
    """Return how often each professional has a row of this kind."""
    rows = CreditTransaction.objects.filter(transaction_type=kind)
    owners = Counter(rows.values_list("professional", flat=True))
    return [owners[pk] for pk in User.objects.values_list("pk", flat=True)]


class TestFourWorkers:
    def test_reset_everyone_once_though_two_of_them_are_killed(self, workers):
        with crowd(MANY):
            workers.start(4)
            killed = self._kill_two(workers, JobRun.Job.RESET)

            # As beat does every minute: nobody tells the queue that a whole worker is gone.
            workers.send("credits.resume_shards")

            self._check("monthly_reset", killed)

    def test_expire_everything_once_though_the_processes_of_two_are_killed(self, workers):
        with crowd(MANY, lots_expire_at=timezone.now() - timedelta(days=1)):
            workers.start(4, pool="prefork")

            # The workers themselves live, and give the tasks back to the queue.
            killed = self._kill_two(workers, JobRun.Job.EXPIRY)

            self._check("expiry", killed)

    @staticmethod
    def _kill_two(workers: Workers, job: JobRun.Job) -> set[int]:
        workers.send("credits.run_job", job.value)
        # Delivered twice, as a queue may.
        workers.send("credits.run_job", job.value)
        eventually(lambda: moved() >= 4 and len(at_work()) == 4)
        killed = set(sorted(at_work())[:2])
        workers.kill(killed)
        run = JobRun.objects.get()
        assert run.status == JobRun.Status.RUNNING
        assert 0 < run.success_count < MANY
        assert broken_invariants() == {}
        return killed

    @staticmethod
    def _check(kind: str, killed: set[int]) -> None:
        run = JobRun.objects.get()
        eventually(lambda: JobRun.objects.get().status != JobRun.Status.RUNNING)
        run.refresh_from_db()
        assert (run.status, run.success_count, run.error_count) == ("succeeded", MANY, 0)
        assert times_done(kind) == [1] * MANY
        shards = list(run.shards.all())
        assert [it.status for it in shards] == [JobShard.Status.DONE] * SHARDS
        assert sum(it.total_count for it in shards) == run.total_count
        # What the dead had begun others ended.
        assert not {it.process_id for it in shards} & killed
        assert broken_invariants() == {}


class TestANaiveReset:
    """The control: the same workers, killed in the same way, with nothing that guards the books."""

    def test_does_some_twice_and_leaves_the_books_broken(self, workers):
        with crowd(MANY) as professionals:
            run = make_run(status="running", period=period_of(timezone.now()))
            first, *_, last = professionals.values_list("pk", flat=True)[:200]
            task = ("naive.reset", run.pk, first, last)
            workers.start(1)
            workers.send(*task)
            eventually(lambda: moved() >= 12)
            workers.kill({process.pid for process in workers.processes})
            workers.start(1)

            # What nobody acknowledged comes again.
            workers.send(*task)

            eventually(lambda: JobRun.objects.get().chunk_count >= 200)
            assert max(times_done("monthly_reset")) == 2
            assert broken_invariants()["resets"] >= 12
