"""Rest between two chunks: whoever spends meanwhile has the processors and the disk alone."""

import time
from collections.abc import Callable

from credits.conf import get_settings

LONGEST = 5.0
"""Seconds: who says stop waits no longer, and a lease outlives it."""


class Rest:
    """A rest behind each piece of work, ``CREDITS["NICE_RATIO"]`` times as long as it took."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        settings = get_settings()
        self._ratio = settings.nice_ratio
        self._longest = min(LONGEST, settings.lease_seconds / 3)
        self._monotonic = monotonic
        self._sleep = sleep
        self._begun = monotonic()

    def take(self) -> None:
        """Rest for the work since the last rest, or since this was made."""
        if not self._ratio:
            return
        worked = self._monotonic() - self._begun
        self._sleep(min(self._ratio * worked, self._longest))
        self._begun = self._monotonic()
