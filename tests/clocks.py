"""A clock that only sleep moves on, and what was slept by it."""


class SleepClock:
    """What stands for ``time.monotonic`` and ``time.sleep``."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Return the present second."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Be so many seconds later at once."""
        self.slept.append(round(seconds, 6))
        self.now += seconds
