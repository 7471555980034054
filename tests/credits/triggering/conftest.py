from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from credits.jobs import detached
from credits.jobs.named import JobName
from credits.triggering import signing

SECRET = "correct-horse-battery-staple-0123456789"

Sign = Callable[..., dict[str, str]]


@pytest.fixture
def open_for_all(settings: Any) -> Any:
    """A project in which requests may start every job."""
    settings.CREDITS = settings.CREDITS | {
        "TRIGGER_SECRET": SECRET,
        "TRIGGER_JOBS": [job.value for job in JobName],
    }
    return settings


@pytest.fixture
def sign() -> Sign:
    """Return a function that gives the headers of a request."""

    def headers(
        job: str, method: str = "POST", *, secret: str = SECRET, at: datetime | None = None
    ) -> dict[str, str]:
        token = signing.make_token(secret, method=method, job=job, at=at or timezone.now())
        return {"Authorization": f"Bearer {token}"}

    return headers


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> list[list[str]]:
    """The commands that were started; each ends at once, and none of them runs."""
    words: list[list[str]] = []

    class Process:
        def wait(self) -> int:
            return 0

    def spawn(command: list[str], *, stderr: int) -> Any:
        words.append(command)
        return Process()

    monkeypatch.setattr(detached.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(detached, "spawn", spawn)
    return words
