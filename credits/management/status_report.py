"""What ``credit_jobs_status`` prints: a table for a person, or one document for a monitor."""

from datetime import datetime
from typing import Any

from credits.jobs.pausing import who_paused
from credits.management.talk import Talk
from credits.models import JobPause, JobRun
from credits.reports.jobs_status import MOST_COUNTED, JobStatus, Status

_HEAD = ("job", "state", "last run", "last success", "next")


def tell_status(talk: Talk, status: Status) -> tuple[int, str]:
    """Say how the jobs are doing; return the exit code, and what is wrong unless that is 0."""
    message = "" if status.is_well else _what_is_wrong(status)
    talk.say(f"The jobs at {_utc(status.as_of)}, by the database's clock:")
    rows = [_HEAD, *(_row(job) for job in status.jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        talk.say("  ".join(cells).rstrip())
    for job in status.jobs:
        if (pause := job.verdict.pause) is not None:
            talk.say(
                f"PAUSED  {job.job} by {who_paused(pause)} since {_utc(pause.paused_at)}:"
                f" {pause.reason}"
            )
        if job.late is not None:
            talk.say(f"LATE    {job.job} for {job.late.about}; run it with: {job.late.command}")
    for period in status.missed:
        talk.say(f"MISSED  {period} passed without a reset; it is not back-filled.")
    talk.say(_notices(status))
    code = 0 if status.is_well else 1
    talk.document(
        as_of=status.as_of.isoformat(),
        is_well=status.is_well,
        jobs=[_machine(job) for job in status.jobs],
        missed=list(status.missed),
        notices={
            "due": status.notices.due,
            "overdue": status.notices.overdue,
            "oldest": _iso(status.notices.oldest),
        },
        message=message,
        exit_code=code,
    )
    return code, message


def _row(job: JobStatus) -> tuple[str, str, str, str, str]:
    run, verdict = job.last_run, job.verdict
    last = "–"
    if run is not None:
        last = f"run {run.pk}, {_utc(run.started_at)}, {run.status}"
    again = "–"
    if verdict.pause is None:
        again = "now" if verdict.is_due else _utc(verdict.next_at)
    if verdict.tries and verdict.pause is None:
        again += f" (try {verdict.tries + 1})"
    succeeded = "–" if job.succeeded_at is None else _utc(job.succeeded_at)
    return job.job, job.state.replace("_", " "), last, succeeded, again


def _notices(status: Status) -> str:
    notices = status.notices
    if notices.oldest is None:
        return "Notices: none waits to be sent."
    due = f"{MOST_COUNTED:,}+" if notices.due > MOST_COUNTED else f"{notices.due:,}"
    return f"Notices: {due} due since {_utc(notices.oldest)}, {notices.overdue:,} for over an hour."


def _what_is_wrong(status: Status) -> str:
    wrong = [job for job in status.jobs if job.state in {"late", "failed"}]
    return " ".join(
        f"{job.job}{' has failed' if job.state == 'failed' else ' is late'}." for job in wrong
    )


def _machine(job: JobStatus) -> dict[str, Any]:
    verdict = job.verdict
    return {
        "job": job.job,
        "state": job.state,
        "is_due": verdict.is_due,
        "next_at": verdict.next_at.isoformat(),
        "tries": verdict.tries,
        "last_run": job.last_run and _run(job.last_run),
        "last_success": _iso(job.succeeded_at),
        "pause": verdict.pause and _pause(verdict.pause),
        "late": job.late and {"about": job.late.about, "command": job.late.command},
    }


def _run(run: JobRun) -> dict[str, Any]:
    return {
        "run": run.pk,
        "status": run.status,
        "period": run.period,
        "as_of": run.as_of.isoformat(),
        "started_at": run.started_at.isoformat(),
        "finished_at": _iso(run.finished_at),
        "failed": run.error_count,
        "error": run.error_summary,
    }


def _pause(pause: JobPause) -> dict[str, Any]:
    return {
        "by": who_paused(pause),
        "since": pause.paused_at.isoformat(),
        "reason": pause.reason,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
