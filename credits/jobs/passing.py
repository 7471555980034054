"""
Months that have passed without a reset: each gets one row in the history, and none is made good.

A month in which the job was paused when it ended was ``skipped``, for the reason of the pause; any
other was ``missed``. A month with a partial run is neither: it was reset, and that run tells for
whom it was not. Nothing is missed before the first run that this installation recorded.
"""

import os
import socket
from datetime import datetime
from operator import attrgetter

from django.db import transaction
from django.db.models import F, Q, TextField, Value
from django.db.models.functions import Concat

from credits.engine.database import attempts, ledger_database, lock_job
from credits.models import JobPause, JobRun
from credits.notices.staging import promise_run_notice
from credits.periods import add_months, period_of, start_of
from credits.signals import run_finished

_NOT_PASSED_BY = [JobRun.Status.RUNNING, JobRun.Status.SUCCEEDED, JobRun.Status.PARTIAL]
_TOLD = [JobRun.Status.MISSED, JobRun.Status.SKIPPED]


def passed_periods(*, as_of: datetime) -> list[str]:
    """Return the months before that of ``as_of`` without a reset that nothing tells of yet."""
    runs = JobRun.objects.using(ledger_database())
    first = runs.order_by("pk").values("job", "as_of", "started_at").first()
    if first is None:
        return []
    # The later of the two: what was asked about may lie far back, and a clock may have been wrong.
    month = start_of(period_of(max(first["as_of"], first["started_at"])))
    if first["job"] != JobRun.Job.RESET:
        # Whoever began in the middle of a month with an expiry has missed no reset.
        month = add_months(month, 1)
    settled = set(
        runs.filter(job=JobRun.Job.RESET, period__gte=period_of(month))
        .filter(Q(status__in=_NOT_PASSED_BY, is_whole=True) | Q(status__in=_TOLD))
        .values_list("period", flat=True)
    )
    passed = []
    while (period := period_of(month)) < period_of(as_of):
        if period not in settled:
            passed.append(period)
        month = add_months(month, 1)
    return passed


def record_passed_periods(*, as_of: datetime, trigger: str) -> list[JobRun]:
    """
    Record each month that passed without a reset, once; return the rows that are new.

    The operators are told in the same transaction; ``run_finished`` is sent after it.
    """
    if not passed_periods(as_of=as_of):
        return []
    using = ledger_database()
    recorded: list[JobRun] = []
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using):
            lock_job(JobRun.Job.RESET, using=using)
            # Asked again: another may have recorded them, or reset one by hand, meanwhile.
            new = [
                _recorded(period, as_of=as_of, trigger=trigger, using=using)
                for period in passed_periods(as_of=as_of)
            ]
            # None in a second attempt may mean that the answer to our own commit was lost.
            recorded = new or _still_there(recorded, using=using)
    for run in recorded:
        run_finished.send_robust(sender=JobRun, run=run)
    return recorded


def acknowledge_missed(run_id: int, *, reason: str, at: datetime) -> bool:
    """
    Take note of a missed month: nothing tells of it any more, and its row stays ``missed``.

    Args:
        reason: why nothing else needs doing, a line. It is kept with the run and logged with it,
            so it should name nobody; who took note stands in the admin's log.

    Returns:
        Whether this call did it: not where somebody was faster, nor for a run of another status.
    """
    runs = JobRun.objects.using(ledger_database())
    open_run = runs.filter(pk=run_id, status=JobRun.Status.MISSED, acknowledged_at=None)
    # One UPDATE, so of two at once the second finds nothing left to acknowledge.
    words = Concat(F("error_summary"), Value(f" Acknowledged: {reason}"), output_field=TextField())
    return bool(open_run.update(acknowledged_at=at, error_summary=words))


def _still_there(runs: list[JobRun], *, using: str) -> list[JobRun]:
    # A key alone says little: where the attempt was rolled back it may be another's by now.
    rows = JobRun.objects.using(using).in_bulk([run.pk for run in runs])
    of_whom = attrgetter("started_at", "host", "process_id")
    return [run for run in runs if run.pk in rows and of_whom(rows[run.pk]) == of_whom(run)]


def _recorded(period: str, *, as_of: datetime, trigger: str, using: str) -> JobRun:
    ended_at = add_months(start_of(period), 1)
    pauses = JobPause.objects.using(using).filter(job=JobRun.Job.RESET, paused_at__lt=ended_at)
    pause = pauses.filter(Q(resumed_at=None) | Q(resumed_at__gte=ended_at)).order_by("pk").last()
    status, summary = JobRun.Status.MISSED, "The month passed without a reset that succeeded."
    if pause is not None:
        status = JobRun.Status.SKIPPED
        # Logged: so it names nobody. Who paused it stands in the pause.
        summary = f"Paused when the month ended: {pause.reason}"
    run = JobRun.objects.using(using).create(
        job=JobRun.Job.RESET,
        period=period,
        as_of=as_of,
        status=status,
        trigger=trigger,
        started_at=as_of,
        heartbeat_at=as_of,
        finished_at=as_of,
        host=socket.gethostname(),
        process_id=os.getpid(),
        error_summary=summary,
    )
    promise_run_notice(run, at=as_of, using=using)
    return run
