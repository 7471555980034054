"""The jobs by name, for whoever starts them from elsewhere: a request, a queue, a cloud."""

from collections.abc import Callable
from datetime import datetime

from credits.engine.database import database_now, ledger_database
from credits.jobs.expiry import expire_credits
from credits.jobs.notices import send_notices
from credits.jobs.outcomes import (
    Ending,
    JobName,
    Outcome,
    outcome_of,
    outcome_of_run,
    outcome_of_sealing,
    outcome_of_sending,
)
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.run_due import run_due_credit_jobs
from credits.jobs.running import Watch
from credits.jobs.sealing import seal_days

__all__ = ["Ending", "JobName", "Outcome", "run_job"]


def run_job(name: JobName, *, as_of: datetime, trigger: str, watch: Watch | None = None) -> Outcome:
    """
    Do the job and say how it ended; never raises for what a job refuses.

    A repeated call does what is left to do.

    Args:
        as_of: the present moment. What is due is judged by the database's clock instead, so that
            a caller whose clock is wrong does nothing too early.
        trigger: who or what asked, at most 32 characters; the run keeps it.
    """
    return outcome_of(name, lambda: _JOBS[name](name, as_of, trigger, watch or Watch()))


def _reset(name: JobName, as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    return outcome_of_run(name, reset_monthly_credits(as_of=as_of, trigger=trigger, watch=watch))


def _expiry(name: JobName, as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    return outcome_of_run(name, expire_credits(as_of=as_of, trigger=trigger, watch=watch))


def _sending(name: JobName, as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    return outcome_of_sending(name, send_notices(as_of=as_of, watch=watch))


def _sealing(name: JobName, as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    return outcome_of_sealing(name, seal_days(as_of=as_of))


def _due(name: JobName, as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    now = database_now(using=ledger_database())
    report = run_due_credit_jobs(as_of=now, trigger=trigger, watch=watch)
    done = [f"{run.job} {run.period}: {run.status}." for run in report.passed]
    done += [f"{outcome.job}: {outcome.message}" for outcome in report.outcomes]
    return Outcome(
        name, report.ending, " ".join(done) or f"Nothing is due; next: {report.next_words}."
    )


_JOBS: dict[JobName, Callable[[JobName, datetime, str, Watch], Outcome]] = {
    JobName.RESET: _reset,
    JobName.EXPIRY: _expiry,
    JobName.SENDING: _sending,
    JobName.SEALING: _sealing,
    JobName.DUE: _due,
}
