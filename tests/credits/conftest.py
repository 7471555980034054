from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

# Who asks the database what time it is.
DATABASE_CLOCKS = [
    "credits.admin.acknowledging",
    "credits.admin.pausing",
    "credits.jobs.named",
    "credits.management.job_command",
    "credits.management.commands.credit_jobs_status",
    "credits.management.commands.pause_credit_job",
    "credits.management.commands.resume_credit_job",
    "credits.management.commands.run_due_credit_jobs",
]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Stop the clocks that commands and runs read: ``clock(MARCH)``."""

    def stop_at(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)
        for place in DATABASE_CLOCKS:
            monkeypatch.setattr(f"{place}.database_now", lambda *, using: moment)

    return stop_at


@pytest.fixture
def no_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what follows a run: the counting into the monthly totals, the look for news."""
    monkeypatch.setattr("credits.monitoring.totals.roll_up", lambda **options: 0)
    monkeypatch.setattr("credits.monitoring.watchers.tell", lambda *arguments, **options: [])


@pytest.fixture
def no_seals(settings: Any) -> None:
    """Do without a key to seal with: then no seal falls due."""
    settings.CREDITS = settings.CREDITS | {"SEAL_KEY": ""}


@pytest.fixture
def broken_template(settings: Any, tmp_path: Path) -> None:
    """A template of a reset's mail, of the project's own, that Django cannot read."""
    (tmp_path / "credits/notices").mkdir(parents=True)
    (tmp_path / "credits/notices/reset.txt").write_text("{% nosuch %}")
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [engine | {"DIRS": [tmp_path]}]
