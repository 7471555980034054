"""
Pause a job and let it go on: who, when and why are kept.

A paused job is started by nobody: not because it is due, not by hand, not from the admin; a run
under way ends ``interrupted`` after the chunk at hand. The start of a run asks under the lock that
a pause takes too, so that once a job has been paused no run of it begins.
"""

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from credits.engine.database import attempts, ledger_database, lock_job
from credits.exceptions import AlreadyPaused, JobPaused
from credits.models import JobPause

LONGEST_REASON = 500


def pause_job(job: str, *, reason: str, actor_id: Any, at: datetime) -> JobPause:
    """
    Pause a job until somebody resumes it.

    Args:
        job: one of ``JobPause.Job``.
        reason: why, a line of at most ``LONGEST_REASON`` characters.
        actor_id: the key of the user who wants it so.

    Raises:
        AlreadyPaused: it has been paused before.
    """
    using = ledger_database()
    pause = JobPause(job=job, reason=reason, paused_by_id=actor_id, paused_at=at)
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using):
            lock_job(job, using=using)
            before = pause_of(job)
            if before is not None:
                if _is_same(before, pause):
                    # The answer to our own commit was lost.
                    return before
                raise AlreadyPaused(**_told(before))
            pause.pk = None
            pause.save(using=using, force_insert=True)
    return pause


def resume_job(job: str, *, actor_id: Any, at: datetime) -> JobPause | None:
    """End a job's pause; return it, or ``None`` if the job was not paused."""
    using = ledger_database()
    ended = None
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using):
            lock_job(job, using=using)
            # None in a second attempt may mean that the answer to our own commit was lost.
            if (pause := pause_of(job)) is not None:
                pause.resumed_by_id = actor_id
                pause.resumed_at = at
                pause.save(using=using, update_fields=["resumed_by", "resumed_at"])
                ended = pause
    return ended


def pauses() -> dict[str, JobPause]:
    """Return the jobs that are paused now, each with its pause."""
    open_pauses = JobPause.objects.using(ledger_database()).filter(resumed_at=None)
    # Asked at every turn and mostly in vain: then who paused and why is not asked for as well.
    if not open_pauses.exists():
        return {}
    return {pause.job: pause for pause in open_pauses.select_related("paused_by").order_by("job")}


def pause_of(job: str) -> JobPause | None:
    """Return the pause that keeps a job from starting, if it is paused."""
    return pauses().get(job)


def refuse_if_paused(job: str) -> None:
    """
    Say before a start what the start would say.

    Raises:
        JobPaused: nobody starts this job now.
    """
    if (pause := pause_of(job)) is not None:
        raise JobPaused(**_told(pause))


def who_paused(pause: JobPause) -> str:
    """Return the e-mail address, or the name, of who paused a job."""
    user = pause.paused_by
    if user is None:
        return "somebody who is gone"
    return str(getattr(user, get_user_model().get_email_field_name(), "") or user)


def _told(pause: JobPause) -> dict[str, Any]:
    return {
        "job": pause.job,
        "by": who_paused(pause),
        "since": pause.paused_at,
        "reason": pause.reason,
    }


def _is_same(before: JobPause, pause: JobPause) -> bool:
    return (before.paused_at, before.paused_by_id, before.reason) == (
        pause.paused_at,
        pause.paused_by_id,
        pause.reason,
    )
