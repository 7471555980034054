"""One log line for each run: a fixed phrase, then key=value; ids, never addresses."""

import logging
from typing import Any

from credits.models import JobRun
from credits.reports.run_log import FINISHED, finished

logger = logging.getLogger("credits.jobs")


def log_run(*, run: JobRun, **kwargs: Any) -> None:
    """Log a finished run; a failed or partial one as an error."""
    level, arguments = finished(run)
    logger.log(level, FINISHED, *arguments)
