"""credits.tasks: what Celery is given to do; the queue itself is a list here."""

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from credits import tasks
from credits.jobs import sharing
from credits.jobs.named import JobName
from credits.models import CreditTransaction, JobRun, JobShard
from tests.factories import make_professionals, make_run
from tests.faults import Outage

pytestmark = pytest.mark.django_db(transaction=True)

ALL = [tasks.run_named_job, tasks.work_on_shard, tasks.resume_shards]


@pytest.fixture
def queue(monkeypatch) -> list[int]:
    """The shards that were put into the queue."""
    queued: list[int] = []
    monkeypatch.setattr(tasks.work_on_shard, "delay", queued.append)
    return queued


@pytest.fixture(autouse=True)
def small_chunks(settings) -> None:
    settings.CREDITS = {**settings.CREDITS, "CHUNK_SIZE": 2, "SHARDS": 3}


def resets() -> int:
    return CreditTransaction.objects.filter(transaction_type="monthly_reset").count()


class TestEveryTask:
    @pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
    def test_is_kept_by_the_broker_until_it_is_over(self, task):
        assert (task.acks_late, task.reject_on_worker_lost) == (True, True)
        assert (task.ignore_result, task.serializer) == (True, "json")
        assert task.soft_time_limit < task.time_limit < 3_600

    @pytest.mark.parametrize("task", ALL[:2], ids=lambda task: task.name)
    def test_is_tried_again_later_and_later_but_not_for_ever(self, task):
        assert (task.retry_backoff, task.retry_backoff_max, task.retry_jitter) == (30, 600, True)
        assert task.max_retries == 5


class TestRunNamedJob:
    @pytest.mark.engine("postgresql")
    @pytest.mark.parametrize("job", list(JobRun.Job))
    def test_shares_a_run_out(self, queue, job):
        make_professionals(6)

        tasks.run_named_job(job.value)

        run = JobRun.objects.get()
        assert (run.job, run.trigger) == (job, "celery")
        assert queue == [it.pk for it in run.shards.order_by("number")]

    @pytest.mark.engine("sqlite")
    def test_does_a_run_itself_where_there_is_one_writer(self, queue):
        make_professionals(6)

        tasks.run_named_job("reset_monthly_credits")

        assert (JobRun.objects.get().status, resets(), queue) == ("succeeded", 6, [])

    @pytest.mark.parametrize("shards", [0, 1])
    def test_does_a_run_itself_where_the_project_wants_no_shards(self, settings, queue, shards):
        settings.CREDITS = {**settings.CREDITS, "SHARDS": shards}
        make_professionals(6)

        tasks.run_named_job("reset_monthly_credits")

        assert (JobRun.objects.get().status, resets(), queue) == ("succeeded", 6, [])

    def test_does_nothing_beside_a_run_under_way(self, queue):
        make_run(status="running", heartbeat_at=timezone.now())

        tasks.run_named_job("reset_monthly_credits")

        assert (JobRun.objects.count(), queue) == (1, [])

    @pytest.mark.parametrize("name", list(JobName))
    def test_knows_every_job_by_name(self, queue, name):
        tasks.run_named_job(name.value)

    def test_knows_no_other(self):
        with pytest.raises(ValueError, match="not a valid JobName"):
            tasks.run_named_job("make_coffee")

    @pytest.mark.parametrize("shards", [0, 3])
    def test_fails_where_the_job_does_so_that_it_is_tried_again(self, settings, shards):
        settings.CREDITS = {"SHARDS": shards}

        with pytest.raises(Exception, match="ELIGIBLE_PROFESSIONALS") as failed:
            tasks.run_named_job("reset_monthly_credits")

        assert isinstance(failed.value, tasks.run_named_job.autoretry_for)


class TestWorkOnShard:
    def test_does_a_shard(self):
        make_professionals(6)
        run = sharing.open_shared_run(
            JobRun.Job.RESET, as_of=timezone.now(), shards=3, trigger="test"
        )

        for shard in run.shards.all():
            tasks.work_on_shard(shard.pk)
            tasks.work_on_shard(shard.pk)

        run.refresh_from_db()
        assert (run.status, run.success_count, resets()) == ("succeeded", 6, 6)

    def test_is_tried_again_where_the_database_is_gone(self):
        outage = Outage()
        outage.is_on = True

        with connection.execute_wrapper(outage), pytest.raises(OperationalError) as failed:
            tasks.work_on_shard(1)

        assert isinstance(failed.value, tasks.work_on_shard.autoretry_for)


class TestResumeShards:
    def test_queues_what_is_stranded_once(self, queue):
        make_professionals(6)
        run = sharing.open_shared_run(
            JobRun.Job.RESET, as_of=timezone.now(), shards=3, trigger="test"
        )
        lost = run.shards.get(number=2)
        JobShard.objects.filter(pk=lost.pk).update(heartbeat_at=timezone.now().replace(year=2000))

        tasks.resume_shards()
        tasks.resume_shards()

        assert queue == [lost.pk]
