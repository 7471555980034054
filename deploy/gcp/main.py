"""
Google Cloud Run functions: do the job that a request of Cloud Scheduler names.

The function looks at the token itself, whoever may call it. What did not end well is answered with
500, so that Cloud Scheduler calls again. A run that would outlast the request stops between two
chunks: the next call goes on with it.
"""

import logging
import os
import time
from typing import TYPE_CHECKING, Any

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")
if not apps.ready:
    # Once for each instance, not for each request.
    django.setup()

from django.db import connections
from django.utils import timezone

from credits.jobs.named import Ending, JobName, run_job
from credits.jobs.running import Watch
from credits.triggering.google import is_from_google

if TYPE_CHECKING:
    from flask import Request

logger = logging.getLogger("credits.triggering")

RUN_SECONDS = int(os.environ.get("RUN_SECONDS", "240"))
"""Seconds after which no chunk is begun any more: a minute less than the request may take."""

UNFINISHED = {Ending.PARTIAL, Ending.INTERRUPTED, Ending.FAILED}
"""After these another call has something to do. Where another run is active, that one does it."""

Answer = tuple[dict[str, Any], int, dict[str, str]]


def run(request: "Request") -> Answer:
    """Do the job that ``POST {"job": …}`` names and answer when it has ended."""
    begun = time.monotonic()
    if request.method != "POST":
        return _refusal(405, "POST is asked for.", {"Allow": "POST"})
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not is_from_google(token.strip()):
        return _refusal(401, "A key is asked for.", {"WWW-Authenticate": 'Bearer realm="credits"'})
    body = request.get_json(silent=True)
    name = body.get("job") if isinstance(body, dict) else None
    if name not in list(JobName):
        return _refusal(400, f'Send {{"job": "NAME"}}, where NAME is {" or ".join(JobName)}.', {})
    watch = Watch(should_stop=lambda: time.monotonic() - begun > RUN_SECONDS)
    try:
        outcome = run_job(JobName(name), as_of=timezone.now(), trigger="google", watch=watch)
    finally:
        # The instance may be frozen now: a connection would not live.
        connections.close_all()
    is_unfinished = outcome.ending in UNFINISHED
    logger.log(
        logging.ERROR if is_unfinished else logging.INFO,
        "job ended job=%s ending=%s message=%s",
        outcome.job,
        outcome.ending,
        outcome.message,
    )
    content = {
        "job": outcome.job,
        "ending": outcome.ending,
        "message": outcome.message,
        "run": outcome.run_id,
    }
    return content, 500 if is_unfinished else 200, {}


def _refusal(status: int, sentence: str, headers: dict[str, str]) -> Answer:
    return {"error": sentence}, status, headers
