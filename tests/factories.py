"""What tests are made of: moments as constants, professionals with a given amount of credits."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import connection
from django.db.models import Model

from credits.ledger import adjust, extend, grant_bonus, purchase, refund, spend
from credits.models import (
    CreditBalance,
    CreditTransaction,
    CreditType,
    JobRun,
    Notice,
    TransactionType,
)
from homezy.models import Role, User, Verification

JANUARY = datetime(2026, 1, 15, 9, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, 0, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 0, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 0, 1, tzinfo=UTC)
JULY_15 = datetime(2026, 7, 15, 9, tzinfo=UTC)
"""When what was bought in ``JANUARY`` expires."""

AUGUST = datetime(2026, 8, 1, 2, tzinfo=UTC)
AUGUST_31 = datetime(2026, 8, 31, 12, tzinfo=UTC)

MOMENT = timedelta(microseconds=1)
"""The least that two moments can lie apart."""

LEASE = timedelta(seconds=300)
"""What ``CREDITS["LEASE_SECONDS"]`` is by default."""

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


def make_expert(**fields: Any) -> User:
    """Make a professional whose papers were looked at closely; see ``tests.plans``."""
    return make_professional(verification=Verification.COMPREHENSIVE, **fields)


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


def give(professional: User, amount: int, *, at: datetime = JANUARY) -> CreditTransaction:
    """Give a professional free credits."""
    return grant_bonus(
        professional_id=professional.pk, amount=amount, at=at, idempotency_key=new_key("bonus")
    )


def give_lot(
    professional: User, amount: int, *, expires_at: datetime, at: datetime = JANUARY
) -> CreditTransaction:
    """Give a professional a paid lot that lasts until then."""
    return grant_bonus(
        professional_id=professional.pk,
        amount=amount,
        credit_type=CreditType.PAID,
        at=at,
        expires_at=expires_at,
        idempotency_key=new_key("bonus"),
    )


def give_all(
    amounts: Sequence[tuple[User, int]], *, expires_at: datetime | None = None, at: datetime
) -> list[CreditTransaction]:
    """Give free credits, or with an expiry lots, to many in a few statements."""
    own = {user.pk: CreditBalance(professional=user) for user, _ in amounts}
    own |= CreditBalance.objects.in_bulk(own.keys())
    rows = []
    for professional, amount in amounts:
        balance = own[professional.pk]
        pool = "paid_credits" if expires_at else "free_credits"
        rows.append(
            CreditTransaction(
                professional=professional,
                transaction_type=TransactionType.BONUS,
                credit_type=CreditType.PAID if expires_at else CreditType.FREE,
                amount=amount,
                granted_amount=amount if expires_at else 0,
                remaining_amount=amount if expires_at else 0,
                expires_at=expires_at,
                balance_before=balance.total,
                balance_after=balance.total + amount,
                idempotency_key=new_key("bonus"),
                created_at=at,
            )
        )
        setattr(balance, pool, getattr(balance, pool) + amount)
        balance.lifetime_earned += amount
    upsert(own.values(), ["free_credits", "paid_credits", "lifetime_earned"])
    return CreditTransaction.objects.bulk_create(rows)


def upsert(rows: Collection[Model], columns: list[str]) -> None:
    """Insert rows of one model; where the key is there, update these columns."""
    (model,) = {type(row) for row in rows}
    # MariaDB knows no more than that some key is there.
    by_name = connection.features.supports_update_conflicts_with_target
    model._base_manager.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=[model._meta.pk.name] if by_name else None,
        update_fields=columns,
    )


def use(
    professional: User, amount: int, *, at: datetime = FEBRUARY, key: str = ""
) -> list[CreditTransaction]:
    """Let a professional spend."""
    return spend(
        professional_id=professional.pk,
        amount=amount,
        at=at,
        idempotency_key=key or new_key("spend"),
    )


def undo(
    spent: list[CreditTransaction], amount: int | None = None, *, at: datetime = MARCH
) -> list[CreditTransaction]:
    """Refund a spend, in whole or part."""
    return refund(
        spend_key=str(spent[0].idempotency_key),
        amount=amount,
        at=at,
        idempotency_key=new_key("refund"),
    )


def correct(
    professional: User,
    amount: int,
    credit_type: CreditType,
    *,
    at: datetime = FEBRUARY,
    by: User | None = None,
) -> CreditTransaction:
    """Adjust a balance by hand, somebody's."""
    return adjust(
        professional_id=professional.pk,
        amount=amount,
        credit_type=credit_type,
        reason="A miscount.",
        actor_id=(by or make_user()).pk,
        at=at,
        idempotency_key=new_key("adjustment"),
    )


