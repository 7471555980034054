"""How the runs of a job went: the last sixty, how many succeeded, how long they took."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from credits.engine.database import ledger_database
from credits.models import JobRun

LAST = 60
"""Runs of a job that are looked at."""

RATED = timedelta(days=30)


@dataclass(frozen=True)
class RunHistory:
    """The last runs of one job."""

    job: JobRun.Job
    runs: tuple[JobRun, ...]
    """Newest first."""

    succeeded: int
    """Whole runs of the last 30 days that did all they had to."""

    ended: int
    """Whole runs of the last 30 days that ended, in whatever way."""

    median: float | None
    """Seconds a whole run takes; nothing if none has ended."""

    p95: float | None
    """Seconds that 95 of 100 whole runs stay within."""


def run_history(job: JobRun.Job, *, as_of: datetime) -> RunHistory:
    """Return the last ``LAST`` runs of a job and what they tell, in one statement."""
    runs = tuple(
        JobRun.objects.using(ledger_database()).filter(job=job).order_by("-started_at")[:LAST]
    )
    # Skipped: there was nothing to judge. Missed: there was no run to time, but one should be.
    ended = [
        run
        for run in runs
        if run.is_whole
        and run.started_at > as_of - RATED
        and run.status not in {JobRun.Status.RUNNING, JobRun.Status.SKIPPED}
    ]
    durations = [
        seconds_of(run, as_of=as_of)
        for run in ended
        if run.finished_at is not None and run.status != JobRun.Status.MISSED
    ]
    return RunHistory(
        job,
        runs,
        succeeded=sum(run.status == JobRun.Status.SUCCEEDED for run in ended),
        ended=len(ended),
        median=statistics.median(durations) if durations else None,
        p95=percentile(durations, 95) if durations else None,
    )


def seconds_of(run: JobRun, *, as_of: datetime) -> float:
    """Return how long a run took; of one under way, how long it has been at it."""
    return max(((run.finished_at or as_of) - run.started_at).total_seconds(), 0.0)


def percentile(values: Sequence[float], share: int) -> float:
    """Return the least of the values that ``share`` of a hundred of them do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * share / 100) - 1, 0)]
