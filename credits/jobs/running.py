"""
One recorded run: one per job at a time, chunk by chunk, its counts committed with its work.

A run holds a lease: each chunk renews it, and a run that shows no sign of life for
``CREDITS["LEASE_SECONDS"]``, or whose process on this host is gone, is taken over; see chunks.py
for why that process then writes nothing more. A wrong clock costs time, never credits.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from django.db import DatabaseError, IntegrityError, connections, transaction
from django.db.models import F, QuerySet, Value
from django.utils import timezone

from credits.engine.database import (
    attempts,
    ledger_database,
    lock_job,
    locked_not_for_its_key,
    retried,
)
from credits.engine.keys import KeyRange
from credits.engine.statements import Compiled, Hole, Statement, update
from credits.engine.tally import Tally
from credits.exceptions import LeaseLost, NotDue, RunAlreadyActive, RunFailed
from credits.jobs.chunks import Chunks, Stopped, Watch, added
from credits.jobs.leases import is_held, is_within_lease
from credits.jobs.pausing import refuse_if_paused
from credits.models import JobFailure, JobRun, JobShard
from credits.notices.staging import promise_run_notice
from credits.signals import run_finished, run_started

__all__ = [
    "Run",
    "Watch",
    "close",
    "finish",
    "finished_on_error",
    "in_one_line",
    "recorded_run",
    "refuse_if_active",
    "start",
]

# A process id alone says little where every container's is 1: a run that carries ours but was not
# started here belonged to a process before us.
_started_here: set[int] = set()


_CHUNKS, _NOW = Hole("chunks"), Hole("now")


class Run(Chunks):
    """A run under way in this process."""

    def __init__(self, record: JobRun, watch: Watch, *, even_if_paused: bool, using: str) -> None:
        super().__init__(record, watch, even_if_paused=even_if_paused, using=using)
        self._taking = Statement(self._moving_on, using=using)
        self._counting = Statement(self._adding_up, using=using)

    @property
    def _own(self) -> QuerySet[JobRun]:
        return JobRun.objects.using(self.using).filter(
            pk=self.record.pk, status=JobRun.Status.RUNNING
        )

    def warn(self, summary: str) -> None:
        """Keep a sentence on the run's record that its success alone would not tell."""
        retried(lambda: self._own.update(error_summary=summary), using=self.using)

    def _take(self, upto: Any) -> bool:
        heartbeat = JobRun._meta.get_field("heartbeat_at")
        now = heartbeat.get_db_prep_value(timezone.now(), connections[self.using])
        return bool(self._taking.done(chunks=self._chunks, now=now))

    def _moving_on(self, _: KeyRange) -> Compiled:
        return update(
            self._own.filter(chunk_count=Value(_CHUNKS)),
            using=self.using,
            chunk_count=F("chunk_count") + 1,
            heartbeat_at=Value(_NOW),
        )

    def _is_taken(self) -> bool:
        return self._own.filter(chunk_count=self._chunks + 1).exists()

    def _count(self, tally: Tally) -> None:
        if tally.succeeded or tally.failed:
            self._counting.done(**asdict(tally))

    def _adding_up(self, _: KeyRange) -> Compiled:
        counts = added({field.name: Value(Hole(field.name)) for field in fields(Tally)})
        return update(self._own, using=self.using, **counts)


def refuse_if_active(job: str) -> None:
    """
    Say before a start what the start would say: nothing is held by asking.

    Raises:
        RunAlreadyActive: a run of this job shows signs of life.
    """
    active = JobRun.objects.using(ledger_database()).filter(job=job, status=JobRun.Status.RUNNING)
    run = active.first()
    if run is not None and _is_alive(run, timezone.now()):
        raise _already_active(run)


@contextmanager
def recorded_run(
    job: JobRun.Job,
    *,
    as_of: datetime,
    period: str = "",
    trigger: str = "command",
    is_whole: bool = True,
    even_if_paused: bool = False,
    watch: Watch,
) -> Iterator[Run]:
    """
    Hold the job's one active run while the block works; its end is recorded whatever happens.

    Raises:
        RunAlreadyActive: an earlier run shows signs of life.
        JobPaused: somebody paused the job.
        NotDue: the watch said that the run may not start.
        RunFailed: the block raised; its error is the cause.
        LeaseLost: another process took the run over; its record is left to that process.
    """
    using = ledger_database()
    record = start(
        JobRun(job=job, as_of=as_of, period=period, trigger=trigger, is_whole=is_whole),
        watch,
        even_if_paused=even_if_paused,
        using=using,
    )
    status = JobRun.Status.SUCCEEDED
    try:
        with finished_on_error(record, using=using):
            try:
                yield Run(record, watch, even_if_paused=even_if_paused, using=using)
            except Stopped:
                status = JobRun.Status.INTERRUPTED
            finish(record, status, using=using)
    finally:
        _started_here.discard(record.pk)


@contextmanager
def finished_on_error(record: JobRun, *, using: str) -> Iterator[None]:
    """
    Record the end of a run that is under way where the block raises.

    Raises:
        RunFailed: the block raised; its error is the cause.
        LeaseLost: another process took the run over; its record is left to that process.
    """
    try:
        yield
    except LeaseLost:
        raise
    except Exception as error:
        # Where the database itself is gone the record stays open until its lease runs out.
        with suppress(DatabaseError):
            finish(record, JobRun.Status.FAILED, summary=in_one_line(error), using=using)
        raise RunFailed(job=record.job, run_id=record.pk, error=in_one_line(error)) from error
    except BaseException:
        with suppress(DatabaseError):
            finish(record, JobRun.Status.INTERRUPTED, using=using)
        raise


