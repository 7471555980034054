"""How each job is doing: what ran, what is late, what is next; in some two dozen statements."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Count, Max, Min, Q

from credits.engine.database import ledger_database
from credits.jobs.due import LateJob, Verdict, late_jobs
from credits.jobs.outcomes import JobName
from credits.jobs.run_due import verdicts
from credits.models import DaySeal, JobClaim, JobRun, Notice
from credits.reports.alarms import Trouble, alarms
from credits.reports.run_history import run_history

SENDING_GRACE = timedelta(hours=1)
"""From the moment a notice may be sent until it is overdue."""

SEALING_GRACE = timedelta(hours=6)
"""From midnight until the seal of the day that is over is late."""

MOST_COUNTED = 10_000
"""Waiting notices that are counted; one more stands for all above."""


class State(StrEnum):
    """How a job is doing."""

    OK = "ok"
    RUNNING = "running"
    NEVER_RAN = "never_ran"
    PAUSED = "paused"
    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True)
class JobStatus:
    """How one job is doing."""

    job: str
    state: State
    verdict: Verdict
    """When it is due next, and who paused it."""

    last_run: JobRun | None = None
    """The last run, whole or not; sending records none."""

    succeeded_at: datetime | None = None
    """What the last whole run that succeeded was as of; when sending last looked for work."""

    late: LateJob | None = None


@dataclass(frozen=True)
class Waiting:
    """Notices that may be sent now."""

    due: int
    """``MOST_COUNTED`` + 1 stands for more than ``MOST_COUNTED``."""

    overdue: int
    """Of them, those that wait for longer than ``SENDING_GRACE``."""

    oldest: datetime | None
    """Since when the first of them may be sent."""


@dataclass(frozen=True)
class Status:
    """How all jobs are doing at ``as_of``."""

    as_of: datetime
    jobs: tuple[JobStatus, ...]
    notices: Waiting
    missed: tuple[str, ...]
    """Months without a reset that are told of still; nothing mends them, so they are not late."""

    @property
    def is_well(self) -> bool:
        """Whether nothing is late and nothing has failed; a pause is somebody's will."""
        return not any(job.state in {State.LATE, State.FAILED} for job in self.jobs)


def jobs_status(*, as_of: datetime) -> Status:
    """Return how the jobs are doing at ``as_of``; writes nothing."""
    histories = {job: run_history(job, as_of=as_of).runs for job in JobRun.Job}
    found = alarms([run for runs in histories.values() for run in runs], as_of=as_of)
    late = {item.job: item for item in late_jobs(as_of=as_of)}
    notices = _waiting(as_of=as_of)
    failed = {alarm.job for alarm in found if alarm.trouble not in {Trouble.LATE, Trouble.MISSED}}
    jobs = []
    for verdict in verdicts(as_of=as_of):
        if verdict.job == JobName.SENDING:
            jobs.append(_sending(verdict, notices, as_of=as_of))
            continue
        if verdict.job == JobName.SEALING:
            jobs.append(_sealing(verdict, as_of=as_of))
            continue
        job = JobRun.Job(verdict.job)
        runs = histories[job]
        jobs.append(
            JobStatus(
                job,
                _state(verdict, runs, is_failed=job in failed, is_late=job in late),
                verdict,
                last_run=runs[0] if runs else None,
                succeeded_at=_last_success(job),
                late=late.get(job),
            )
        )
    missed = sorted(alarm.about for alarm in found if alarm.trouble == Trouble.MISSED)
    return Status(as_of, tuple(jobs), notices, tuple(missed))


def _state(verdict: Verdict, runs: tuple[JobRun, ...], *, is_failed: bool, is_late: bool) -> State:
    if verdict.pause is not None:
        return State.PAUSED
    if is_failed:
        return State.FAILED
    if is_late:
        return State.LATE
    if any(run.status == JobRun.Status.RUNNING for run in runs):
        return State.RUNNING
    return State.OK if runs else State.NEVER_RAN


def _sending(verdict: Verdict, notices: Waiting, *, as_of: datetime) -> JobStatus:
    claim = JobClaim.objects.using(ledger_database()).filter(pk=verdict.job).first()
    state = State.OK
    if verdict.pause is not None:
        state = State.PAUSED
    elif notices.overdue:
        state = State.LATE
    elif claim is not None and claim.held_until is not None and claim.held_until > as_of:
        state = State.RUNNING
    return JobStatus(
        verdict.job, state, verdict, succeeded_at=None if claim is None else claim.done_at
    )


def _sealing(verdict: Verdict, *, as_of: datetime) -> JobStatus:
    last = DaySeal.objects.using(ledger_database()).order_by("-number").first()
    state = State.OK if last is not None else State.NEVER_RAN
    if last is not None and verdict.is_due and as_of - verdict.next_at > SEALING_GRACE:
        state = State.LATE
    return JobStatus(
        verdict.job, state, verdict, succeeded_at=None if last is None else last.sealed_at
    )


def _last_success(job: JobRun.Job) -> datetime | None:
    runs = JobRun.objects.using(ledger_database()).filter(
        job=job, is_whole=True, status=JobRun.Status.SUCCEEDED
    )
    # When it was done, not as of when: that may have been typed.
    last: datetime | None = runs.aggregate(last=Max("finished_at"))["last"]
    return last


def _waiting(*, as_of: datetime) -> Waiting:
    due = Notice.objects.using(ledger_database()).due(as_of)
    first = due.order_by("next_attempt_at", "pk")[: MOST_COUNTED + 1]
    counted = first.aggregate(
        due=Count("pk"),
        overdue=Count("pk", filter=Q(next_attempt_at__lt=as_of - SENDING_GRACE)),
        oldest=Min("next_attempt_at"),
    )
    return Waiting(**counted)
