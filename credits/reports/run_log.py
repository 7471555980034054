"""The log lines of a run, put together from its record: fixed phrases, ids, never addresses."""

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from credits.models import JobFailure, JobRun

FINISHED = (
    "run finished job=%s run=%s status=%s total=%s succeeded=%s failed=%s credits=%+d error=%r"
)

FAILED = "professional failed run=%s professional=%s error=%r"

# What a database quotes in an error may be anything that stands in a row.
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"'=]+@[^\s@<>()\[\],;:\"'=]+")

_LEVELS = {
    JobRun.Status.FAILED: logging.ERROR,
    JobRun.Status.PARTIAL: logging.ERROR,
    JobRun.Status.INTERRUPTED: logging.WARNING,
    JobRun.Status.MISSED: logging.ERROR,
}
_NEVER_STARTED = {JobRun.Status.MISSED, JobRun.Status.SKIPPED}


@dataclass(frozen=True)
class Line:
    """One line: when, how grave, what."""

    at: datetime
    level: int
    text: str

    @property
    def level_name(self) -> str:
        """The level as logs write it, ``ERROR``."""
        return logging.getLevelName(self.level)


def finished(run: JobRun) -> tuple[int, tuple[Any, ...]]:
    """Return the level and the arguments of ``FINISHED`` for a run that has ended."""
    level = _LEVELS.get(JobRun.Status(run.status), logging.INFO)
    if run.error_summary and level == logging.INFO:
        level = logging.WARNING
    return level, (
        run.job,
        run.pk,
        run.status,
        run.total_count,
        run.success_count,
        run.error_count,
        run.credits_granted - run.credits_expired,
        without_addresses(run.error_summary),
    )


def failed(failure: JobFailure) -> tuple[Any, ...]:
    """Return the arguments of ``FAILED`` for a professional that a run could not do."""
    return failure.run_id, failure.professional_id, without_addresses(failure.error)


def without_addresses(text: str) -> str:
    """Return a text with every e-mail address in it blotted out."""
    return _ADDRESS.sub("…", text)


def log_lines(run: JobRun, failures: list[JobFailure]) -> list[Line]:
    """Return a run's lines, first to last; a failure carries the run's last sign of life."""
    end = run.finished_at or run.heartbeat_at
    started = (
        f"run started job={run.job} run={run.pk} period={run.period or '-'}"
        f" as_of={run.as_of.isoformat()} trigger={run.trigger} host={run.host}"
        f" process={run.process_id}"
    )
    lines = []
    if run.status not in _NEVER_STARTED:
        lines.append(Line(run.started_at, logging.INFO, started))
    lines += [Line(end, logging.ERROR, FAILED % failed(failure)) for failure in failures]
    if run.finished_at is not None:
        level, arguments = finished(run)
        lines.append(Line(end, level, FINISHED % arguments))
    return lines
