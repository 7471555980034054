"""One log line for each run: a fixed phrase, then key=value; ids, never addresses."""

import logging
from typing import Any

from credits.models import JobRun

logger = logging.getLogger("credits.jobs")

_LEVELS = {
    JobRun.Status.FAILED: logging.ERROR,
    JobRun.Status.PARTIAL: logging.ERROR,
    JobRun.Status.INTERRUPTED: logging.WARNING,
}


def log_run(*, run: JobRun, **kwargs: Any) -> None:
    """Log a finished run; a failed or partial one as an error."""
    level = _LEVELS.get(JobRun.Status(run.status), logging.INFO)
    if run.error_summary and level == logging.INFO:
        level = logging.WARNING
    logger.log(
        level,
        "run finished job=%s run=%s status=%s total=%s succeeded=%s failed=%s credits=%+d error=%r",
        run.job,
        run.pk,
        run.status,
        run.total_count,
        run.success_count,
        run.error_count,
        run.credits_granted - run.credits_expired,
        run.error_summary,
    )
