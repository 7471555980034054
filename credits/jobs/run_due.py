"""
Do what is due and nothing else, whoever calls, how often and from how many hosts.

What is due is written down in ``DUE_WORK``, one line for each kind of work, in the order in which
it is done. Where nothing is due nothing is written.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

from credits.conf import get_settings
from credits.engine.database import ledger_database
from credits.exceptions import NotDue
from credits.jobs.due import LateJob, Verdict, judge_expiry, judge_reset, late_jobs
from credits.jobs.expiry import expire_credits
from credits.jobs.holding import Hold
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
from credits.jobs.passing import passed_periods, record_passed_periods
from credits.jobs.pausing import pause_of
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.running import Watch, refuse_if_active
from credits.jobs.sealing import day_to_seal, seal_days
from credits.models import JobClaim, JobRun, Notice
from credits.signals import jobs_checked

logger = logging.getLogger("credits.jobs")

PROMISE_EVERY = timedelta(minutes=15)
"""How often it is looked for expiry warnings, and words about late jobs, to promise."""


@dataclass(frozen=True)
class DueWork:
    """One kind of work: when it is due, and what does it."""

    name: JobName
    judge: Callable[..., Verdict]
    """Called with ``as_of``."""

    do: Callable[[datetime, str, Watch], Outcome]
    """Called with ``as_of``, the trigger and a watch, if it is due; it judges again itself."""

    is_wanted: Callable[[], bool] = lambda: True
    """Whether the project's settings ask for it at all."""


@dataclass(frozen=True)
class DueReport:
    """What one call found and did."""

    as_of: datetime
    passed: tuple[JobRun, ...]
    """Rows for months that passed without a reset, recorded now."""

    outcomes: tuple[Outcome, ...]
    """What was due, in the order in which it was done."""

    verdicts: tuple[Verdict, ...]
    """When each kind of work is due, after what was done."""

    late: tuple[LateJob, ...]
    was_stopped: bool
    """The watch said stop before everything was looked at."""

    @property
    def ending(self) -> Ending:
        """The worst ending; what another is at is as good as done."""
        endings = {outcome.ending for outcome in self.outcomes}
        if self.was_stopped:
            endings.add(Ending.INTERRUPTED)
        for worst in (Ending.INTERRUPTED, Ending.FAILED, Ending.PARTIAL):
            if worst in endings:
                return worst
        return Ending.SUCCEEDED

    @property
    def next_words(self) -> str:
        """What is due next, and when, as ``expire_credits at 2026-03-02 02:00 UTC``."""
        waiting = [verdict for verdict in self.verdicts if verdict.pause is None]
        if not waiting:
            return "nothing, all is paused"
        soonest = min(waiting, key=lambda verdict: verdict.next_at)
        return f"{soonest.job} at {soonest.next_at:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class DueForecast:
    """What a call would find and do."""

    as_of: datetime
    passed: tuple[str, ...]
    """Months without a reset that it would record."""

    verdicts: tuple[Verdict, ...]


def run_due_credit_jobs(
    *, as_of: datetime, trigger: str = "due", watch: Watch | None = None
) -> DueReport:
    """
    Do what is due at ``as_of``; nothing is done twice, and one job's failure stops no other.

    Args:
        as_of: the present moment by the clock of the database (``database_now``).
        trigger: who or what asked; the runs keep it.
        watch: its ``should_stop`` is also asked between the jobs.
    """
    watch = watch or Watch()
    passed = record_passed_periods(as_of=as_of, trigger=trigger)
    outcomes = []
    judged = []
    was_stopped = False
    for work in _wanted():
        if was_stopped := watch.should_stop():
            break
        judged.append(work.judge(as_of=as_of))
        if judged[-1].is_due and (outcome := _done(work, as_of, trigger, watch)):
            outcomes.append(outcome)
    if was_stopped or any(verdict.is_due for verdict in judged):
        judged = list(verdicts(as_of=as_of))
    late = late_jobs(as_of=as_of)
    jobs_checked.send_robust(sender=JobRun, as_of=as_of, late=late)
    return DueReport(as_of, tuple(passed), tuple(outcomes), tuple(judged), tuple(late), was_stopped)


def forecast_due(*, as_of: datetime) -> DueForecast:
    """Say what ``run_due_credit_jobs`` would find due; nothing is written."""
    return DueForecast(as_of, tuple(passed_periods(as_of=as_of)), verdicts(as_of=as_of))


