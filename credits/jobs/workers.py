"""
A whole run done by several workers of one process: threads, each on a connection of its own.

The database does the work and a thread waits for it, so Python's one lock is in nobody's way. What
a worker takes, and how it holds it, is sharing.py's: so a process that is killed loses nothing. But
a run that its dead workers left open is taken over no sooner than its lease is over.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Event, Lock

from django.db import connections

from credits.engine.database import ledger_database, retried
from credits.exceptions import RunFailed, ShardFailed
from credits.jobs.chunks import Watch
from credits.jobs.running import finish, finished_on_error
from credits.jobs.sharing import open_shared_run, plan_of, work_on_shard
from credits.models import JobRun, JobShard

MOST_WORKERS = 32

SHARDS_EACH = 4
"""Whoever is done early takes another one."""


def run_with_workers(
    job: JobRun.Job,
    *,
    as_of: datetime,
    period: str = "",
    workers: int,
    trigger: str = "command",
    watch: Watch | None = None,
) -> JobRun:
    """
    Do all that a job has to do, with several workers at once.

    Safe to stop and run again, as the job with one worker is.

    Args:
        as_of: as in ``reset_monthly_credits`` and ``expire_credits``.
        period: of a reset, the calendar month; that of ``as_of`` if not given.
        workers: threads, and connections to the database, from 1 to ``MOST_WORKERS``.
        watch: asked by each of them, in its thread; told by one at a time.

    Returns:
        The finished run: ``succeeded``, ``partial`` (some professionals failed) or
        ``interrupted`` (the watch said stop, or somebody paused the job).

    Raises:
        RunAlreadyActive: another run of this job is under way.
        JobPaused: somebody paused the job.
        RunFailed: the run could not go on; what it committed stays.
        LeaseLost: another process took it over; nothing more was written.
        NoEligibilityRule: the project does not say who is eligible.
    """
    using = ledger_database()
    watch = watch or Watch()
    run = open_shared_run(
        job, as_of=as_of, period=period, shards=SHARDS_EACH * workers, trigger=trigger
    )
    with finished_on_error(run, using=using):
        watch.found(retried(plan_of(run).keys.count, using=using))
        _Crew(run, watch, using=using).work(workers)
        retried(lambda: run.refresh_from_db(using=using), using=using)
        if run.status == JobRun.Status.RUNNING:
            finish(run, JobRun.Status.INTERRUPTED, using=using)
    if run.status == JobRun.Status.FAILED:
        raise RunFailed(job=job, run_id=run.pk, error=run.error_summary)
    return run


class _Crew:
    """Workers of one run, until nothing is left or one of them must stop."""

    def __init__(self, run: JobRun, watch: Watch, *, using: str) -> None:
        shards = JobShard.objects.using(using).filter(run=run).order_by("number")
        self._watch = watch
        self._left: SimpleQueue[int] = SimpleQueue()
        for shard_id in retried(lambda: list(shards.values_list("pk", flat=True)), using=using):
            self._left.put(shard_id)
        self._stop = Event()
        self._telling = Lock()
        self._written: dict[Callable[[int], None], int] = {}

    def work(self, workers: int) -> None:
        """Let so many work until they are done; what stops one stops all behind their chunk."""
        with ThreadPoolExecutor(workers, thread_name_prefix="credits") as pool:
            try:
                for worker in as_completed([pool.submit(self._work) for _ in range(workers)]):
                    worker.result()
            except BaseException:
                self._stop.set()
                raise

    def _work(self) -> None:
        try:
            while not self._must_stop():
                self._do(self._left.get_nowait())
        except Empty:
            pass
        finally:
            connections.close_all()

    def _do(self, shard_id: int) -> None:
        # A shard that fails again and again is given up by itself, and its run fails.
        while not self._must_stop():
            with suppress(ShardFailed):
                work_on_shard(shard_id, watch=self._watch_of_one())
                return

    def _must_stop(self) -> bool:
        return self._stop.is_set() or self._watch.should_stop()

    def _watch_of_one(self) -> Watch:
        def progress(written: int) -> None:
            with self._telling:
                self._written[progress] = written
                self._watch.progress(sum(self._written.values()))

        return Watch(progress=progress, should_stop=self._must_stop)
