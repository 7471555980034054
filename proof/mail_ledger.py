"""What a mail service of this machine took, refused and left without an answer."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

DEDUPLICATING = {"resend": timedelta(hours=24), "brevo": timedelta(minutes=15)}

CLIENT_TIMEOUT = 0.5
"""Seconds that a sender waits for an answer."""

FAULTS = (
    "busy",
    "broken",
    "silent",
    "reset",
    "taken, then silent",
    "taken, then reset",
)
"""A clear no twice; four times no answer, and in the last two of them the mail was taken."""

UNANSWERED = set(FAULTS[2:])


@dataclass
class Ledger:
    """What a service took, refused and left without an answer; shared with the test."""

    seed: int
    share_of_faults: float
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    """The moment that the senders of now believe in."""

    taken: Counter[str] = field(default_factory=Counter)
    """Mails by recipient."""

    faults: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    """Requests without an answer, by recipient."""

    requests: int = 0
    on_request: Callable[[str], None] = lambda moment: None
    """Told ``before`` a mail is taken and ``after``, while the sender waits."""

    known: dict[str, tuple[datetime, str, str]] = field(default_factory=dict)
    """Idempotency keys: first use, what was asked, what was answered."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.RLock()

    def draw(self) -> str:
        """Return the fault of the next request, or none."""
        with self._lock:
            self.requests += 1
            fault = ""
            if self._random.random() < self.share_of_faults:
                fault = self._random.choice(FAULTS)
                self.faults[fault] += 1
            return fault

    def take(self, recipient: str) -> None:
        with self._lock:
            self.taken[recipient] += 1

    def leave_unanswered(self, recipient: str) -> None:
        with self._lock:
            self.unanswered[recipient] += 1

    def remembered(self, key: str, kept: timedelta) -> tuple[str, str] | None:
        with self._lock:
            first, asked, answered = self.known.get(key, (None, "", ""))
            if first is None or self.now >= first + kept:
                return None
            return asked, answered

    @property
    def twice(self) -> int:
        """Recipients who got a mail more than once."""
        return sum(count > 1 for count in self.taken.values())
