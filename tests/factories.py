"""What tests are made of: moments as constants, professionals with a given amount of credits."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from credits.ledger import grant_bonus, purchase
from credits.models import CreditTransaction
from homezy.models import Role, User, Verification

JANUARY = datetime(2026, 1, 15, 9, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 0, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 0, 1, tzinfo=UTC)
AUGUST_31 = datetime(2026, 8, 31, 12, tzinfo=UTC)

_numbers = count(1)


def make_user(**fields: Any) -> User:
    """Make a user; every one has an address of its own."""
    fields.setdefault("email", f"user-{next(_numbers)}@example.com")
    return User.objects.create(**fields)


def make_professional(
    *, free: int = 0, paid: int = 0, at: datetime = JANUARY, **fields: Any
) -> User:
    """Make a verified professional who holds this many credits since ``at``."""
    fields = {"role": Role.PRO, "verification": Verification.BASIC} | fields
    professional = make_user(**fields)
    if free:
        grant_bonus(
            professional_id=professional.pk,
            amount=free,
            at=at,
            idempotency_key=f"bonus-{next(_numbers)}",
        )
    if paid:
        buy(professional, paid, at=at)
    return professional


def buy(professional: User, amount: int, *, at: datetime = JANUARY) -> CreditTransaction:
    """Let a professional buy a lot at five dirhams a credit."""
    return purchase(
        professional_id=professional.pk,
        amount=amount,
        price=Decimal(5 * amount),
        currency="AED",
        payment_reference=f"payment-{next(_numbers)}",
        at=at,
    )
