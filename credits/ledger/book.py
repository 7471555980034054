"""How a ledger function writes: one act, done again if it must be, on one locked balance."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial, wraps
from operator import attrgetter
from typing import Any, ParamSpec, TypeVar

from django.db import IntegrityError, transaction
from django.dispatch import Signal

from credits.engine.database import attempts, enter_ledger, ledger_database, lock_key
from credits.engine.inserting import insert_unless_there
from credits.exceptions import IdempotencyKeyReused, InvalidArgument, UnknownProfessional
from credits.ledger.arguments import MAX_CREDITS, check_key, check_moment, check_user, may_be_key
from credits.ledger.burndown import Draw, share_of
from credits.models import (
    CreditAllocation,
    CreditBalance,
    CreditTransaction,
    CreditType,
    TransactionReason,
    TransactionType,
)
from credits.models.balances import ProfessionalId

P = ParamSpec("P")
R = TypeVar("R")


def act(function: Callable[P, R]) -> Callable[P, R]:
    """Run a ledger function in one transaction; again, while only the database is to blame."""

    def commit(*args: P.args, **kwargs: P.kwargs) -> R:
        using = ledger_database()
        for attempt in attempts(using=using):
            with attempt, transaction.atomic(using=using):
                result = function(*args, **kwargs)
        return result

    @wraps(function)
    def commit_once(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return commit(*args, **kwargs)
        except IntegrityError:
            # A call with the same key for another professional holds another lock, so both may
            # have found the key unused. The one that lost now finds the one that won.
            return commit(*args, **kwargs)

    return commit_once


class Book:
    """A professional's locked balance, and the rows one act writes under the lock."""

    def __init__(self, professional_id: ProfessionalId, *, at: datetime) -> None:
        """
        Lock the balance, opening it at the first touch; until the transaction ends.

        Raises:
            UnknownProfessional: no user has this id.
        """
        check_moment("at", at)
        self._using = ledger_database()
        self._at = at
        self._lots: dict[int, CreditTransaction] = {}
        self._has_entered = False
        self.balance = self._lock(professional_id)

    def _lock(self, professional_id: ProfessionalId) -> CreditBalance:
        if not may_be_key(CreditBalance, professional_id):
            raise UnknownProfessional(professional_id=professional_id)
        balances = CreditBalance.objects.using(self._using)
        locked = balances.select_for_update().filter(pk=professional_id)
        # Not first(): it sorts, and an ORDER BY is a fifth of what Django takes to ask anything.
        with suppress(CreditBalance.DoesNotExist):
            return locked.get()
        check_user(professional_id)
        # Two first touches at once: the second waits here and then locks the row of the first.
        insert_unless_there(CreditBalance(professional_id=professional_id), using=self._using)
        return locked.get()

    def earlier(self, idempotency_key: str, **same: object) -> list[CreditTransaction]:
        """
        Return what an earlier call with this key wrote, oldest first; nothing if there was none.

        Raises:
            IdempotencyKeyReused: that call was made with other arguments than ``same``.
        """
        check_key(idempotency_key)
        lock_key(idempotency_key, using=self._using)
        written = CreditTransaction.objects.using(self._using)
        # Two at most, mostly none: sorted here.
        rows = sorted(written.filter(idempotency_key=idempotency_key), key=attrgetter("pk"))
        if rows:
            first = {"amount": sum(row.amount for row in rows)}
            for argument, value in {"professional_id": self.balance.pk, **same}.items():
                was = first.get(argument, getattr(rows[0], argument))
                if was != value:
                    raise IdempotencyKeyReused(
                        idempotency_key=idempotency_key, argument=argument, first=was, now=value
                    )
        return rows

    def write(
        self,
        transaction_type: TransactionType,
        credit_type: CreditType,
        amount: int,
        *,
        idempotency_key: str,
        draws: Iterable[Draw] = (),
        reason: str = "",
        **columns: Any,
    ) -> CreditTransaction:
        """
        Write one row, its allocations and the balance it leaves.

        Args:
            amount: the signed change of the balance.
            draws: the change of each lot, with the sign of what the lot loses or gets back.
            reason: a person's words; kept apart from the ledger, where they can be erased.
        """
        total = self.balance.total
        if total + amount > MAX_CREDITS:
            raise InvalidArgument("amount", f"a balance holds at most {MAX_CREDITS:,} credits.")
        row = CreditTransaction(
            professional_id=self.balance.pk,
            transaction_type=transaction_type,
            credit_type=credit_type,
            amount=amount,
            remaining_amount=columns.get("granted_amount", 0),
            remaining_price=columns.get("price"),
            balance_before=total,
            balance_after=total + amount,
            idempotency_key=idempotency_key,
            created_at=self._at,
            **columns,
        )
        if not self._has_entered:
            enter_ledger(using=self._using)
            self._has_entered = True
        row.save(using=self._using, force_insert=True)
        if reason:
            TransactionReason.objects.using(self._using).create(transaction=row, text=reason)
        self._allocate(row, draws)
        self._move_balance(transaction_type, credit_type, amount)
        return row

    def announce(self, signal: Signal, **arguments: Any) -> None:
        """Tell who listens once all of this is committed, however deep in other transactions."""
        if signal.has_listeners(CreditTransaction):
            tell = partial(signal.send_robust, sender=CreditTransaction, **arguments)
            transaction.on_commit(tell, using=self._using)

    def _allocate(self, row: CreditTransaction, draws: Iterable[Draw]) -> None:
        ledger = CreditTransaction.objects.using(self._using)
        draws = list(draws)
        # A spend has read its lots under the lock already, to choose among them.
        if unread := {draw.lot_id for draw in draws} - self._lots.keys():
            self._lots |= ledger.in_bulk(unread)
        allocations = []
        for draw in draws:
            lot = self._lots[draw.lot_id]
            left = lot.remaining_amount + draw.amount
            worth = share_of(lot.price, left, lot.granted_amount)
            price = None
            if worth is not None and lot.remaining_price is not None:
                price = worth - lot.remaining_price
            allocations.append(
                CreditAllocation(lot=lot, transaction=row, amount=draw.amount, price=price)
            )
            ledger.filter(pk=lot.pk).update(remaining_amount=left, remaining_price=worth)
            lot.remaining_amount, lot.remaining_price = left, worth
        CreditAllocation.objects.using(self._using).bulk_create(allocations)

    def _move_balance(
        self, transaction_type: TransactionType, credit_type: CreditType, amount: int
    ) -> None:
        balance = self.balance
        if credit_type == CreditType.FREE:
            balance.free_credits += amount
        else:
            balance.paid_credits += amount
        if transaction_type in {TransactionType.SPEND, TransactionType.REFUND}:
            balance.lifetime_spent -= amount
        else:
            balance.lifetime_earned += amount
        if transaction_type == TransactionType.SPEND:
            balance.last_spend_at = self._at
        if transaction_type == TransactionType.PURCHASE:
            balance.last_purchase_at = self._at
        balance.save(using=self._using, force_update=True)

    def spendable_lots(self, *, most: int) -> list[CreditTransaction]:
        """Return the lots a spend draws on first, in its order: soonest to expire, then oldest."""
        lots = list(
            CreditTransaction.objects.using(self._using)
            .spendable(self._at)
            .filter(professional_id=self.balance.pk)
            .order_by("expires_at", "created_at", "pk")[:most]
        )
        self._lots |= {lot.pk: lot for lot in lots}
        return lots
