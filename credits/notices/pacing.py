"""When a notice may go: hours of the day, pauses after a failure, so many in a second."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

MOST_ATTEMPTS = 8
"""Hand-overs of one notice, however often it was put off; then it has failed."""

FIRST_PAUSE = timedelta(minutes=2)
LONGEST_PAUSE = timedelta(days=1)


class Pace:
    """At most so many a second, evenly: a pause between two, none to catch up on."""

    def __init__(
        self,
        per_second: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._next = monotonic()

    def wait(self) -> None:
        """Return when the next one may go."""
        now = self._monotonic()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._interval


def opening(now: datetime, zone: ZoneInfo, *, window: tuple[str, str]) -> datetime:
    """
    Return when mail may reach somebody: ``now``, or the next opening of the window in their zone.

    Args:
        window: from when until when, as ``("08:00", "20:00")``; the end is exclusive.
    """
    opens, closes = (time_of_day.fromisoformat(text) for text in window)
    local = now.astimezone(zone)
    if opens <= local.time() < closes:
        return now
    day = local.date() if local.time() < opens else local.date() + timedelta(days=1)
    return datetime.combine(day, opens, zone).astimezone(UTC)


def pause_after(attempts: int, *, asked: timedelta | None = None) -> timedelta:
    """
    Return how long to wait after so many attempts: twice as long each time, with jitter.

    Args:
        asked: what the mail service asked for; never less than that, up to a day.
    """
    doubled = FIRST_PAUSE * float(2 ** (attempts - 1))
    spread = doubled * random.uniform(0.5, 1.0)  # noqa: S311  so that notices do not come in step
    return min(max(spread, asked or timedelta()), LONGEST_PAUSE)
