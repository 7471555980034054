"""
Forget what is old: runs that wrote nothing to the ledger, notices that were sent. Never the ledger.

Piece by piece, each in a transaction of its own: safe to kill, to repeat, to run beside all else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Substr

from credits.conf import get_settings
from credits.engine.database import attempts, ledger_database
from credits.models import JobFailure, JobRun, JobShard, Notice
from credits.periods import period_of, start_of

_FINAL = [
    Notice.Status.SENT,
    Notice.Status.DELIVERED,
    Notice.Status.BOUNCED,
    Notice.Status.COMPLAINED,
    Notice.Status.SUPPRESSED,
    Notice.Status.FAILED,
]
_DONE = [JobRun.Status.SUCCEEDED, JobRun.Status.PARTIAL]

CHUNK = 1_000

A_CENTURY = 36_525


@dataclass(frozen=True)
class Pruned:
    """What went, or would go."""

    notices: int
    runs: int
    emptied: int
    """Runs that the ledger refers to: they stay, what they said about failures went."""


def prune_history(
    *,
    as_of: datetime,
    keep_runs_days: int | None = None,
    keep_notices_days: int | None = None,
    dry_run: bool = False,
) -> Pruned:
    """
    Delete the runs and notices that ended too long before ``as_of`` and that nothing needs.

    Args:
        keep_runs_days: instead of ``CREDITS["KEEP_RUNS_DAYS"]``.
        keep_notices_days: instead of ``CREDITS["KEEP_NOTICES_DAYS"]``.
    """
    settings = get_settings()
    keep_runs = _days(keep_runs_days or settings.keep_runs_days)
    keep_notices = _days(keep_notices_days or settings.keep_notices_days)
    # Of the month under way all stays: it says what was done, and no word is said twice.
    month = start_of(period_of(as_of))
    notices = _old_notices(min(as_of - keep_notices, month), as_of)
    runs = _old_runs(min(as_of - keep_runs, month), as_of)
    # A notice that stays keeps its run.
    empty = runs.filter(success_count=0).exclude(
        pk__in=Notice.objects.using(runs.db)
        .filter(run__isnull=False)
        .exclude(pk__in=notices.values("pk"))
        .values("run")
    )
    spoken = JobFailure.objects.using(runs.db).exclude(error="").values("run")
    telling = runs.filter(~Q(error_summary="") | Q(pk__in=spoken), success_count__gt=0)
    if dry_run:
        return Pruned(notices.count(), empty.count(), telling.count())
    return Pruned(
        _piecewise(notices, _delete, size=CHUNK),
        # One by one: for each, the database looks through a ledger that has no index on its runs.
        _piecewise(empty, _delete, size=1),
        _piecewise(telling, _empty, size=CHUNK),
    )


def _days(count: int) -> timedelta:
    # Who says a million days means for ever, and the calendar has no such day.
    return timedelta(days=min(count, A_CENTURY))


def _old_notices(before: datetime, as_of: datetime) -> QuerySet[Notice]:
    """Return notices that ended and whose key will not be promised again."""
    warning = Notice.Kind.EXPIRY_WARNING
    # A warning's key begins with its kind and the day of the expiry. While that lies ahead, the
    # key alone keeps it from being promised a second time.
    day = Substr("key", len(warning.value) + 2, 10)
    today = as_of.astimezone(UTC).date().isoformat()
    return (
        Notice.objects.using(ledger_database())
        .filter(status__in=_FINAL, created_at__lt=before)
        .annotate(day=day)
        .filter(~Q(kind=warning) | Q(day__lt=Value(today)))
    )


def _old_runs(before: datetime, as_of: datetime) -> QuerySet[JobRun]:
    """Return runs that ended and that say neither when a job last succeeded nor what was missed."""
    runs = JobRun.objects.using(ledger_database())
    last = [
        runs.filter(job=job, is_whole=True, status__in=_DONE)
        .order_by("-started_at")
        .values_list("pk", flat=True)
        .first()
        for job in JobRun.Job
    ]
    return (
        runs.filter(started_at__lt=before)
        .exclude(status__in=[JobRun.Status.RUNNING, JobRun.Status.MISSED])
        .exclude(pk__in=[key for key in last if key is not None])
        .exclude(job=JobRun.Job.RESET, period__gte=period_of(as_of))
    )


def _piecewise(rows: QuerySet[Any], act: Callable[[QuerySet[Any]], None], *, size: int) -> int:
    # MariaDB, which cannot be told, locks what is joined too: here nothing is.
    own = ("self",) if connections[rows.db].features.has_select_for_update_of else ()
    count = 0
    while True:
        keys: list[int] = []
        for attempt in attempts(using=rows.db):
            with attempt, transaction.atomic(using=rows.db):
                piece = rows.order_by("pk").select_for_update(of=own)
                keys = list(piece.values_list("pk", flat=True)[:size])
                if keys:
                    act(rows.model._base_manager.using(rows.db).filter(pk__in=keys))
        if not keys:
            return count
        count += len(keys)


def _delete(rows: QuerySet[Any]) -> None:
    rows.delete()


def _empty(runs: QuerySet[JobRun]) -> None:
    JobFailure.objects.using(runs.db).filter(run__in=runs.values("pk")).update(error="")
    JobShard.objects.using(runs.db).filter(run__in=runs.values("pk")).update(error="")
    runs.update(error_summary="")
