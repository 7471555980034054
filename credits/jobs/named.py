"""The jobs by name, for whoever starts them from elsewhere: a request, a queue, a cloud."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import DatabaseError

from credits.exceptions import CreditsError, RunAlreadyActive, RunFailed
from credits.jobs.expiry import expire_credits
from credits.jobs.notices import send_notices
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.running import Watch
from credits.models import JobRun


class JobName(StrEnum):
    """What can be asked for; a name is that of the command."""

    RESET = "reset_monthly_credits"
    EXPIRY = "expire_credits"
    SENDING = "send_credit_notices"


class Ending(StrEnum):
    """How a call ended."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    ALREADY_ACTIVE = "already_active"


@dataclass(frozen=True)
class Outcome:
    """What became of a call, for somebody who was not there."""

    job: JobName
    ending: Ending
    message: str
    """One sentence; it names no person."""

    run_id: int | None = None
    """The run, if the job records one."""


def run_job(name: JobName, *, as_of: datetime, trigger: str, watch: Watch | None = None) -> Outcome:
    """
    Do the job and say how it ended; never raises for what a job refuses.

    A repeated call does what is left to do.

    Args:
        as_of: the present moment.
        trigger: who or what asked, at most 32 characters; the run keeps it.
    """
    try:
        return _JOBS[name](name, as_of, trigger, watch or Watch())
    except RunAlreadyActive as error:
        return Outcome(name, Ending.ALREADY_ACTIVE, str(error), error.run_id)
    except RunFailed as error:
        return Outcome(name, Ending.FAILED, str(error), error.run_id)
    except (CreditsError, DatabaseError) as error:
        sentence = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Outcome(name, Ending.FAILED, sentence)


def _reset(name: JobName, as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    return _of_run(name, reset_monthly_credits(as_of=as_of, trigger=trigger, watch=watch))


def _expiry(name: JobName, as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    return _of_run(name, expire_credits(as_of=as_of, trigger=trigger, watch=watch))


def _sending(name: JobName, as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    report = send_notices(as_of=as_of, watch=watch)
    if report.given_up:
        return Outcome(name, Ending.FAILED, report.given_up)
    ending = Ending.PARTIAL if report.failed or report.parked else Ending.SUCCEEDED
    return Outcome(
        name,
        Ending.INTERRUPTED if report.was_stopped else ending,
        f"Sent {report.sent:,}, failed {report.failed:,}, parked {report.parked:,} notices.",
    )


def _of_run(name: JobName, run: JobRun) -> Outcome:
    net = run.credits_granted - run.credits_expired
    return Outcome(
        name,
        Ending(run.status),
        f"Run {run.pk}: total {run.total_count:,}, succeeded {run.success_count:,},"
        f" failed {run.error_count:,}, credits {net:+,}.",
        run.pk,
    )


_JOBS: dict[JobName, Callable[[JobName, datetime, str, Watch], Outcome]] = {
    JobName.RESET: _reset,
    JobName.EXPIRY: _expiry,
    JobName.SENDING: _sending,
}
