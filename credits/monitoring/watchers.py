"""
Tell the world about runs: what to say is decided here, said in ``hooks``, for ten seconds at most.

What fails is logged as one line without secrets, and fails nothing else. A run that was narrowed
to some professionals says nothing about its job: monitors do not hear of it.
"""

import logging
import os
import socket
import time
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from credits.engine.database import apart, ledger_database
from credits.jobs.due import LateJob
from credits.models import JobAlert, JobRun
from credits.monitoring import alerts, chat, heartbeat, hooks, sentry
from credits.monitoring.chat import Message
from credits.monitoring.hooks import Answer, Hook, Pending
from credits.notices.facts import failures_of

logger = logging.getLogger("credits.monitoring")

# What was said of the beginning of runs under way: the end must not overtake it.
_beginnings: dict[int, list[Pending]] = {}


def run_began(*, run: JobRun, **kwargs: Any) -> None:
    """Tell the monitors that a run has begun, and wait for nothing."""
    if run.is_whole:
        begun = [*heartbeat.begun(run), *sentry.begun(run)]
        _beginnings[run.pk] = [hooks.start(hook) for hook in begun]


def run_ended(*, run: JobRun, **kwargs: Any) -> None:
    """Tell the monitors that a run has ended, and the chats what is news."""
    monitors: list[Hook] = []
    # One that died elsewhere was taken over: what becomes of it, the run that did so tells.
    if run.is_whole and (run.host, run.process_id) == (socket.gethostname(), os.getpid()):
        failures = list(failures_of(run)[: heartbeat.MOST_LINES])
        monitors = [*heartbeat.ended(run, failures), *sentry.ended(run)]
    before = _beginnings.pop(run.pk, [])
    # Whether a job is late, those ask who start what is due: another run may follow this one.
    job = JobRun.Job(run.job)
    tell([job], monitors, as_of=timezone.now(), tells_late=False, before=before)
    _log(pending.answer(until=0) for pending in before)


def jobs_checked(*, as_of: datetime, late: list[LateJob], **kwargs: Any) -> None:
    """Tell the chats which jobs are late, and whatever they could not be told before."""
    monitors = heartbeat.checked([job.job.value for job in late])
    tell(tuple(JobRun.Job), monitors, as_of=as_of)


def tell(
    jobs: Collection[JobRun.Job],
    monitors: list[Hook],
    *,
    as_of: datetime,
    tells_late: bool = True,
    before: Collection[Pending] = (),
) -> list[Answer]:
    """Raise what is news, then call every hook side by side; return what became of each."""
    chats = {it.fingerprint: it for it in chat.chats()}
    due: list[JobAlert] = []
    using = ledger_database()
    try:
        with apart(using=using):
            alerts.raise_news(jobs, as_of=as_of, tells_late=tells_late)
            due = alerts.take_due(as_of=as_of)
    except DatabaseError:
        logger.exception("alerts were not raised")

    told: list[tuple[int, str]] = []
    messages: dict[int, Message] = {alert.pk: chat.message_of(alert) for alert in due}
    calls = [_after(before, hook) for hook in monitors]
    for fingerprint, it in chats.items():
        lacking = [(a.pk, messages[a.pk]) for a in due if fingerprint not in a.told]
        if lacking:
            calls.append(chat.hook(it, lacking, told))
    answers = hooks.call_all(calls)
    _log(answers)
    try:
        with apart(using=using):
            _settle(due, list(told), wanted=chats)
    except DatabaseError:
        logger.exception("deliveries of alerts were not recorded")
    return answers


def _settle(due: list[JobAlert], told: list[tuple[int, str]], *, wanted: Collection[str]) -> None:
    for alert in due:
        reached = [fingerprint for key, fingerprint in told if key == alert.pk]
        if alerts.settle(alert, told=reached, wanted=wanted) == JobAlert.Status.GIVEN_UP:
            logger.error("alert given up id=%s job=%s kind=%s", alert.pk, alert.job, alert.kind)


def _log(answers: Iterable[Answer]) -> None:
    for answer in answers:
        if answer.problem is not None:
            logger.warning("hook failed name=%s problem=%r", answer.name, answer.problem)


def _after(before: Collection[Pending], hook: Hook) -> Hook:
    """Return the hook that waits for others to be through first, but not for ever."""

    def act() -> None:
        until = time.monotonic() + hooks.LONGEST / 2
        for pending in before:
            pending.answer(until=until)
        hook.act()

    return Hook(hook.name, act)
