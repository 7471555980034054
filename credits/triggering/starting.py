"""
What a request may start, how often, and how.

Two starts of one job keep ``CREDITS["TRIGGER_SECONDS"]`` apart, by one row a job in the ledger's
database: all web workers on all hosts share it, which a cache need not be, and the runs cannot
stand in for it, because a run begins only when the started process has come up.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from credits.conf import get_settings
from credits.engine.database import attempts, ledger_database
from credits.engine.inserting import insert_unless_there
from credits.exceptions import CreditsError
from credits.jobs import detached
from credits.jobs.named import JobName
from credits.jobs.pausing import refuse_if_paused
from credits.jobs.running import refuse_if_active
from credits.models import JobRun, JobStart

logger = logging.getLogger("credits.triggering")


class StartedAMomentAgo(CreditsError):
    """A request started this job less than ``CREDITS["TRIGGER_SECONDS"]`` ago."""

    def __init__(self, *, job: str, seconds: int) -> None:
        self.job = job
        self.seconds = seconds
        super().__init__(f"{job} was started a moment ago; ask again in {seconds} s.")


class ProcessNotStarted(CreditsError):
    """The job's process could not be started."""

    def __init__(self, *, job: str, words: str) -> None:
        self.job = job
        super().__init__(f"The process of {job} did not start: {words}")


@dataclass(frozen=True)
class Account:
    """What became of a job, for whoever started it from elsewhere."""

    start: JobStart | None
    """The last start by a request."""

    words: str | None
    """The last words of its process, if it ended without success on this host."""

    runs: list[JobRun]
    """The last runs of this job, and those that the last start led to; the newest first."""


def job_to_trigger(name: str) -> JobName | None:
    """Return the job of this name, if requests may start it."""
    if name in get_settings().trigger_jobs and name in set(JobName):
        return JobName(name)
    return None


def start(job: JobName, *, by: str, as_of: datetime) -> str:
    """
    Start a job in a process of its own; return the trigger that its run keeps.

    Args:
        by: who asks, as ``http``.

    Raises:
        RunAlreadyActive: a run of this job shows signs of life.
        JobPaused: somebody paused it.
        StartedAMomentAgo: another request was quicker.
        ProcessNotStarted: the operating system refused.
    """
    refuse_if_active(job)
    refuse_if_paused(job)
    token = detached.new_token()
    trigger = f"{by}:{token}"
    if wait := _claim(job, trigger, as_of=as_of):
        raise StartedAMomentAgo(job=job, seconds=wait)
    detached.start(job, *options_of(job, trigger), token=token)
    if (words := detached.last_words(token)) is not None:
        raise ProcessNotStarted(job=job, words=words)
    logger.info("job started by a request job=%s trigger=%s", job, trigger)
    return trigger


def options_of(job: JobName, trigger: str) -> list[str]:
    """Return the options that a job's command is started with."""
    # No run is recorded of these, so their commands have nothing that would keep a trigger.
    keeps = [] if job in {JobName.SENDING, JobName.SEALING} else [f"--trigger={trigger}"]
    return [*keeps, "--verbosity=0"]


def account_of(job: JobName) -> Account:
    """Say what became of a job lately."""
    using = ledger_database()
    start = JobStart.objects.using(using).filter(job=job).first()
    about = Q(job=job.value)
    if start is not None:
        about |= Q(trigger=start.trigger)
    runs = JobRun.objects.using(using).filter(about).order_by("-started_at", "-pk")[:5]
    words = detached.last_words(start.trigger.rpartition(":")[2]) if start else None
    return Account(start=start, words=words, runs=list(runs))


def _claim(job: JobName, trigger: str, *, as_of: datetime) -> int:
    """Take the right to start this job now; return the seconds to wait if another has it."""
    using = ledger_database()
    distance = timedelta(seconds=get_settings().trigger_seconds)
    starts = JobStart.objects.using(using)
    # A start that lies ahead was written by a wrong clock.
    free = Q(started_at__lte=as_of - distance) | Q(started_at__gt=as_of + distance)
    wait = 0
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using):
            first = JobStart(job=job.value, started_at=as_of, trigger=trigger)
            insert_unless_there(first, using=using)
            starts.filter(free, job=job.value).update(started_at=as_of, trigger=trigger)
            last = starts.get(job=job.value)
            is_ours = last.trigger == trigger
            left = last.started_at + distance - as_of
            wait = 0 if is_ours else max(1, round(left.total_seconds()))
    return wait
