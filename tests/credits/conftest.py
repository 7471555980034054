from collections.abc import Callable
from datetime import datetime

import pytest
from django.utils import timezone


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Stop the clock that commands and runs read: ``clock(MARCH)``."""

    def stop_at(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return stop_at


@pytest.fixture
def no_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what follows a run: the counting into the monthly totals, the look for news."""
    monkeypatch.setattr("credits.monitoring.totals.roll_up", lambda **options: 0)
    monkeypatch.setattr("credits.monitoring.watchers.tell", lambda *arguments, **options: [])
