from datetime import datetime
from typing import Any

from credits.engine.database import ledger_database
from credits.exceptions import (
    InsufficientCredits,
    InvalidArgument,
    LotNotOpen,
    NotAnExtension,
    UnknownLot,
)
from credits.ledger.arguments import (
    check_actor,
    check_amount,
    check_credit_type,
    check_moment,
    may_be_key,
)
from credits.ledger.book import Book, act
from credits.ledger.burndown import Draw
from credits.ledger.purchasing import lot_columns
from credits.ledger.spending import draw_from_lots
from credits.models import CreditTransaction, CreditType, TransactionType
from credits.models.balances import ProfessionalId
from credits.signals import credits_adjusted


@act
def adjust(
    *,
    professional_id: ProfessionalId,
    amount: int,
    credit_type: CreditType,
    reason: str,
    actor_id: ProfessionalId,
    at: datetime,
    idempotency_key: str,
    expires_at: datetime | None = None,
) -> CreditTransaction:
    """
    Correct a balance by hand, up or down, never below zero.

    Paid credits taken away come from the lots a spend would use; paid credits added are a lot.
    Calling again with the same key changes nothing and returns the first call's transaction.

    Args:
        amount: whole credits, signed, not 0.
        reason: why, in a person's words; kept apart from the ledger, where it can be erased.
        actor_id: the user who answers for it.
        expires_at: of added paid credits; six calendar months after ``at`` if not given.

    Raises:
        InsufficientCredits: the pool or the spendable lots hold less than is to be taken.
        IdempotencyKeyReused: the key was used with other arguments.
        UnknownProfessional: no user has this id, or the actor's.
    """
    check_amount(abs(amount) if type(amount) is int else amount)
    check_credit_type(credit_type)
    reason = _checked_reason(reason)
    check_moment("at", at)
    _check_actor(actor_id)
    if amount < 0 and expires_at is not None:
        raise InvalidArgument("expires_at", "only added credits have an expiry.")

    book = Book(professional_id, at=at)
    same = {} if expires_at is None else {"expires_at": expires_at}
    if done := book.earlier(
        idempotency_key,
        transaction_type=TransactionType.ADJUSTMENT,
        credit_type=credit_type,
        amount=amount,
        created_by_id=actor_id,
        **same,
    ):
        return done[0]

    lot: dict[str, Any] = {}
    draws: list[Draw] = []
    if amount > 0:
        # After the look for the earlier call: a retry may come when that call's lot has expired.
        lot = lot_columns(credit_type, amount, at=at, expires_at=expires_at)
    else:
        if credit_type == CreditType.FREE:
            short = max(0, -amount - book.balance.free_credits)
        else:
            draws, short = draw_from_lots(book, -amount)
        if short:
            raise InsufficientCredits(
                professional_id=professional_id, requested=-amount, available=-amount - short
            )
    row = book.write(
        TransactionType.ADJUSTMENT,
        credit_type,
        amount,
        draws=draws,
        description="Adjustment",
        created_by_id=actor_id,
        idempotency_key=idempotency_key,
        reason=reason,
        **lot,
    )
    book.announce(credits_adjusted, transaction=row)
    return row


@act
def extend(
    *,
    lot_id: int,
    expires_at: datetime,
    reason: str,
    actor_id: ProfessionalId,
    at: datetime,
    idempotency_key: str,
) -> CreditTransaction:
    """
    Give what is left of an open lot a later expiry.

    The ledger cannot be edited, so the credits move: the returned transaction, an adjustment of
    zero, takes them from the lot and is itself the lot that lasts until ``expires_at``.
    Calling again with the same key changes nothing and returns the first call's transaction.

    Args:
        reason: why, in a person's words; kept apart from the ledger, where it can be erased.
        actor_id: the user who answers for it.

    Raises:
        UnknownLot: no lot has this id.
        LotNotOpen: the lot is empty or has expired at ``at``.
        NotAnExtension: ``expires_at`` is not later than the present one.
        IdempotencyKeyReused: the key was used with other arguments.
    """
    reason = _checked_reason(reason)
    check_moment("expires_at", expires_at)
    _check_actor(actor_id)
    if not may_be_key(CreditTransaction, lot_id):
        raise UnknownLot(lot_id=lot_id)
    lots = CreditTransaction.objects.using(ledger_database()).filter(
        pk=lot_id, granted_amount__gt=0
    )
    owner = lots.values_list("professional_id", flat=True).first()
    if owner is None:
        raise UnknownLot(lot_id=lot_id)

    book = Book(owner, at=at)
    if done := book.earlier(
        idempotency_key,
        transaction_type=TransactionType.ADJUSTMENT,
        origin_id=lot_id,
        expires_at=expires_at,
        created_by_id=actor_id,
    ):
        return done[0]

    # Read again under the lock: a spend may just have drawn on it.
    lot = lots.get()
    if lot.expires_at is None or lot.remaining_amount == 0 or lot.expires_at <= at:
        raise LotNotOpen(lot_id=lot_id, remaining=lot.remaining_amount, expires_at=lot.expires_at)
    if expires_at <= lot.expires_at:
        raise NotAnExtension(lot_id=lot_id, expires_at=lot.expires_at, requested=expires_at)
    row = book.write(
        TransactionType.ADJUSTMENT,
        CreditType.PAID,
        0,
        draws=[Draw(lot_id, -lot.remaining_amount)],
        granted_amount=lot.remaining_amount,
        expires_at=expires_at,
        price=lot.remaining_price,
        currency=lot.currency,
        origin=lot,
        description=f"Expiry of {lot.remaining_amount} credits extended",
        metadata={"expired_at_before": lot.expires_at.isoformat()},
        created_by_id=actor_id,
        idempotency_key=idempotency_key,
        reason=reason,
    )
    book.announce(credits_adjusted, transaction=row)
    return row


def _checked_reason(reason: object) -> str:
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidArgument("reason", "must not be blank.")
    return reason.strip()


def _check_actor(actor_id: ProfessionalId) -> None:
    if actor_id is None:
        raise InvalidArgument("actor_id", "must be the id of the user who answers for it.")
    check_actor(actor_id)
