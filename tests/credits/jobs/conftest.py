from collections.abc import Iterator
from typing import Any

import pytest

from credits.models import JobRun
from credits.signals import run_finished


@pytest.fixture
def finished() -> Iterator[list[JobRun]]:
    """The runs that ``run_finished`` was sent for, to who listens to runs alone."""
    runs: list[JobRun] = []

    def note(*, run: JobRun, **_: Any) -> None:
        runs.append(run)

    run_finished.connect(note, sender=JobRun)
    yield runs
    run_finished.disconnect(note, sender=JobRun)
