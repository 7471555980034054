"""
Dead-man pings, in the protocol of Healthchecks: who hears nothing in time raises the alarm.

``CREDITS["HEARTBEAT_SECRET_URLS"]`` holds one address for all jobs, to which the job's name is
added (``https://hc-ping.com/<ping key>`` becomes ``…/expire-credits``), or ``job=address`` for
each; ``run_due_credit_jobs=address`` watches whoever asks what is due.
"""

import uuid
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from credits.conf import get_settings
from credits.models import JobFailure, JobRun
from credits.monitoring.hooks import Hook, HookFailed
from credits.reports.run_log import log_lines

CHECKED = "run_due_credit_jobs"
"""The check that is pinged whenever somebody asked what is due; only by an address of its own."""

NAMES = (*JobRun.Job.values, CHECKED)

SECONDS = 3.0
"""For each of two attempts to connect, and to be answered."""

MOST_LINES = 50
"""Log lines in the body of a ping."""

_AGENT = "credits"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://credits.invalid/runs")


def run_uuid(run: JobRun) -> uuid.UUID:
    """Return the id by which monitors tell the start and the end of one run."""
    return uuid.uuid5(_NAMESPACE, f"{run.job}:{run.pk}:{run.started_at.isoformat()}")


def parse(entry: str) -> tuple[str, str]:
    """Return the job of an entry, nothing for all of them, and the address."""
    name, separator, url = entry.partition("=")
    if separator and "/" not in name:
        return name, url
    return "", entry


def is_address(url: str) -> bool:
    """Say whether this can be pinged."""
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query


def address_of(name: str) -> str | None:
    """Return where a job's pings go, if anywhere."""
    found = dict(parse(entry) for entry in reversed(get_settings().heartbeat_secret_urls))
    if own := found.get(name):
        return own.rstrip("/")
    if (base := found.get("")) and name != CHECKED:
        return f"{base.rstrip('/')}/{name.replace('_', '-')}"
    return None


def begun(run: JobRun) -> list[Hook]:
    """Return the ping that a run has begun."""
    return _hook(run.job, "/start", run_uuid(run), "")


def ended(run: JobRun, failures: list[JobFailure]) -> list[Hook]:
    """Return the ping that a run has ended; one that was interrupted leaves the check waiting."""
    signal = {JobRun.Status.SUCCEEDED: "", JobRun.Status.INTERRUPTED: "/log"}.get(
        JobRun.Status(run.status), "/fail"
    )
    lines = [line.text for line in log_lines(run, failures)][-MOST_LINES:]
    return _hook(run.job, signal, run_uuid(run), "\n".join(lines))


def checked(late: list[str]) -> list[Hook]:
    """Return the ping that somebody asked what is due; a failure where jobs are late."""
    return _hook(CHECKED, "/fail" if late else "", None, "\n".join(f"late: {job}" for job in late))


def trial() -> list[Hook]:
    """Return pings that show in the log of each check and change nothing."""
    return [hook for name in NAMES for hook in _hook(name, "/log", None, "A test of credits.")]


def _hook(name: str, signal: str, run_id: uuid.UUID | None, body: str) -> list[Hook]:
    address = address_of(name)
    if address is None:
        return []
    query = f"?{urlencode({'rid': run_id})}" if run_id else ""
    return [
        Hook(f"heartbeat {name}{signal}", lambda: ping(f"{address}{signal}{query}", body=body)),
    ]


def ping(url: str, *, body: str, seconds: float = SECONDS) -> None:
    """
    Ping an address; once more where it gave no answer, or one that may pass.

    Raises:
        HookFailed: it was not heard.
    """
    problem = ""
    for _ in range(2):
        request = Request(  # noqa: S310  http or https, says is_address
            url, data=body.encode(), method="POST", headers={"User-Agent": _AGENT}
        )
        try:
            if not is_address(url.partition("?")[0]):
                raise HookFailed("its address is neither http nor https")
            with urlopen(request, timeout=seconds):  # noqa: S310
                return
        except HTTPError as error:
            error.close()
            problem = f"HTTP {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except URLError as error:
            problem = type(error.reason).__name__
        except OSError as error:
            problem = type(error).__name__
    raise HookFailed(problem)
