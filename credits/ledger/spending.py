from collections.abc import Mapping
from datetime import datetime
from typing import Any

from credits.exceptions import InsufficientCredits
from credits.ledger.arguments import check_amount, check_description, checked_metadata
from credits.ledger.book import Book, act
from credits.ledger.burndown import Draw, draw_down
from credits.models import CreditTransaction, CreditType, TransactionType
from credits.models.balances import ProfessionalId
from credits.signals import credits_spent


@act
def spend(
    *,
    professional_id: ProfessionalId,
    amount: int,
    at: datetime,
    idempotency_key: str,
    description: str = "Spend",
    metadata: Mapping[str, Any] | None = None,
) -> list[CreditTransaction]:
    """
    Spend credits: the free pool, then the paid lots that expire soonest, then the oldest.

    Calling again with the same key changes nothing and returns the first call's transactions.

    Args:
        amount: whole credits, at least 1.
        at: the moment of the spend; a lot that expires at it is no longer used.
        description: generated text of at most 200 characters, never what a person typed: it can
            not be erased.
        metadata: anything that JSON can say, by name; like the description it can not be erased.

    Returns:
        One transaction for each pool that gave something, the free one first.

    Raises:
        InsufficientCredits: pool and lots together hold too few. Nothing is written.
        IdempotencyKeyReused: the key was used with other arguments.
        UnknownProfessional: no user has this id.
    """
    check_amount(amount)
    check_description(description)
    metadata = checked_metadata(metadata)
    book = Book(professional_id, at=at)

    # Look for the earlier call before judging the balance, or a retry would be refused.
    if done := book.earlier(
        idempotency_key, transaction_type=TransactionType.SPEND, amount=-amount
    ):
        return done

    from_free = min(amount, book.balance.free_credits)
    draws, short = draw_from_lots(book, amount - from_free)
    if short:
        raise InsufficientCredits(
            professional_id=professional_id, requested=amount, available=amount - short
        )
    columns: dict[str, Any] = {
        "description": description,
        "metadata": metadata,
        "idempotency_key": idempotency_key,
    }
    rows = []
    if from_free:
        rows.append(book.write(TransactionType.SPEND, CreditType.FREE, -from_free, **columns))
    if draws:
        rows.append(
            book.write(
                TransactionType.SPEND, CreditType.PAID, from_free - amount, draws=draws, **columns
            )
        )
    book.announce(credits_spent, transactions=rows)
    return rows


def draw_from_lots(book: Book, amount: int) -> tuple[list[Draw], int]:
    """Return what each spendable lot loses when ``amount`` is drawn, and what none could give."""
    if not amount:
        return [], 0
    # No open lot is empty, so as many lots as credits are always enough.
    lots = [(lot.pk, lot.remaining_amount) for lot in book.spendable_lots(most=amount)]
    draws, short = draw_down(lots, amount)
    return [Draw(draw.lot_id, -draw.amount) for draw in draws], short
