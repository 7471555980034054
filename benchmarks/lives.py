"""
Lives of professionals, played by the ledger itself: ``benchmarks.fill`` copies them by the million.

What a copy looks like is therefore what the app writes: nothing here knows how a lot is drawn down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

JOINED_AT = timedelta(hours=9)
"""After midnight of a month's first day: when an act of that month is played."""

DAYS = 25
"""Days over which the copies of one life are spread: each still ends within its month."""

JITTER = 10 * 60 * 60
"""Seconds over which copies are spread in a day, which ends before the next day's expiry run."""

Act = tuple[int, str, int]
"""Months ago, what is done, and how many credits; of what is no number of credits, its months."""


@dataclass(frozen=True)
class Life:
    """What one professional does, and how many in twenty live so."""

    name: str
    share: int
    acts: tuple[Act, ...]
    verified: int | None = None
    """Months ago: from then on they take part in the resets; ``None`` for never."""


LIVES = (
    Life(
        "buyer",
        4,
        (
            (4, "buy", 60),
            (3, "spend", 40),
            (2, "spend", 130),
            (1, "refund", 50),
            (0, "spend", 15),
        ),
        verified=4,
    ),
    Life(
        "lapsed",
        3,
        (
            (11, "buy", 50),
            (10, "spend", 20),
            (4, "buy", 40),
            (4, "spend", 10),
            (3, "extend", 12),
            (1, "spend", 25),
        ),
        verified=3,
    ),
    Life(
        "gifted",
        4,
        (
            (3, "buy", 100),
            (3, "buy", 20),
            (2, "spend", 110),
            (2, "give lot", 30),
            (1, "spend", 100),
            (0, "buy", 70),
        ),
        verified=3,
    ),
    Life(
        "corrected",
        3,
        (
            (4, "give", 50),
            (4, "adjust free", -20),
            (3, "adjust paid", 40),
            (2, "adjust paid", -10),
            (1, "spend", 100),
            (0, "adjust free", 5),
        ),
        verified=4,
    ),
    Life(
        "spent",
        2,
        (
            (9, "give", 20),
            (9, "spend", 20),
            (8, "buy", 30),
            (7, "spend", 10),
            (7, "spend", 20),
            (3, "buy", 10),
            (3, "spend", 4),
            (2, "spend", 6),
            (1, "give", 5),
            (0, "spend", 5),
        ),
    ),
    Life(
        "unverified",
        1,
        (
            (10, "give", 50),
            (9, "buy", 500),
            (8, "spend", 90),
            (7, "spend", 400),
            (5, "give lot", 25),
            (4, "spend", 5),
            (3, "refund", 5),
            (2, "buy", 10),
            (0, "spend", 1),
        ),
    ),
    Life(
        "showered",
        2,
        (
            (5, "give", 150),
            (4, "give", 75),
            (3, "give", 30),
            (2, "buy", 25),
            (0, "spend", 20),
        ),
        verified=5,
    ),
    Life(
        "late refund",
        1,
        (
            (11, "buy", 80),
            (10, "spend", 60),
            (4, "refund", 60),
            (4, "spend", 10),
            (2, "give lot", 10),
            (1, "spend", 60),
        ),
        verified=2,
    ),
)

SLOTS = [place for place, life in enumerate(LIVES) for _ in range(life.share)]
"""Whose life each of twenty in a row lives: they are mixed below, so that no filter has it easy."""
SLOTS = [SLOTS[place * 7 % len(SLOTS)] for place in range(len(SLOTS))]


def play(clerk: Any, *, now: datetime) -> list[Any]:
    """Let one professional live each life, with every daily and monthly run; return them."""
    from credits.jobs.expiry import expire_credits
    from credits.jobs.reset import reset_monthly_credits
    from credits.periods import add_months
    from homezy.models import Role, User, Verification

    this_month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    people = [
        User.objects.create(email=f"{life.name.replace(' ', '-')}@example.com", role=Role.PRO)
        for life in LIVES
    ]
    players = [
        _Player(person.pk, life, clerk.pk) for person, life in zip(people, LIVES, strict=True)
    ]
    for ago in range(max(ago for life in LIVES for ago, *_ in life.acts), -1, -1):
        first = add_months(this_month, -ago)
        if first + timedelta(minutes=1) > now:
            continue
        if User.objects.filter(verification=Verification.BASIC).exists():
            reset_monthly_credits(as_of=first + timedelta(minutes=1), trigger="schedule")
        for player in players:
            if player.life.verified == ago:
                User.objects.filter(pk=player.key).update(verification=Verification.BASIC)
            if first + JOINED_AT < now:
                player.play(ago, first + JOINED_AT)
        day = first + timedelta(hours=2)
        while day < min(now, add_months(first, 1)):
            expire_credits(as_of=day, trigger="schedule")
            day += timedelta(days=1)
    return people


class _Player:
    """One professional who lives one life."""

    def __init__(self, key: Any, life: Life, clerk: Any) -> None:
        self.key = key
        self.life = life
        self._clerk = clerk
        self._last_spend = ""
        self._done = 0

    def play(self, ago: int, at: datetime) -> None:
        """Do what this life does in a month, a minute after each other."""
        for month, name, number in self.life.acts:
            if month == ago:
                self._done += 1
                self._do(name, number, at + timedelta(minutes=self._done))

    def _do(self, name: str, number: int, at: datetime) -> None:
        from credits.ledger import adjust, extend, grant_bonus, lots_of, purchase, refund, spend
        from credits.models import CreditType
        from credits.periods import add_months

        own = {"professional_id": self.key, "amount": number, "at": at}
        key = f"{self.life.name}:{self._done}"
        by_clerk = {"actor_id": self._clerk, "idempotency_key": key}
        reason = "Asked for on the telephone."
        acts: dict[str, Callable[[], Any]] = {
            "buy": lambda: purchase(
                price=Decimal(5 * number), currency="AED", payment_reference=key, **own
            ),
            "give": lambda: grant_bonus(idempotency_key=key, **own),
            # About to be lost: some of the copies within the month.
            "give lot": lambda: grant_bonus(
                credit_type=CreditType.PAID,
                expires_at=max(at, datetime.now(UTC)) + timedelta(days=2),
                **own,
                **by_clerk,
            ),
            "spend": lambda: spend(idempotency_key=key, **own),
            "refund": lambda: refund(
                spend_key=self._last_spend, amount=number, reason=reason, at=at, **by_clerk
            ),
            "adjust free": lambda: adjust(
                credit_type=CreditType.FREE, reason=reason, **own, **by_clerk
            ),
            "adjust paid": lambda: adjust(
                credit_type=CreditType.PAID, reason=reason, **own, **by_clerk
            ),
            "extend": lambda: extend(
                lot_id=lots_of(self.key).latest("pk").pk,
                expires_at=add_months(at, number),
                reason=reason,
                at=at,
                **by_clerk,
            ),
        }
        acts[name]()
        if name == "spend":
            self._last_spend = key
