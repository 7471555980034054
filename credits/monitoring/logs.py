"""One log line for each run and each failure: a fixed phrase, then key=value; ids, no addresses."""

import logging
from typing import Any

from credits.models import JobRun
from credits.notices.facts import failures_of
from credits.reports.run_log import FAILED, FINISHED, failed, finished

MOST_FAILURES = 100
"""Failures of one run that have a line each; all of them stand in the database."""

_FINISHED_KEYS = ["job", "run_id", "status", "total", "succeeded", "failed", "credits", "error"]
_FAILED_KEYS = ["run_id", "professional", "error"]

logger = logging.getLogger("credits.jobs")


def log_run(*, run: JobRun, **kwargs: Any) -> None:
    """Log a finished run, its failures first; JSON carries what the lines say as fields too."""
    if run.error_count:
        for failure in failures_of(run)[:MOST_FAILURES]:
            arguments = failed(failure)
            logger.error(FAILED, *arguments, extra=dict(zip(_FAILED_KEYS, arguments, strict=True)))
    level, arguments = finished(run)
    extra = dict(zip(_FINISHED_KEYS, arguments, strict=True))
    logger.log(level, FINISHED, *arguments, extra=extra)
