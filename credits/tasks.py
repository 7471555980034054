"""
The jobs as Celery tasks, for a host that has Celery; nothing else here imports it.

The books never rest on the queue. A task may be delivered twice, late or never: what there is to do
stands in the database, the second delivery finds it done, and ``resume_shards``, which beat calls
every minute, queues again what was lost with a worker or with the broker itself.

``acks_late``: a task stays the broker's until it is over. ``reject_on_worker_lost``: where the
process of a pool was killed its task goes back into the queue. One that fails or takes too long is
acknowledged all the same: it has been queued anew by then, or its shard is found stranded.
"""

import logging
import time
from typing import Any

from celery import shared_task
from django.db import DatabaseError
from django.utils import timezone

from credits.conf import get_settings
from credits.engine.database import ledger_database
from credits.exceptions import CreditsError, JobPaused, LeaseLost, RunAlreadyActive, ShardFailed
from credits.jobs import sharing
from credits.jobs.named import Ending, JobName, run_job
from credits.jobs.running import Watch
from credits.models import JobRun, JobShard

logger = logging.getLogger(__name__)

TRIGGER = "celery"

MINUTE = 60

SENDING_TIME = 14 * MINUTE
"""Seconds after which a sender leaves the rest to the next, which beat starts every 15 minutes."""

_ONCE_OR_TWICE: dict[str, Any] = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "ignore_result": True,
    "serializer": "json",
    # Less than the hour after which Redis takes a task for lost and delivers it once more.
    "soft_time_limit": 50 * MINUTE,
    "time_limit": 55 * MINUTE,
}

# Half a minute, then one, two, four and eight, each shortened at random so that not all come at
# once. Whatever is still not done then waits for beat.
_WITH_RETRIES: dict[str, Any] = {
    **_ONCE_OR_TWICE,
    "retry_backoff": 30,
    "retry_backoff_max": 10 * MINUTE,
    "retry_jitter": True,
    "max_retries": 5,
}


class JobFailed(CreditsError):
    """A job could not do its work this time."""


@shared_task(
    name="credits.run_job",
    autoretry_for=(DatabaseError, CreditsError),
    **_WITH_RETRIES,
)
def run_named_job(name: str) -> None:
    """
    Do the job of this name, of ``JobName``; a run of professionals is shared out where it can be.

    Done twice it does what is left to do; beside a run under way it does nothing.
    """
    job = JobName(name)
    if name in JobRun.Job.values and (shards := _shards()) > 1:
        share(JobRun.Job(name), shards=shards)
        return
    ends_at = time.monotonic() + SENDING_TIME
    watch = Watch()
    if job == JobName.SENDING:
        watch = Watch(should_stop=lambda: time.monotonic() > ends_at)
    outcome = run_job(job, as_of=timezone.now(), trigger=TRIGGER, watch=watch)
    logger.info("task done job=%s ending=%s %s", job, outcome.ending, outcome.message)
    if outcome.ending == Ending.FAILED:
        raise JobFailed(outcome.message)


@shared_task(
    name="credits.work_on_shard",
    autoretry_for=(DatabaseError, ShardFailed),
    **_WITH_RETRIES,
)
def work_on_shard(shard_id: int) -> None:
    """Do what is left of one shard of a run."""
    try:
        work = sharing.work_on_shard(shard_id)
    except LeaseLost as lost:
        logger.warning("shard lost shard=%s %s", shard_id, lost)
    else:
        logger.info("task done shard=%s work=%s", shard_id, work)


@shared_task(name="credits.resume_shards", **_ONCE_OR_TWICE)
def resume_shards() -> None:
    """Queue again the shards whose worker or whose task was lost."""
    for shard_id in sharing.stranded_shards(as_of=timezone.now()):
        logger.warning("shard stranded shard=%s", shard_id)
        work_on_shard.delay(shard_id)


def share(job: JobRun.Job, *, shards: int) -> None:
    """Open a run and queue its shards."""
    try:
        run = sharing.open_shared_run(job, as_of=timezone.now(), shards=shards, trigger=TRIGGER)
    except RunAlreadyActive as active:
        # Delivered twice, or started from elsewhere: either way it is being done.
        logger.info("task done job=%s ending=already_active %s", job, active)
        return
    except JobPaused as paused:
        logger.info("task done job=%s ending=paused since=%s", job, paused.since.isoformat())
        return
    # What is not queued, because this process dies here, is found stranded.
    parts = JobShard.objects.using(ledger_database()).filter(run=run).order_by("number")
    for shard_id in parts.values_list("pk", flat=True):
        work_on_shard.delay(shard_id)


def _shards() -> int:
    """Return in how many parts to share a run."""
    return get_settings().shards if sharing.can_be_shared() else 1
