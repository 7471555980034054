from collections.abc import Callable
from datetime import datetime

import pytest
from django.utils import timezone
from hypothesis import settings

# The same examples every time: a suite that fails only now and then is believed by nobody.
settings.register_profile("suite", derandomize=True, database=None, deadline=None)
settings.load_profile("suite")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Stop the clock that commands and runs read: ``clock(MARCH)``."""

    def stop_at(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return stop_at
