"""
What a Celery worker and beat run::

    celery -A homezy worker
    celery -A homezy beat

Settings that begin with ``CELERY_`` are Celery's. When the jobs run is what settings/schedule.py
says to cron, in UTC.
"""

import os

from celery import Celery
from celery.schedules import crontab
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")

SWEEP_EVERY = 60
"""Seconds between two looks for shards whose worker or whose task was lost."""

if not settings.CELERY_BROKER_URL:
    raise ImproperlyConfigured(
        "CELERY_BROKER_URL is not set: say where Redis is, as redis://localhost:6379/0."
    )

app = Celery("homezy")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _expires(when: str) -> int | None:
    """Return the seconds after which a task is too late, if the next one will do its work soon."""
    minutes, hours, *_ = when.split()
    if hours == "*" and minutes.startswith("*/"):
        return 60 * int(minutes.removeprefix("*/"))
    # The monthly and the daily jobs are as welcome late.
    return None


app.conf.beat_schedule = {
    command: {
        "task": "credits.run_job",
        "schedule": crontab.from_string(when),
        "args": [command],
        "options": {"expires": _expires(when)},
    }
    for when, _, (command,), *_ in settings.CRONJOBS
} | {
    "resume_shards": {
        "task": "credits.resume_shards",
        "schedule": SWEEP_EVERY,
        "options": {"expires": SWEEP_EVERY},
    }
}
