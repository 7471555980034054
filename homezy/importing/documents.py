"""What the four collections hold: one frozen dataclass each, or a refusal that says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from homezy.importing.fields import Fields, Refused

ROLES = frozenset({"guest", "homeowner", "pro", "admin"})
VERIFICATIONS = frozenset({"unverified", "pending", "basic", "comprehensive", "rejected"})
PURCHASE_STATUSES = frozenset({"pending", "completed", "failed", "cancelled", "refunded"})


class Act(StrEnum):
    """What a transaction of the original was, whatever type it was recorded as."""

    PURCHASE = "purchase"
    BONUS = "bonus"
    SPEND = "spend"
    REFUND = "refund"
    MONTHLY_RESET = "monthly_reset"
    EXPIRY = "expiry"


@dataclass(frozen=True)
class UserDocument:
    """Anyone with an account."""

    id: str
    email: str
    first_name: str
    last_name: str
    business_name: str
    role: str
    verification: str
    is_active: bool
    joined_at: datetime
    owner: str


@dataclass(frozen=True)
class BalanceDocument:
    """What a professional was shown, in credits."""

    id: str
    owner: str
    free: int
    paid: int
    total: int
    at: datetime


@dataclass(frozen=True)
class TransactionDocument:
    """One movement of credits, signed."""

    id: str
    owner: str
    act: Act
    pool: str
    """``free`` or ``paid`` as recorded; of a spend it is always ``paid``, and often not true."""
    amount: int
    remaining: int
    """Credits left in what this brought in; of free credits never to be relied on."""
    before: int
    after: int
    at: datetime
    expires_at: datetime | None
    description: str
    metadata: Mapping[str, Any]

    @property
    def is_lot(self) -> bool:
        """Whether this brought in paid credits."""
        return self.pool == "paid" and self.amount > 0

    def reference(self, name: str) -> str:
        """Return an id that the metadata gives, or nothing."""
        value = self.metadata.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        """Return a whole number of at least 0 that the metadata gives, or nothing."""
        value = self.metadata.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return value if type(value) is int and value >= 0 else None


@dataclass(frozen=True)
class PurchaseDocument:
    """What was ordered, and whether it was paid for."""

    id: str
    owner: str
    credits: int
    price: Decimal
    is_completed: bool


Document = UserDocument | BalanceDocument | TransactionDocument | PurchaseDocument


def parse(collection: str, raw: Mapping[str, Any]) -> Document:
    """
    Return what a raw document says.

    Raises:
        Refused: it lacks something, or says something that cannot be true.
    """
    return _PARSERS[collection](Fields(raw))


def owner_of(collection: str, raw: Mapping[str, Any]) -> str | None:
    """Return whose document this is, even if it is refused; ``None`` if nobody can tell."""
    try:
        return Fields(raw).identity("_id" if collection == "users" else "professionalId")
    except Refused:
        return None


def _user(fields: Fields) -> UserDocument:
    legacy_id = fields.identity("_id", limit=24)
    profile = fields.inside("proProfile")
    return UserDocument(
        id=legacy_id,
        email=fields.email("email"),
        first_name=fields.text("firstName", limit=150),
        last_name=fields.text("lastName", limit=150),
        business_name=profile.text("businessName", limit=200),
        role=fields.choice("role", ROLES),
        verification=profile.choice("verificationStatus", VERIFICATIONS, default="unverified"),
        is_active=fields.flag("isActive", default=True),
        joined_at=fields.moment("createdAt"),
        owner=legacy_id,
    )


def _balance(fields: Fields) -> BalanceDocument:
    return BalanceDocument(
        id=fields.identity("_id"),
        owner=fields.identity("professionalId", limit=24),
        free=fields.whole("freeCredits", least=0),
        paid=fields.whole("paidCredits", least=0),
        total=fields.whole("totalBalance"),
        at=fields.moment("updatedAt"),
    )


def _transaction(fields: Fields) -> TransactionDocument:
    document = TransactionDocument(
        id=fields.identity("_id"),
        owner=fields.identity("professionalId", limit=24),
        act=_act(fields),
        pool=fields.choice("creditType", {"free", "paid"}),
        amount=fields.whole("amount"),
        remaining=fields.whole("remainingAmount", least=0, default=0),
        before=fields.whole("balanceBefore", default=0),
        after=fields.whole("balanceAfter", default=0),
        at=fields.moment("createdAt"),
        expires_at=fields.optional_moment("expiresAt"),
        description=fields.text("description", limit=200),
        metadata=fields.object("metadata"),
    )
    _refuse_untrue(document)
    return document


def _act(fields: Fields) -> Act:
    kind = fields.choice("type", {"purchase", "bonus", "spend", "monthly_reset"})
    description = fields.text("description", limit=200)
    if kind == "purchase" and description.startswith("Refund:"):
        return Act.REFUND
    if kind == "spend" and description == "Credits expired":
        return Act.EXPIRY
    return Act(kind)


def _refuse_untrue(document: TransactionDocument) -> None:
    act, amount = document.act, document.amount
    if act in {Act.SPEND, Act.EXPIRY} and amount >= 0:
        raise Refused(f"amount of a {act} must be below 0, not {amount}")
    if act in {Act.PURCHASE, Act.REFUND, Act.BONUS} and amount <= 0:
        raise Refused(f"amount of a {act} must be above 0, not {amount}")
    if act == Act.MONTHLY_RESET and document.pool != "free":
        raise Refused("creditType of a monthly_reset must be free")
    if act in {Act.PURCHASE, Act.REFUND} and document.pool != "paid":
        raise Refused(f"creditType of a {act} must be paid")
    if document.is_lot:
        if document.expires_at is None:
            raise Refused("expiresAt is missing")
        if document.remaining > amount:
            raise Refused(f"remainingAmount is {document.remaining} of {amount}")


def _purchase(fields: Fields) -> PurchaseDocument:
    return PurchaseDocument(
        id=fields.identity("_id"),
        owner=fields.identity("professionalId", limit=24),
        credits=fields.whole("credits", least=1),
        price=fields.price("priceAED"),
        is_completed=fields.choice("status", PURCHASE_STATUSES) == "completed",
    )


_PARSERS: Mapping[str, Callable[[Fields], Document]] = {
    "users": _user,
    "creditbalances": _balance,
    "credittransactions": _transaction,
    "creditpurchases": _purchase,
}
