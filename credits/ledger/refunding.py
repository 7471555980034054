from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from credits.conf import get_settings
from credits.engine.database import ledger_database
from credits.exceptions import IdempotencyKeyReused, RefundExceedsSpend, UnknownSpend
from credits.ledger.arguments import check_actor, check_amount
from credits.ledger.book import Book, act
from credits.ledger.burndown import Draw, give_back, share_of
from credits.models import CreditAllocation, CreditTransaction, CreditType, TransactionType
from credits.models.balances import ProfessionalId
from credits.signals import credits_refunded


@act
def refund(
    *,
    spend_key: str,
    at: datetime,
    idempotency_key: str,
    amount: int | None = None,
    reason: str = "",
    actor_id: ProfessionalId | None = None,
) -> list[CreditTransaction]:
    """
    Return a spend, in whole or part, never more than it took.

    The paid part goes back first, into the lots it came from, with their dates; the last credit
    drawn is the first to return. What came from a lot that has expired meanwhile becomes a lot of
    ``REFUND_GRACE_DAYS`` from ``at``, or of the date an extension promised. The rest goes back
    into the free pool, which may then exceed the monthly amount until the next reset.

    Calling again with the same key changes nothing and returns the first call's transactions.

    Args:
        spend_key: the idempotency key of the spend.
        amount: whole credits, at least 1; all that is left to refund if not given.
        reason: why, in a person's words; kept apart from the ledger, where it can be erased.
        actor_id: the user who answers for it; nobody where a program refunds.

    Returns:
        One transaction for each pool that got something back, the free one first.

    Raises:
        UnknownSpend: nothing was spent with this key.
        RefundExceedsSpend: less than ``amount`` is left to refund. Nothing is written.
        IdempotencyKeyReused: the key was used with other arguments.
        UnknownProfessional: no user has the actor's id.
    """
    if amount is not None:
        check_amount(amount)
    check_actor(actor_id)
    spends = {
        CreditType(row.credit_type): row
        for row in CreditTransaction.objects.using(ledger_database()).filter(
            idempotency_key=spend_key, transaction_type=TransactionType.SPEND
        )
    }
    if not spends:
        raise UnknownSpend(spend_key=spend_key)

    book = Book(next(iter(spends.values())).professional_id, at=at)
    same = {} if amount is None else {"amount": amount}
    if done := book.earlier(
        idempotency_key,
        transaction_type=TransactionType.REFUND,
        created_by_id=actor_id,
        **same,
    ):
        origins = CreditTransaction.objects.using(ledger_database()).filter(consequences=done[0])
        first = origins.values_list("idempotency_key", flat=True).first()
        if first != spend_key:
            raise IdempotencyKeyReused(
                idempotency_key=idempotency_key,
                argument="spend_key",
                first=first,
                now=spend_key,
            )
        return done

    open_parts = {pool: -spend.amount - _returned(spend) for pool, spend in spends.items()}
    refundable = sum(open_parts.values())
    wanted = refundable if amount is None else amount
    if wanted > refundable or wanted == 0:
        raise RefundExceedsSpend(spend_key=spend_key, requested=wanted, refundable=refundable)

    to_lots = min(wanted, open_parts.get(CreditType.PAID, 0))
    columns: dict[str, Any] = {
        "description": "Refund",
        "created_by_id": actor_id,
        "idempotency_key": idempotency_key,
        "reason": reason.strip(),
    }
    rows = []
    if to_pool := wanted - to_lots:
        rows.append(
            book.write(
                TransactionType.REFUND,
                CreditType.FREE,
                to_pool,
                origin=spends[CreditType.FREE],
                **columns,
            )
        )
    if to_lots:
        rows.append(_refund_to_lots(book, spends[CreditType.PAID], to_lots, at, columns))
    book.announce(credits_refunded, transactions=rows)
    return rows


def _refund_to_lots(
    book: Book, spend: CreditTransaction, amount: int, at: datetime, columns: dict[str, Any]
) -> CreditTransaction:
    using = ledger_database()
    allocations = list(
        CreditAllocation.objects.using(using).filter(transaction=spend).order_by("pk")
    )
    drawn = [Draw(allocation.lot_id, -allocation.amount) for allocation in allocations]
    prices = {allocation.lot_id: allocation.price for allocation in allocations}
    taken = {draw.lot_id: draw.amount for draw in drawn}
    returned = _returned(spend)
    gone = {draw.lot_id: draw.amount for draw in give_back(drawn, returned=0, amount=returned)}
    back: list[Draw] = []
    regranted = 0
    price, currency = None, ""
    expires_at = at + timedelta(days=get_settings().refund_grace_days)
    for draw in give_back(drawn, returned=returned, amount=amount):
        lot = CreditTransaction.objects.using(using).get(pk=draw.lot_id)
        last = _last_extension(lot)
        if last == lot and _is_open(lot, at):
            back.append(draw)
        else:
            regranted += draw.amount
            # A lot has one currency, that of the first draw: others are not converted.
            worth = _worth_of(
                prices[lot.pk], taken[lot.pk], before=gone.get(lot.pk, 0), now=draw.amount
            )
            if worth is not None and currency in {"", lot.currency}:
                price, currency = (price or Decimal(0)) + worth, lot.currency
            # Of several dates the latest: a refund never shortens what was promised.
            expires_at = max(expires_at, last.expires_at or expires_at)
    lot_columns: dict[str, Any] = {}
    if regranted:
        lot_columns = {
            "granted_amount": regranted,
            "expires_at": expires_at,
            "price": price,
            "currency": currency,
        }
    return book.write(
        TransactionType.REFUND,
        CreditType.PAID,
        amount,
        draws=back,
        origin=spend,
        **columns,
        **lot_columns,
    )


def _worth_of(price: Decimal | None, taken: int, *, before: int, now: int) -> Decimal | None:
    """
    Return what ``now`` credits are worth of a draw that took ``taken`` for ``price``, a negative.

    After ``before`` others went back: all parts together are worth what the draw took, to the cent.
    """
    if price is None:
        return None
    first, last = (share_of(-price, part, taken) for part in (before, before + now))
    return None if first is None or last is None else last - first


def _last_extension(lot: CreditTransaction) -> CreditTransaction:
    """Return the lot that extensions moved this lot's credits to in the end, or the lot itself."""
    while extension := (
        _consequences(lot)
        .filter(transaction_type=TransactionType.ADJUSTMENT)
        .order_by("-pk")
        .first()
    ):
        lot = extension
    return lot


def _is_open(lot: CreditTransaction, at: datetime) -> bool:
    # A lot is written off once: what came back to one that has been would stay for ever.
    written_off = _consequences(lot).filter(transaction_type=TransactionType.EXPIRY)
    return lot.expires_at is not None and lot.expires_at > at and not written_off.exists()


def _consequences(lot: CreditTransaction) -> QuerySet[CreditTransaction]:
    # By name: where a router has reads go to a replica, `lot.consequences` would follow it.
    return CreditTransaction.objects.using(ledger_database()).filter(origin=lot)


def _returned(spend: CreditTransaction) -> int:
    refunds = CreditTransaction.objects.using(ledger_database()).filter(
        # The professional is in the index, the origin is not. Nothing but refunds comes of a spend,
        # and to ask for them by type would lead SQLite to the index of all refunds.
        professional_id=spend.professional_id,
        origin=spend,
    )
    return sum(refunds.values_list("amount", flat=True))
