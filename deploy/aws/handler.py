"""
AWS Lambda: do the job that an event of EventBridge names.

What did not end well is raised, so that Lambda calls again and, in the end, puts the event where
the alarm looks. A run that would outlast the call stops between two chunks, and counts as not
ended: the next call goes on with it.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, Protocol

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")
if not apps.ready:
    # Once for each environment that Lambda starts, not for each call.
    django.setup()

from django.db import connections
from django.utils import timezone

from credits.jobs.named import Ending, JobName, run_job
from credits.jobs.running import Watch

MARGIN = 60_000
"""Milliseconds before Lambda's timeout at which no chunk is begun any more."""

UNFINISHED = {Ending.PARTIAL, Ending.INTERRUPTED, Ending.FAILED}
"""After these another call has something to do. Where another run is active, that one does it."""


class JobUnfinished(Exception):
    """The job has not ended well; its sentence says how far it came."""


class Context(Protocol):
    """What is used of Lambda's context."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the call may still last."""


def handle(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """
    Do the job that the event names and say how it ended.

    Raises:
        ValueError: the event names no job.
        JobUnfinished: another call has something to do.
    """
    job = job_of(event)
    watch = Watch(should_stop=lambda: context.get_remaining_time_in_millis() < MARGIN)
    trigger = f"lambda:{context.aws_request_id}"[:32]
    try:
        outcome = run_job(job, as_of=timezone.now(), trigger=trigger, watch=watch)
    finally:
        # The environment is frozen now, for minutes or for good: a connection would not live.
        connections.close_all()
    if outcome.ending in UNFINISHED:
        raise JobUnfinished(f"{outcome.ending}: {outcome.message}")
    return {
        "job": outcome.job,
        "ending": outcome.ending,
        "message": outcome.message,
        "run": outcome.run_id,
    }


def job_of(event: Mapping[str, Any]) -> JobName:
    """
    Return the job that an event names.

    That is ``{"job": …}``, which a schedule or a rule gives as its input; the same in the detail
    of an event on a bus; or, where nothing was given, the name of the schedule or of the rule.

    Raises:
        ValueError: it names none.
    """
    detail = event.get("detail")
    if isinstance(detail, str):
        # EventBridge Scheduler writes it as a text.
        detail = json.loads(detail or "{}")
    names = [event.get("job"), (detail or {}).get("job")]
    names += [str(arn).rpartition("/")[2] for arn in event.get("resources", [])]
    for name in names:
        if name in list(JobName):
            return JobName(name)
    given = next((name for name in names if name), None)
    raise ValueError(
        f'The event names no job but {given!r}: give the schedule the input {{"job": "NAME"}},'
        f" where NAME is {' or '.join(JobName)}."
    )
