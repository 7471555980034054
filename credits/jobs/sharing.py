"""
One run shared by many workers: a shard is a range of keys, and the last one done closes the run.

A worker claims a shard by compare-and-set and holds it as a run is held: by a lease, under a name
of its own. Each chunk is one transaction that begins by moving the shard's cursor and ends by
adding to the run's counts, so a killed worker loses nothing, whoever claims the shard after it goes
on at the cursor, and a worker that slept through this finds the shard in other hands and writes
nothing.

The run's row is written last in a chunk, so that workers queue for it no longer than a commit
takes. In return the run's counts are those of its rows at every moment, and its heartbeat is that
of all its workers: a run whose workers are all gone is taken over by the next as any run is, and
that closes it to them.
"""

import os
import socket
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import uuid4

from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.utils import timezone

from credits.conf import get_settings
from credits.engine.cutting import ranges
from credits.engine.database import ledger_database, retried
from credits.exceptions import LeaseLost, ShardFailed, TooManyFailures
from credits.jobs.chunks import Plan, Stopped, Watch
from credits.jobs.expiry import plan_expiry
from credits.jobs.leases import is_held, is_within_lease
from credits.jobs.pausing import pause_of, pauses
from credits.jobs.reset import NOBODY, plan_reset
from credits.jobs.running import in_one_line, start
from credits.jobs.shards import OPEN, Shard, Work
from credits.models import JobRun, JobShard
from credits.periods import period_of

ATTEMPTS = 5
"""Claims of a shard with no chunk done between them, after which it is given up."""

_GIVEN_UP = f"Its worker died {ATTEMPTS} times in a row before a chunk was done."

# The claims of this process, by their holder's name: threads of one process share its id.
_held_here: set[str] = set()


def can_be_shared() -> bool:
    """
    Say whether several workers do a run sooner than one.

    SQLite has one writer, whom more cannot help; on MariaDB those of one run wait for each other.
    """
    return connections[ledger_database()].features.has_select_for_no_key_update


