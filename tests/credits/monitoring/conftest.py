from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.factories import make_professional
from tests.listeners import Listener, listening


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A server on the loopback."""
    with listening() as it:
        yield it


@pytest.fixture
def at_work() -> None:
    """Make an installation that has been at work for weeks: before that nothing can be late."""
    make_professional(free=1)


@pytest.fixture
def credits(settings: Any) -> Callable[..., None]:
    """Set keys of ``CREDITS``: ``credits(SENTRY_CRONS=True)``."""

    def change(**keys: Any) -> None:
        settings.CREDITS = {**settings.CREDITS, **keys}

    return change
