"""Check-ins with Sentry's cron monitors (the extra ``sentry``), where the project has set it up."""

import importlib.util
from typing import Any

from credits.conf import get_settings
from credits.jobs.due import EXPIRY_GRACE, RESET_GRACE
from credits.models import JobRun
from credits.monitoring.heartbeat import run_uuid
from credits.monitoring.hooks import Hook, HookFailed

FLUSH_SECONDS = 5.0

# When the jobs are due and, in minutes, from when on they are late (an expiry a day after its last)
# and how long a run may take.
_MONITORS: dict[str, tuple[str, int]] = {
    JobRun.Job.RESET.value: ("1 0 1 * *", int(RESET_GRACE.total_seconds() // 60)),
    JobRun.Job.EXPIRY.value: ("0 2 * * *", int(EXPIRY_GRACE.total_seconds() // 60) - 24 * 60),
}
_LONGEST_RUN = 6 * 60


def has_sentry() -> bool:
    """Say whether the extra ``sentry`` is installed."""
    return importlib.util.find_spec("sentry_sdk") is not None


def is_active() -> bool:
    """Say whether the project has called ``sentry_sdk.init`` with an address."""
    from sentry_sdk import get_client  # noqa: PLC0415

    client = get_client()
    return bool(client.is_active() and client.dsn)


def begun(run: JobRun) -> list[Hook]:
    """Return the check-in that a run has begun."""
    return _hook(run, "in_progress", None)


def ended(run: JobRun) -> list[Hook]:
    """Return the check-in that a run has ended: ``ok`` only where it did all it had to."""
    seconds = ((run.finished_at or run.heartbeat_at) - run.started_at).total_seconds()
    return _hook(run, "ok" if run.status == JobRun.Status.SUCCEEDED else "error", seconds)


def monitor_of(job: str) -> dict[str, Any]:
    """Return what Sentry is to know of a job: when it is due, and when it is late."""
    schedule, margin = _MONITORS[job]
    return {
        "schedule": {"type": "crontab", "value": schedule},
        # The days of the expiry are UTC's, wherever the months begin.
        "timezone": get_settings().period_time_zone if job == JobRun.Job.RESET else "UTC",
        "checkin_margin": margin,
        "max_runtime": _LONGEST_RUN,
        "failure_issue_threshold": 1,
        "recovery_threshold": 1,
    }


def _hook(run: JobRun, status: str, seconds: float | None) -> list[Hook]:
    if not get_settings().sentry_crons or not has_sentry():
        return []
    slug, check_in_id = run.job.replace("_", "-"), run_uuid(run).hex
    monitor = monitor_of(run.job)

    def check_in() -> None:
        import sentry_sdk  # noqa: PLC0415
        from sentry_sdk.crons import capture_checkin  # noqa: PLC0415

        if not is_active():
            raise HookFailed("sentry_sdk.init was not called with an address")
        capture_checkin(
            monitor_slug=slug,
            check_in_id=check_in_id,
            status=status,
            duration=seconds,
            monitor_config=monitor,  # type: ignore[arg-type]
        )
        sentry_sdk.flush(timeout=FLUSH_SECONDS)

    return [Hook(f"sentry {run.job}", check_in)]