def verdicts(*, as_of: datetime) -> tuple[Verdict, ...]:
    """Judge every kind of work at ``as_of``."""
    return tuple(work.judge(as_of=as_of) for work in _wanted())


def _wanted() -> list[DueWork]:
    return [work for work in DUE_WORK if work.is_wanted()]


def _done(work: DueWork, as_of: datetime, trigger: str, watch: Watch) -> Outcome | None:
    """Do one kind of work; return ``None`` if another did it meanwhile."""
    try:
        return outcome_of(work.name, lambda: work.do(as_of, trigger, watch))
    except NotDue:
        return None
    except Exception as error:
        # The host's own functions are called in there, and may raise anything.
        logger.exception("due job failed job=%s", work.name)
        return Outcome(work.name, Ending.FAILED, f"{type(error).__name__}: {error}".splitlines()[0])


def _reset(as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    refuse_if_active(JobRun.Job.RESET)
    watch = replace(watch, may_start=lambda: judge_reset(as_of=as_of).is_due)
    run = reset_monthly_credits(as_of=as_of, trigger=trigger, watch=watch)
    return outcome_of_run(JobName.RESET, run)


def _expire(as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    refuse_if_active(JobRun.Job.EXPIRY)
    watch = replace(watch, may_start=lambda: judge_expiry(as_of=as_of).is_due)
    run = expire_credits(as_of=as_of, trigger=trigger, watch=watch)
    return outcome_of_run(JobName.EXPIRY, run)


def judge_sending(*, as_of: datetime) -> Verdict:
    """Say whether notices wait to be sent or are to be promised, and nobody is at it."""
    using = ledger_database()
    claim = JobClaim.objects.using(using).filter(pk=JobName.SENDING).first()
    pause = pause_of(JobName.SENDING)
    moments = [_promise_at(claim) or as_of]
    # Those of a sender that was killed are found by the next one.
    for status in (Notice.Status.PENDING, Notice.Status.SENDING):
        waiting = Notice.objects.using(using).filter(status=status)
        first = waiting.order_by("next_attempt_at").values_list("next_attempt_at", flat=True)
        moments += first[:1]
    next_at = min(moments)
    if claim is not None and claim.held_until is not None:
        next_at = max(next_at, claim.held_until)
    is_due = pause is None and next_at <= as_of
    return Verdict(JobName.SENDING, next_at, is_due=is_due, pause=pause)


def _send(as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    started = monotonic()
    hold = Hold(JobName.SENDING, clock=lambda: as_of + timedelta(seconds=monotonic() - started))
    if not hold:
        raise NotDue(job=JobName.SENDING)
    claim = JobClaim.objects.using(ledger_database()).get(pk=JobName.SENDING)
    promise_at = _promise_at(claim)
    is_promising = promise_at is None or promise_at <= as_of
    if is_promising:
        hold.mark_done(as_of)

    def progress(done: int) -> None:
        hold.renew()
        watch.progress(done)

    report = send_notices(
        as_of=as_of,
        promising=is_promising,
        watch=replace(
            watch, progress=progress, should_stop=lambda: watch.should_stop() or not hold
        ),
    )
    if not report.given_up:
        hold.release()
    return outcome_of_sending(JobName.SENDING, report)


def judge_sealing(*, as_of: datetime) -> Verdict:
    """Say whether the day before waits for its seal; without a key there is nothing to judge."""
    today = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    if day_to_seal(as_of=as_of) is None:
        return Verdict(JobName.SEALING, today + timedelta(days=1))
    return Verdict(JobName.SEALING, today, is_due=True)


def _seal(as_of: datetime, trigger: str, watch: Watch) -> Outcome:
    seal = seal_days(as_of=as_of)
    if seal is None:
        raise NotDue(job=JobName.SEALING)
    return outcome_of_sealing(JobName.SEALING, seal)


def _promise_at(claim: JobClaim | None) -> datetime | None:
    return claim.done_at + PROMISE_EVERY if claim is not None and claim.done_at else None


DUE_WORK: tuple[DueWork, ...] = (
    DueWork(JobName.RESET, judge_reset, _reset),
    DueWork(JobName.EXPIRY, judge_expiry, _expire),
    DueWork(JobName.SENDING, judge_sending, _send),
    DueWork(JobName.SEALING, judge_sealing, _seal, is_wanted=lambda: bool(get_settings().seal_key)),
)
