"""
One recorded run: one per job at a time, chunk by chunk, its counts committed with its work.

A run holds a lease: each chunk renews it, and a run that shows no sign of life for
``CREDITS["LEASE_SECONDS"]``, or whose process on this host is gone, is taken over. Every chunk
begins with a compare-and-set on the run's row, so a process that was taken over (or that cannot
know whether its last commit arrived) writes nothing twice. A wrong clock costs time, never credits.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F, Model, QuerySet
from django.utils import timezone

from credits.conf import get_settings
from credits.engine.database import (
    attempts,
    is_about_the_data,
    ledger_database,
    lock_job,
    retried,
)
from credits.engine.keys import KeyRange, halves, only_key, ranges
from credits.engine.tally import Tally
from credits.exceptions import LeaseLost, NotDue, RunAlreadyActive, RunFailed, TooManyFailures
from credits.jobs.pausing import pause_of, refuse_if_paused
from credits.models import JobFailure, JobRun
from credits.models.balances import ProfessionalId
from credits.notices.staging import promise_run_notice
from credits.signals import run_finished, run_started

HOPELESS_AFTER = 100
"""So many professionals failed and none succeeded: the fault is not theirs, the run gives up."""

# A process id alone says little where every container's is 1: a run that carries ours but was not
# started here belonged to a process before us.
_started_here: set[int] = set()


class _Stopped(Exception):
    """The watch said stop."""


@dataclass(frozen=True)
class Watch:
    """What the caller of a job wants to be told while it runs, and how it says stop."""

    found: Callable[[int], None] = lambda count: None
    """Called once, with the professionals (reset) or lots (expiry) the job is about."""

    progress: Callable[[int], None] = lambda written: None
    """Called after each chunk with the ledger rows written so far."""

    should_stop: Callable[[], bool] = lambda: False
    """Asked before each chunk; when it says yes the run ends ``interrupted``."""

    may_start: Callable[[], bool] = lambda: True
    """
    Asked while no other run of the job can start or be under way; when it says no there is none.
    """


class Run:
    """A run under way."""

    def __init__(
        self, record: JobRun, watch: Watch, *, even_if_paused: bool = False, using: str
    ) -> None:
        self.record = record
        self.using = using
        self.watch = watch
        self._even_if_paused = even_if_paused
        self._chunks = 0
        self._written = 0
        self._failed = 0

    @property
    def _own(self) -> QuerySet[JobRun]:
        return JobRun.objects.using(self.using).filter(
            pk=self.record.pk, status=JobRun.Status.RUNNING
        )

    def warn(self, summary: str) -> None:
        """Keep a sentence on the run's record that its success alone would not tell."""
        retried(lambda: self._own.update(error_summary=summary), using=self.using)

    def work_through(
        self, keys: QuerySet[Model, Any], act: Callable[[KeyRange], Tally], *, size: int
    ) -> None:
        """
        Do ``act`` on every range of about ``size`` keys, each in a transaction of its own.

        Transient errors are tried again. A range that fails otherwise is halved until the
        professional to blame stands alone and is recorded as a failure.

        Raises:
            LeaseLost: another process took the run over.
            TooManyFailures: nobody succeeded and too many failed.
        """
        for within in ranges(keys, size=size):
            if self.watch.should_stop() or self._was_paused():
                raise _Stopped
            self._do(keys, within, act)
            self.watch.progress(self._written)

    def _was_paused(self) -> bool:
        # Whoever pauses a job because something is wrong means the run under way too.
        return not self._even_if_paused and retried(
            lambda: pause_of(self.record.job) is not None, using=self.using
        )

    def _do(
        self, keys: QuerySet[Model, Any], within: KeyRange, act: Callable[[KeyRange], Tally]
    ) -> None:
        try:
            tally = self._commit(lambda: act(within))
        except DatabaseError as error:
            if not is_about_the_data(error):
                raise
            parts = halves(keys, within)
            for part in parts:
                self._do(keys, part, act)
            if not parts and (professional_id := only_key(keys, within)) is not None:
                self._record_failure(professional_id, str(error).strip() or type(error).__name__)
        else:
            self._written += tally.succeeded

    def _record_failure(self, professional_id: ProfessionalId, message: str) -> None:
        def record() -> Tally:
            JobFailure.objects.using(self.using).create(
                run=self.record, professional_id=professional_id, error=message
            )
            self._own.update(total_count=F("total_count") + 1, error_count=F("error_count") + 1)
            return Tally()

        self._commit(record)
        self._failed += 1
        if self._failed >= HOPELESS_AFTER and not self._written:
            raise TooManyFailures(failures=self._failed, last=message)

    def _commit(self, act: Callable[[], Tally]) -> Tally:
        """Do one chunk and its counts in one transaction, once and never twice."""
        tally = Tally()
        for attempt in attempts(using=self.using):
            with attempt, transaction.atomic(using=self.using, durable=True):
                if not self._own.filter(chunk_count=self._chunks).update(
                    chunk_count=self._chunks + 1, heartbeat_at=timezone.now()
                ):
                    # Either an answer was lost and the attempt before this one is committed, or
                    # the run is no longer ours.
                    if not self._own.filter(chunk_count=self._chunks + 1).exists():
                        raise LeaseLost(run_id=self.record.pk)
                    break
                tally = act()
                if tally.succeeded:
                    self._own.update(
                        total_count=F("total_count") + tally.succeeded,
                        success_count=F("success_count") + tally.succeeded,
                        credits_granted=F("credits_granted") + tally.granted,
                        credits_expired=F("credits_expired") + tally.expired,
                        notices_staged=F("notices_staged") + tally.notices,
                    )
        self._chunks += 1
        return tally


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
    record = _start(
        JobRun(job=job, as_of=as_of, period=period, trigger=trigger, is_whole=is_whole),
        watch,
        even_if_paused=even_if_paused,
        using=using,
    )
    status = JobRun.Status.SUCCEEDED
    try:
        try:
            yield Run(record, watch, even_if_paused=even_if_paused, using=using)
        except _Stopped:
            status = JobRun.Status.INTERRUPTED
        _finish(record, status, using=using)
    except LeaseLost:
        raise
    except Exception as error:
        # Where the database itself is gone the record stays open until its lease runs out.
        with suppress(DatabaseError):
            _finish(record, JobRun.Status.FAILED, summary=_in_one_line(error), using=using)
        raise RunFailed(job=job, run_id=record.pk, error=_in_one_line(error)) from error
    except BaseException:
        with suppress(DatabaseError):
            _finish(record, JobRun.Status.INTERRUPTED, using=using)
        raise
    finally:
        _started_here.discard(record.pk)


