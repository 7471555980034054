"""
What is news about the jobs, told once however many hosts see it.

Nothing is taken from the signal that made us look: each look compares what the books say now with
the last alert of a job, so what one process could not tell before it died the next one does. What
is told is committed first, with the operators' mail, and delivered to chats after.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from credits.engine.database import ledger_database
from credits.models import JobAlert, JobRun, Notice
from credits.notices.staging import promise_to_operators
from credits.reports.alarms import Alarm, Trouble, alarms
from credits.reports.run_history import run_history

FIRST_REPEAT = timedelta(hours=6)
"""From an alert until the same trouble is told again; twice as long each time."""

LONGEST_PAUSE = timedelta(days=7)

RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720))
"""From an attempt at delivery until the next; after the last one an alert is given up."""

MOST_AT_ONCE = 20
"""Alerts delivered in one go."""

_BY_MAIL = {
    JobAlert.Kind.FAILED: Notice.Kind.RUN_FAILURE,
    JobAlert.Kind.PARTIAL: Notice.Kind.RUN_FAILURE,
    JobAlert.Kind.MISSED: Notice.Kind.RUN_FAILURE,
    JobAlert.Kind.RECOVERED: Notice.Kind.RUN_RECOVERED,
}


def raise_news(
    jobs: Collection[JobRun.Job] = tuple(JobRun.Job), *, as_of: datetime, tells_late: bool = True
) -> int:
    """
    Write down what is news about these jobs, and promise the operators mail; return how much.

    A trouble is news when it is another than before, and again after a pause that grows. A job has
    recovered when a whole run of it succeeded after the trouble began, not when it merely
    stopped being late.

    Args:
        tells_late: whether a job that is late is news; not where a run may be about to begin.
    """
    using = ledger_database()
    count = 0
    for job in jobs:
        runs = run_history(job, as_of=as_of).runs
        last = JobAlert.objects.using(using).filter(job=job).order_by("-number").first()
        if (alarm := _trouble(job, runs, as_of=as_of)) is not None:
            if alarm.trouble == Trouble.LATE and not tells_late:
                continue
            alert = _told(alarm, last, as_of=as_of)
        else:
            alert = _recovered(runs, last, as_of=as_of)
        if alert is not None:
            alert.number = last.number + 1 if last else 1
            count += _write(alert, using=using)
    return count


def _trouble(job: JobRun.Job, runs: Iterable[JobRun], *, as_of: datetime) -> Alarm | None:
    # What was interrupted, or died, is taken up by the next start: it is news when that is late.
    ended = {JobRun.Status.RUNNING, JobRun.Status.INTERRUPTED}
    found = alarms([run for run in runs if run.status not in ended], as_of=as_of)
    return next((alarm for alarm in found if alarm.job == job), None)


def _told(alarm: Alarm, last: JobAlert | None, *, as_of: datetime) -> JobAlert | None:
    """Return the alert for a trouble, unless it was told not long ago."""
    run = alarm.run
    alert = JobAlert(
        job=alarm.job,
        kind=JobAlert.Kind(alarm.trouble.value),
        about=run.period if run else alarm.about,
        command=alarm.command,
        run=run,
        since=(run and run.finished_at) or as_of,
        created_at=as_of,
        next_attempt_at=as_of,
    )
    if last is None or last.kind == JobAlert.Kind.RECOVERED:
        return alert
    alert.since = last.since
    if (last.kind, _subject(last)) == (alert.kind, _subject(alert)):
        pause = min(FIRST_REPEAT * 2 ** min(last.repeats, 10), LONGEST_PAUSE)
        if as_of < last.created_at + pause:
            return None
        alert.repeats = last.repeats + 1
    return alert


def _subject(alert: JobAlert) -> str:
    # An expiry has no period: one that is late is late for each day anew.
    return alert.about if alert.job == JobRun.Job.RESET else ""


def _recovered(
    runs: Iterable[JobRun], last: JobAlert | None, *, as_of: datetime
) -> JobAlert | None:
    if last is None or last.kind == JobAlert.Kind.RECOVERED:
        return None
    for run in runs:
        if (
            run.status == JobRun.Status.SUCCEEDED
            and run.is_whole
            and run.finished_at is not None
            and run.finished_at >= last.since
        ):
            return JobAlert(
                job=last.job,
                kind=JobAlert.Kind.RECOVERED,
                about=run.period,
                run=run,
                since=last.since,
                created_at=as_of,
                next_attempt_at=as_of,
            )
    return None


def _write(alert: JobAlert, *, using: str) -> bool:
    """Write the alert and promise its mail; say no where another process was first."""
    try:
        with transaction.atomic(using=using):
            alert.save(using=using, force_insert=True)
            # Of late jobs the sending of notices tells by mail itself.
            if (kind := _BY_MAIL.get(JobAlert.Kind(alert.kind))) and alert.run is not None:
                about = f"{alert.run.pk}:{alert.number}"
                promise_to_operators(
                    kind, about, {}, run=alert.run, at=alert.created_at, using=using
                )
    except IntegrityError:
        return False
    return True


def take_due(*, as_of: datetime) -> list[JobAlert]:
    """
    Return the alerts that are due for delivery, oldest first; nobody else gets them meanwhile.

    Each counts as attempted from now on: if this process dies, another tries after a pause.
    """
    using = ledger_database()
    waiting = JobAlert.objects.using(using).filter(status=JobAlert.Status.PENDING)
    due = waiting.filter(next_attempt_at__lte=as_of).select_related("run").order_by("pk")
    taken = []
    for alert in due[:MOST_AT_ONCE]:
        alert.next_attempt_at = as_of + RETRIES[min(alert.attempts, len(RETRIES) - 1)]
        if waiting.filter(pk=alert.pk, attempts=alert.attempts).update(
            attempts=F("attempts") + 1, next_attempt_at=alert.next_attempt_at
        ):
            alert.attempts += 1
            taken.append(alert)
    return taken


def settle(alert: JobAlert, *, told: Collection[str], wanted: Collection[str]) -> JobAlert.Status:
    """
    Write down which chats have an alert now; return whether it is done with.

    Args:
        told: the fingerprints of the chats that took it.
        wanted: those of all chats that should.
    """
    reached = {*alert.told, *told}
    if reached >= set(wanted):
        status = JobAlert.Status.SENT
    elif alert.attempts > len(RETRIES):
        status = JobAlert.Status.GIVEN_UP
    else:
        status = JobAlert.Status.PENDING
    JobAlert.objects.using(ledger_database()).filter(pk=alert.pk).update(
        status=status, told=sorted(reached)
    )
    return status