def prolong(
    lot: CreditTransaction, expires_at: datetime, *, at: datetime = FEBRUARY
) -> CreditTransaction:
    """Give a lot a later expiry."""
    return extend(
        lot_id=lot.pk,
        expires_at=expires_at,
        reason="A long illness.",
        actor_id=make_user().pk,
        at=at,
        idempotency_key=new_key("extension"),
    )


def make_professionals(count: int) -> list[User]:
    """Make that many verified professionals the ledger never touched, in one statement."""
    return User.objects.bulk_create(
        User(
            email=f"user-{next(_numbers)}@example.com",
            role=Role.PRO,
            verification=Verification.BASIC,
        )
        for _ in range(count)
    )


def make_lot_holders(
    count: int, *, lots: tuple[int, ...] = (10,), at: datetime = JANUARY, expires_at: datetime
) -> list[User]:
    """Make that many professionals with paid lots of these sizes, in a few statements."""
    holders = make_professionals(count)
    total = sum(lots)
    CreditBalance.objects.bulk_create(
        CreditBalance(professional=holder, paid_credits=total, lifetime_earned=total)
        for holder in holders
    )
    CreditTransaction.objects.bulk_create(
        CreditTransaction(
            professional=holder,
            transaction_type=TransactionType.BONUS,
            credit_type=CreditType.PAID,
            amount=size,
            granted_amount=size,
            remaining_amount=size,
            expires_at=expires_at,
            balance_before=sum(lots[:place]),
            balance_after=sum(lots[:place]) + size,
            idempotency_key=new_key("bonus"),
            created_at=at,
        )
        for holder in holders
        for place, size in enumerate(lots)
    )
    return holders


def make_run(**fields: Any) -> JobRun:
    """Make a run that has succeeded and done nothing, unless told otherwise."""
    fields = {
        "job": JobRun.Job.RESET,
        "status": JobRun.Status.SUCCEEDED,
        "as_of": MARCH,
        "started_at": MARCH,
        "heartbeat_at": MARCH,
        "host": "web-1",
        "process_id": 1,
    } | fields
    return JobRun.objects.create(**fields)


def make_notice(professional: User | None = None, **fields: Any) -> Notice:
    """Make a reset notice that was handed over, unless told otherwise."""
    fields = {
        "kind": Notice.Kind.RESET,
        "key": new_key("notice"),
        "professional": professional,
        "address": professional.email if professional else "operator@example.com",
        "status": Notice.Status.SENT,
        "attempts": 1,
        "message_id": new_key("message"),
        "next_attempt_at": MARCH,
        "created_at": MARCH,
        "sent_at": MARCH,
    } | fields
    return Notice.objects.create(**fields)


def new_key(kind: str) -> str:
    """Return an idempotency key that no other call has."""
    return f"{kind}-{next(_numbers)}"


def promise(professional: User | None = None, /, **fields: Any) -> Notice:
    """Promise a notice that is due at ``MARCH`` at noon; a reset notice unless told otherwise."""
    noon = MARCH.replace(hour=12)
    fields = {
        "kind": Notice.Kind.RESET,
        "key": new_key("notice"),
        "professional": professional,
        "context": {"before": 30, "after": 100, "period": "2026-03"},
        "next_attempt_at": noon,
        "created_at": noon,
    } | fields
    return Notice.objects.create(**fields)