def _start(record: JobRun, watch: Watch, *, even_if_paused: bool, using: str) -> JobRun:
    """Insert the run; a run before it that died is closed in the same transaction."""
    active = JobRun.objects.using(using).filter(job=record.job, status=JobRun.Status.RUNNING)

    def check() -> None:
        if not even_if_paused:
            refuse_if_paused(record.job)
        if not watch.may_start():
            raise NotDue(job=record.job)

    try:
        dead = _insert(record, active, check, using=using)
    except IntegrityError:
        # Two started at once and the constraint let one through.
        if (winner := active.first()) is not None:
            raise _already_active(winner) from None
        # It is done by now.
        dead = _insert(record, active, check, using=using)
    if dead is not None:
        dead.refresh_from_db(using=using)
        run_finished.send_robust(sender=JobRun, run=dead)
    run_started.send_robust(sender=JobRun, run=record)
    return record


def _insert(
    record: JobRun, active: QuerySet[JobRun], check: Callable[[], None], *, using: str
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
            before = active.select_for_update().first()
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
    return dead


def _finish(record: JobRun, status: JobRun.Status, *, summary: str = "", using: str) -> None:
    runs = JobRun.objects.using(using).filter(pk=record.pk)
    now = timezone.now()
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using, durable=True):
            record.refresh_from_db(using=using)
            if (record.status, record.finished_at) == (status, now):
                # The answer to our own commit was lost.
                break
            if status == JobRun.Status.SUCCEEDED and record.error_count:
                status = JobRun.Status.PARTIAL
                first = record.failures.order_by("pk").values_list("error", flat=True)[0]
                summary = f"{record.error_count} failed; the first with: {first.splitlines()[0]}"
            if not runs.filter(status=JobRun.Status.RUNNING).update(
                status=status, finished_at=now, error_summary=summary or record.error_summary
            ):
                raise LeaseLost(run_id=record.pk)
            record.refresh_from_db(using=using)
            promise_run_notice(record, at=now, using=using)
    run_finished.send_robust(sender=JobRun, run=record)


def _is_alive(run: JobRun, now: datetime) -> bool:
    if now - run.heartbeat_at > timedelta(seconds=get_settings().lease_seconds):
        return False
    if run.host != socket.gethostname():
        return True
    if run.process_id == os.getpid():
        return run.pk in _started_here
    try:
        os.kill(run.process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _already_active(run: JobRun) -> RunAlreadyActive:
    return RunAlreadyActive(
        job=run.job, run_id=run.pk, host=run.host, heartbeat_at=run.heartbeat_at
    )


def _in_one_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
