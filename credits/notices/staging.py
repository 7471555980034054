"""Promise notices to the operators, one for each address."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from credits.conf import get_settings
from credits.models import JobRun, Notice


def operators() -> tuple[str, ...]:
    """Return the addresses that hear of runs: ``CREDITS["ADMIN_RECIPIENTS"]``, else ``ADMINS``."""
    # ADMINS holds (name, address) pairs; from Django 6.0 on also bare addresses.
    admins = [admin if isinstance(admin, str) else admin[1] for admin in settings.ADMINS]
    return get_settings().admin_recipients or tuple(admins)


def promise_run_notice(run: JobRun, *, at: datetime, using: str) -> int:
    """
    Promise the operators a word about a finished run; return how many notices are new.

    A run that found nothing to do is no news; whether trouble is, ``monitoring.alerts`` knows.
    """
    troubled = run.status in {
        JobRun.Status.PARTIAL,
        JobRun.Status.FAILED,
        JobRun.Status.MISSED,
    }
    if troubled or not (run.total_count or run.error_summary):
        return 0
    return promise_to_operators(
        Notice.Kind.RUN_SUMMARY, str(run.pk), {}, run=run, at=at, using=using
    )


def promise_to_operators(
    kind: Notice.Kind,
    about: str,
    context: Mapping[str, Any],
    *,
    run: JobRun | None = None,
    at: datetime,
    using: str,
) -> int:
    """Promise each operator one notice about ``about``; return how many were promised now."""
    promised = 0
    for address in operators():
        _, is_new = Notice.objects.using(using).get_or_create(
            key=f"{kind.value}:{about}:{address}",
            defaults={
                "kind": kind,
                "run": run,
                "context": dict(context),
                "address": address,
                "language": settings.LANGUAGE_CODE,
                "next_attempt_at": at,
                "created_at": at,
            },
        )
        promised += is_new
    return promised
