"""Wait for what happens in another process."""

import time
from collections.abc import Callable, Iterator


def waiting_until(done: Callable[[], object]) -> Iterator[None]:
    """Yield until it is done; fail after a minute."""
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, "It took more than a minute."
        yield time.sleep(0.05)
