"""The testing settings for Celery's workers: a run in many small chunks, and a naive task."""

from settings.testing import *  # noqa: F403
from settings.testing import CREDITS as BASE

CREDITS = BASE | {"CHUNK_SIZE": 25, "SHARDS": 8}
CELERY_IMPORTS = ["tests.naive_tasks"]
