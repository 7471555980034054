import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from credits.conf import get_settings
from credits.exceptions import InvalidArgument
from credits.ledger.arguments import (
    check_actor,
    check_amount,
    check_credit_type,
    check_description,
    check_key,
    check_moment,
    checked_metadata,
)
from credits.ledger.book import Book, act
from credits.models import CreditTransaction, CreditType, TransactionType
from credits.models.balances import ProfessionalId
from credits.periods import add_months
from credits.signals import credits_granted


@act
def purchase(
    *,
    professional_id: ProfessionalId,
    amount: int,
    price: Decimal,
    currency: str,
    payment_reference: str,
    at: datetime,
    metadata: Mapping[str, Any] | None = None,
) -> CreditTransaction:
    """
    Book bought credits as a paid lot that expires six calendar months after ``at``.

    Calling again with the same payment reference changes nothing and returns the first lot.

    Args:
        amount: whole credits, at least 1.
        price: what was paid for all of them, in ``currency``, two decimals.
        currency: three capital letters, as ``AED``.
        payment_reference: the payment's own id; it is the idempotency key.
        metadata: anything that JSON can say, by name; it can not be erased.

    Raises:
        IdempotencyKeyReused: the reference was booked with another amount, price or professional.
        UnknownProfessional: no user has this id.
    """
    check_amount(amount)
    price = _checked_price(price)
    _check_currency(currency)
    check_key(payment_reference, argument="payment_reference")
    metadata = checked_metadata(metadata)

    book = Book(professional_id, at=at)
    if done := book.earlier(
        payment_reference,
        transaction_type=TransactionType.PURCHASE,
        amount=amount,
        price=price,
        currency=currency,
    ):
        return done[0]
    row = book.write(
        TransactionType.PURCHASE,
        CreditType.PAID,
        amount,
        granted_amount=amount,
        expires_at=add_months(at, get_settings().purchase_validity_months),
        price=price,
        currency=currency,
        description=f"Purchase of {amount} credits",
        metadata=metadata,
        idempotency_key=payment_reference,
    )
    book.announce(credits_granted, transaction=row)
    return row


@act
def grant_bonus(
    *,
    professional_id: ProfessionalId,
    amount: int,
    at: datetime,
    idempotency_key: str,
    credit_type: CreditType = CreditType.FREE,
    expires_at: datetime | None = None,
    description: str = "Bonus",
    metadata: Mapping[str, Any] | None = None,
    reason: str = "",
    actor_id: ProfessionalId | None = None,
) -> CreditTransaction:
    """
    Give credits away: into the free pool, until the next reset, or as a paid lot.

    Calling again with the same key changes nothing and returns the first call's transaction.

    Args:
        amount: whole credits, at least 1.
        expires_at: of a paid bonus; six calendar months after ``at`` if not given.
        description: generated text of at most 200 characters, never what a person typed: it can
            not be erased.
        metadata: anything that JSON can say, by name; like the description it can not be erased.
        reason: why, in a person's words; kept apart from the ledger, where it can be erased.
        actor_id: the user who answers for it; nobody where a program gives.

    Raises:
        IdempotencyKeyReused: the key was used with other arguments.
        UnknownProfessional: no user has this id, or the actor's.
    """
    check_amount(amount)
    check_credit_type(credit_type)
    check_description(description)
    metadata = checked_metadata(metadata)
    check_actor(actor_id)

    book = Book(professional_id, at=at)
    same = {} if expires_at is None else {"expires_at": expires_at}
    if done := book.earlier(
        idempotency_key,
        transaction_type=TransactionType.BONUS,
        credit_type=credit_type,
        amount=amount,
        created_by_id=actor_id,
        **same,
    ):
        return done[0]
    # After the look for the earlier call: a retry may come when that call's lot has expired.
    lot = lot_columns(credit_type, amount, at=at, expires_at=expires_at)
    row = book.write(
        TransactionType.BONUS,
        credit_type,
        amount,
        description=description,
        metadata=metadata,
        created_by_id=actor_id,
        idempotency_key=idempotency_key,
        reason=reason.strip(),
        **lot,
    )
    book.announce(credits_granted, transaction=row)
    return row


def lot_columns(
    credit_type: CreditType, amount: int, *, at: datetime, expires_at: datetime | None
) -> dict[str, Any]:
    """
    Return the columns that make a grant a lot; none for free credits, which have no lots.

    Raises:
        InvalidArgument: an expiry for free credits, or one that is not after ``at``.
    """
    if credit_type == CreditType.FREE:
        if expires_at is not None:
            raise InvalidArgument("expires_at", "free credits have no expiry but the next reset.")
        return {}
    if expires_at is None:
        expires_at = add_months(at, get_settings().purchase_validity_months)
    check_moment("expires_at", expires_at)
    if expires_at <= at:
        raise InvalidArgument("expires_at", "must lie after the moment of the grant.")
    return {"granted_amount": amount, "expires_at": expires_at}


def _checked_price(price: object) -> Decimal:
    if not isinstance(price, Decimal) or not price.is_finite() or price < 0:
        raise InvalidArgument("price", f"must be a Decimal of at least 0, not {price!r}.")
    if price >= 10**10 or price != round(price, 2):
        raise InvalidArgument("price", f"must have two decimals and be below 10**10, not {price}.")
    return price


def _check_currency(currency: object) -> None:
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise InvalidArgument("currency", f"must be three capital letters, not {currency!r}.")
