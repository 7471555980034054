"""How a call of a job ended, in words for somebody who was not there."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from django.db import DatabaseError

from credits.exceptions import CreditsError, JobPaused, NotDue, RunAlreadyActive, RunFailed
from credits.jobs.notices import SendReport
from credits.models import DaySeal, JobRun


class JobName(StrEnum):
    """What can be asked for; a name is that of the command."""

    RESET = "reset_monthly_credits"
    EXPIRY = "expire_credits"
    SENDING = "send_credit_notices"
    SEALING = "seal_credits"
    DUE = "run_due_credit_jobs"


class Ending(StrEnum):
    """How a call ended."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    ALREADY_ACTIVE = "already_active"
    PAUSED = "paused"


@dataclass(frozen=True)
class Outcome:
    """What became of a call, for somebody who was not there."""

    job: JobName
    ending: Ending
    message: str
    """One sentence; it names no person."""

    run_id: int | None = None
    """The run, if the job records one."""


def outcome_of(name: JobName, act: Callable[[], Outcome]) -> Outcome:
    """
    Return what an act returns, or the outcome that stands for what it refuses.

    Raises:
        NotDue: there is nothing to tell.
    """
    try:
        return act()
    except NotDue:
        raise
    except RunAlreadyActive as error:
        return Outcome(name, Ending.ALREADY_ACTIVE, str(error), error.run_id)
    except JobPaused as error:
        since = f"{error.since:%Y-%m-%d %H:%M} UTC"
        return Outcome(name, Ending.PAUSED, f"{error.job} is paused since {since}.")
    except RunFailed as error:
        return Outcome(name, Ending.FAILED, str(error), error.run_id)
    except (CreditsError, DatabaseError) as error:
        sentence = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Outcome(name, Ending.FAILED, sentence)


def outcome_of_run(name: JobName, run: JobRun) -> Outcome:
    """Return the outcome of a run that has ended."""
    net = run.credits_granted - run.credits_expired
    message = (
        f"Run {run.pk}: total {run.total_count:,}, succeeded {run.success_count:,},"
        f" failed {run.error_count:,}, credits {net:+,}."
    )
    if run.status == JobRun.Status.SUCCEEDED and run.error_summary:
        # A warning of our own: that of a failure may quote what the database said of a row.
        message += f" {run.error_summary}"
    return Outcome(name, Ending(run.status), message, run.pk)


def outcome_of_sealing(name: JobName, seal: DaySeal | None) -> Outcome:
    """Return the outcome of a call that sealed the day before, or found it sealed."""
    if seal is None:
        return Outcome(name, Ending.SUCCEEDED, "The day before was sealed already.")
    words = f"Sealed {seal.day}: {seal.transaction_count:,} transactions."
    return Outcome(name, Ending.SUCCEEDED, words)


def outcome_of_sending(name: JobName, report: SendReport) -> Outcome:
    """Return the outcome of a call that sent notices."""
    if report.given_up:
        return Outcome(name, Ending.FAILED, report.given_up)
    ending = Ending.PARTIAL if report.failed or report.parked else Ending.SUCCEEDED
    return Outcome(
        name,
        Ending.INTERRUPTED if report.was_stopped else ending,
        f"Sent {report.sent:,}, failed {report.failed:,}, parked {report.parked:,} notices.",
    )
