from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.listeners import Listener, listening


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A server on the loopback."""
    with listening() as it:
        yield it


@pytest.fixture
def credits(settings: Any) -> Callable[..., None]:
    """Set keys of ``CREDITS``: ``credits(SENTRY_CRONS=True)``."""

    def change(**keys: Any) -> None:
        settings.CREDITS = {**settings.CREDITS, **keys}

    return change