def open_shared_run(
    job: JobRun.Job, *, as_of: datetime, period: str = "", shards: int, trigger: str
) -> JobRun:
    """
    Open a run for several workers, its shards in the same transaction.

    The last shard takes in whoever joins behind the last key meanwhile.

    Args:
        period: of a reset, the calendar month; that of ``as_of`` if not given.
        shards: parts of about as many keys each; fewer where the work is fewer chunks.

    Raises:
        RunAlreadyActive: another run of this job is under way.
        JobPaused: somebody paused the job.
        NoEligibilityRule: the project does not say who is eligible.
    """
    using = ledger_database()
    if job == JobRun.Job.RESET:
        period = period or period_of(as_of)
    run = JobRun(job=job, as_of=as_of, period=period, trigger=trigger)
    keys = plan_of(run).keys
    count = retried(keys.count, using=using)
    if not count and job == JobRun.Job.RESET:
        run.error_summary = NOBODY
    shares = max(min(shards, -(-count // get_settings().chunk_size)), 1)
    cuts = list(ranges(keys, size=-(-count // shares))) if shares > 1 else []
    bounds = ["", *(str(cut.upto) for cut in cuts[:-1]), ""]

    def open_shards() -> None:
        JobShard.objects.using(using).bulk_create(
            JobShard(
                run=run,
                number=number,
                after=after,
                upto=upto,
                cursor=after,
                heartbeat_at=run.started_at,
            )
            for number, (after, upto) in enumerate(pairwise(bounds), start=1)
        )

    return start(run, using=using, beside=open_shards)


def work_on_shard(shard_id: int, *, watch: Watch | None = None) -> Work:
    """
    Do what is left of a shard, if nobody else is at it; the last one closes the run.

    A repeated call, or one that comes too late, does nothing.

    Raises:
        ShardFailed: an error stopped it; what it committed stays. Whoever is called next goes on;
            after ``ATTEMPTS`` calls in which nothing was done it is given up, and its run fails
            when the other shards are done.
        DatabaseError: the database itself is gone.
        LeaseLost: it was taken for dead and another one went on; it wrote nothing more.
    """
    using = ledger_database()
    holder = uuid4().hex
    # Before the claim: a thread of this process that sees the claim must know it is ours.
    _held_here.add(holder)
    try:
        shard = retried(lambda: _claim(shard_id, holder, using=using), using=using)
        if shard is None:
            return Work.NOTHING
        return _do(Shard(shard, watch or Watch(), using=using))
    finally:
        _held_here.discard(holder)


def stranded_shards(*, as_of: datetime) -> list[int]:
    """
    Take back the shards of open runs that nobody works on; return their ids, to be queued again.

    One whose worker died, whose task was lost with the queue, or that has waited in the queue for
    as long as a lease: that one may be queued twice, and the second task will find it done. Those
    of a paused job wait until it is resumed.
    """
    using = ledger_database()
    shards = JobShard.objects.using(using)
    waiting = shards.filter(status__in=OPEN, run__status=JobRun.Status.RUNNING)
    return [
        shard.pk
        for shard in waiting.exclude(run__job__in=pauses()).order_by("run", "number")
        if not _is_at_work(shard, as_of)
        and _as_seen(shard, using=using).update(
            status=JobShard.Status.PENDING, holder="", heartbeat_at=as_of
        )
    ]


def _do(work: Shard) -> Work:
    shard = work.shard
    try:
        if shard.attempts > ATTEMPTS:
            return work.end(JobShard.Status.FAILED, error=_GIVEN_UP)
        work.go_through(plan_of(shard.run))
        return work.end(JobShard.Status.DONE)
    except Stopped:
        work.release()
        return Work.RELEASED
    except LeaseLost:
        raise
    except Exception as error:
        words = in_one_line(error)
        retried(
            partial(shard.refresh_from_db, using=work.using, fields=["attempts"]), using=work.using
        )
        if isinstance(error, TooManyFailures) or shard.attempts >= ATTEMPTS:
            return work.end(JobShard.Status.FAILED, error=words)
        work.release(error=words)
        raise ShardFailed(run_id=shard.run_id, number=shard.number, error=words) from error
    except BaseException:
        with suppress(DatabaseError):
            work.release()
        raise


def _claim(shard_id: int, holder: str, *, using: str) -> JobShard | None:
    """Take a shard that is nobody's and whose job is not paused; return it as it now stands."""
    shards = JobShard.objects.using(using).select_related("run")
    shard = shards.filter(pk=shard_id, status__in=OPEN, run__status=JobRun.Status.RUNNING).first()
    if shard is None or pause_of(shard.run.job) is not None:
        return None
    if shard.holder == holder:
        # The answer to our own claim was lost.
        return shard
    now = timezone.now()
    if shard.status == JobShard.Status.RUNNING and _is_at_work(shard, now):
        return None
    changes: dict[str, Any] = {
        "status": JobShard.Status.RUNNING,
        "holder": holder,
        "host": socket.gethostname(),
        "process_id": os.getpid(),
        "heartbeat_at": now,
        "attempts": shard.attempts + 1,
    }
    if not _as_seen(shard, using=using).update(**changes):
        return None
    for name, value in changes.items():
        setattr(shard, name, value)
    return shard


def _as_seen(shard: JobShard, *, using: str) -> QuerySet[JobShard]:
    """Return the shard, unless somebody has touched it since."""
    seen = ("pk", "status", "holder", "chunk_count", "heartbeat_at")
    return JobShard.objects.using(using).filter(**{name: getattr(shard, name) for name in seen})


def _is_at_work(shard: JobShard, now: datetime) -> bool:
    """Say whether somebody works on a shard, or its task may still wait in the queue."""
    if shard.status == JobShard.Status.PENDING:
        return is_within_lease(shard, now)
    return is_held(shard, is_ours=shard.holder in _held_here, now=now)


def plan_of(run: JobRun) -> Plan:
    if run.job == JobRun.Job.RESET:
        return plan_reset(period=run.period)
    return plan_expiry(as_of=run.as_of)
