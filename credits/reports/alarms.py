"""What needs a person now, and the command that mends it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from credits.conf import get_settings
from credits.jobs.due import late_jobs
from credits.models import JobRun
from credits.periods import period_of


class Trouble(StrEnum):
    """What is the matter."""

    FAILED = "failed"
    PARTIAL = "partial"
    INTERRUPTED = "interrupted"
    MISSED = "missed"
    LATE = "late"
    LIFELESS = "lifeless"


@dataclass(frozen=True)
class Alarm:
    """One thing that is wrong."""

    trouble: Trouble
    job: JobRun.Job
    command: str
    """What mends it; safe to type twice. None for a month that was missed: nothing does."""

    about: str = ""
    """The month or the day, of a job that is late."""

    run: JobRun | None = None
    """The run, if there was one."""


def alarms(runs: Iterable[JobRun], *, as_of: datetime) -> list[Alarm]:
    """
    Return what is wrong at ``as_of``, at most one alarm for each command that would mend it.

    A missed month is told of until somebody takes note of it, or until the reset of a month after
    the one in which it was found: what a check finds on the 1st it follows with that month's reset,
    and nobody would see it.

    Args:
        runs: the last runs of every job, newest first for each.
    """
    known = list(runs)
    found = []
    for job in JobRun.Job:
        own = [run for run in known if run.job == job]
        found += _lifeless(own, as_of=as_of) or _not_made_good(own)
        found += _missed(own)
    # A run that failed is also one that did not happen: its own words say more.
    spoken_for = {alarm.command for alarm in found}
    found += [
        Alarm(Trouble.LATE, late.job, late.command, about=late.about)
        for late in late_jobs(as_of=as_of)
        if late.command not in spoken_for
    ]
    return found


def _lifeless(runs: list[JobRun], *, as_of: datetime) -> list[Alarm]:
    lease = timedelta(seconds=get_settings().lease_seconds)
    return [
        Alarm(Trouble.LIFELESS, JobRun.Job(run.job), _command(run), run=run)
        for run in runs
        if run.status == JobRun.Status.RUNNING and as_of - run.heartbeat_at > lease
    ]


def _not_made_good(runs: list[JobRun]) -> list[Alarm]:
    """Return the last run that went wrong, unless a whole one of its period or after went well."""
    done: str | None = None
    for run in runs:
        if _is_good(run):
            # An expiry has no period: whatever was due at an earlier one is due at a later one.
            done = max(done or "", run.period)
        elif run.status in JobRun.UNFINISHED and (done is None or run.period > done):
            trouble = Trouble(run.status)
            return [Alarm(trouble, JobRun.Job(run.job), _command(run), run=run)]
    return []


def _missed(runs: list[JobRun]) -> list[Alarm]:
    done = {run.period for run in runs if _is_good(run)}
    return [
        Alarm(Trouble.MISSED, JobRun.Job(run.job), "", about=run.period, run=run)
        for run in runs
        if run.status == JobRun.Status.MISSED
        and run.acknowledged_at is None
        # Somebody may have reset it by hand after all.
        and run.period not in done
        and max(done, default="") <= period_of(run.as_of)
    ]


def _is_good(run: JobRun) -> bool:
    return run.status == JobRun.Status.SUCCEEDED and run.is_whole


def _command(run: JobRun) -> str:
    return f"manage.py {run.job}" + (f" --period {run.period}" if run.period else "")