def start(
    record: JobRun,
    watch: Watch | None = None,
    *,
    even_if_paused: bool = False,
    using: str,
    beside: Callable[[], object] = lambda: None,
) -> JobRun:
    """
    Insert the run; a run before it that died is closed in the same transaction.

    Args:
        beside: done behind the insert, in its transaction.

    Raises:
        RunAlreadyActive: an earlier run shows signs of life.
        JobPaused: somebody paused the job.
        NotDue: the watch said that the run may not start.
    """
    active = JobRun.objects.using(using).filter(job=record.job, status=JobRun.Status.RUNNING)

    def check() -> None:
        if not even_if_paused:
            refuse_if_paused(record.job)
        if watch is not None and not watch.may_start():
            raise NotDue(job=record.job)

    try:
        dead = _insert(record, active, check, beside, using=using)
    except IntegrityError:
        # Two started at once and the constraint let one through.
        if (winner := active.first()) is not None:
            raise _already_active(winner) from None
        # It is done by now.
        dead = _insert(record, active, check, beside, using=using)
    if dead is not None:
        dead.refresh_from_db(using=using)
        run_finished.send_robust(sender=JobRun, run=dead)
    run_started.send_robust(sender=JobRun, run=record)
    return record


def _insert(
    record: JobRun,
    active: QuerySet[JobRun],
    check: Callable[[], None],
    beside: Callable[[], object],
    *,
    using: str,
) -> JobRun | None:
    """Insert the run unless another is alive; return the dead one it took over, if any."""
    record.host = socket.gethostname()
    record.process_id = os.getpid()
    record.status = JobRun.Status.RUNNING
    dead = None
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using, durable=True):
            # Two that find the job due at once: the second must see what the first did.
            lock_job(record.job, using=using)
            now = timezone.now()
            # Not for its key: those who write rows of a shared run hold that, and wait for it.
            before = locked_not_for_its_key(active, using=using).first()
            if before and (before.pk, before.started_at) == (record.pk, record.started_at):
                # The answer to our own commit was lost: this is the run we started.
                break
            # Not kept from an attempt that was rolled back: another may have told of it since.
            dead = before
            if dead is not None and _is_alive(dead, now):
                raise _already_active(dead)
            check()
            if dead is not None:
                active.filter(pk=dead.pk).update(
                    status=JobRun.Status.INTERRUPTED,
                    finished_at=now,
                    error_summary="Its process died; the next run went on.",
                )
            record.pk = None
            record.started_at = record.heartbeat_at = now
            record.save(using=using, force_insert=True)
            # Before the commit: a thread of this process that sees the row must know it is ours.
            _started_here.add(record.pk)
            beside()
    return dead


def finish(record: JobRun, status: JobRun.Status, *, summary: str = "", using: str) -> None:
    """
    Record a run's end, promise the mail about it, and tell who listens.

    Raises:
        LeaseLost: another process closed it.
    """
    now = timezone.now()
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using, durable=True):
            record.refresh_from_db(using=using)
            if (record.status, record.finished_at) == (status, now):
                # The answer to our own commit was lost.
                break
            status = close(record, status, at=now, summary=summary, using=using)
    run_finished.send_robust(sender=JobRun, run=record)


def close(
    record: JobRun, status: JobRun.Status, *, at: datetime, summary: str = "", using: str
) -> JobRun.Status:
    """
    Record a run's end in the caller's transaction and promise the mail about it.

    Args:
        record: the run as this transaction finds it.

    Returns:
        The status it ended with: a success with failures in it is ``partial``.

    Raises:
        LeaseLost: another process closed it.
    """
    own = JobRun.objects.using(using).filter(pk=record.pk, status=JobRun.Status.RUNNING)
    if status == JobRun.Status.SUCCEEDED and record.error_count:
        status = JobRun.Status.PARTIAL
        summary = f"{record.error_count} failed"
        # Of who was erased meanwhile nothing is told. Held before they are read: see erasing.py.
        list(locked_not_for_its_key(own, using=using).values_list("pk"))
        told = JobFailure.objects.using(using).filter(run=record).exclude(error="").order_by("pk")
        if (first := told.first()) is not None:
            summary += f"; the first with: {first.error.splitlines()[0]}"
    if not own.update(status=status, finished_at=at, error_summary=summary or record.error_summary):
        raise LeaseLost(run_id=record.pk)
    record.refresh_from_db(using=using)
    promise_run_notice(record, at=at, using=using)
    return status


def _is_alive(run: JobRun, now: datetime) -> bool:
    # A shared run outlives whoever opened it: it lives as long as any of its shards moves.
    if JobShard.objects.using(ledger_database()).filter(run=run).exists():
        return is_within_lease(run, now)
    return is_held(run, is_ours=run.pk in _started_here, now=now)


def _already_active(run: JobRun) -> RunAlreadyActive:
    return RunAlreadyActive(
        job=run.job, run_id=run.pk, host=run.host, heartbeat_at=run.heartbeat_at
    )


def in_one_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
