"""A hundred thousand professionals in a second or two, with books that are in order."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection
from django.db.models import CharField, F, JSONField, QuerySet, Value
from django.db.models.functions import Cast, Concat, Mod

from credits.engine.inserting import insert_select
from credits.models import CreditBalance, CreditTransaction
from homezy.models import Role, User, Verification
from proof.stage import clear, guards_aside
from tests.factories import JANUARY

SIBLINGS = 1_000
"""Professionals made in Python; the others are their copies, made by the database."""

HELD = Mod(F("pk"), Value(190)) + Value(1)
"""Each holds 1 to 190 credits, by the key."""


@contextmanager
def crowd(count: int, *, lots_expire_at: datetime | None = None) -> Iterator[QuerySet[User]]:
    """
    Yield ``count`` professionals who were each granted 1 to 190 credits in ``JANUARY``.

    They are all there are, and gone at the end.

    Args:
        lots_expire_at: of the paid lot that each holds; without it the credits are free ones.
    """
    try:
        # What is inserted refers to what is there: a million foreign keys need no look each.
        with guards_aside():
            _make_users(count)
            _grant(lots_expire_at)
        if connection.vendor == "postgresql":
            _analyze()
        yield User.objects.order_by("pk")
    finally:
        clear()


def _make_users(count: int) -> None:
    User.objects.bulk_create(
        User(email=f"{number}@example.com", role=Role.PRO, verification=Verification.BASIC)
        for number in range(SIBLINGS)
    )
    columns = {
        field.name: F(field.name)
        for field in User._meta.concrete_fields
        if field.name not in {"id", "email"}
    }
    made, generation = min(count, SIBLINGS), 0
    while made < count:
        # All who are there, or as many of them as are still wanted.
        generation += 1
        wanted = User.objects.order_by("pk")[: min(made, count - made)]
        email = Concat(Value(f"{generation}-"), F("email"), output_field=CharField())
        insert_select(User, wanted, {**columns, "email": email}, using="default")
        made += min(made, count - made)


def _grant(lots_expire_at: datetime | None) -> None:
    is_lot = lots_expire_at is not None
    insert_select(
        CreditTransaction,
        User.objects.order_by("pk"),
        {
            "professional": F("pk"),
            "transaction_type": "bonus",
            "credit_type": "paid" if is_lot else "free",
            "amount": HELD,
            "granted_amount": HELD if is_lot else 0,
            "remaining_amount": HELD if is_lot else 0,
            "expires_at": lots_expire_at,
            "balance_before": 0,
            "balance_after": HELD,
            "description": "Bonus",
            "metadata": Value({}, JSONField()),
            "currency": "",
            "idempotency_key": Concat(Value("bonus-"), Cast("pk", CharField(max_length=20))),
            "created_at": JANUARY,
        },
        using="default",
    )
    insert_select(
        CreditBalance,
        CreditTransaction.objects.order_by("pk"),
        {
            "professional": F("professional_id"),
            "free_credits": 0 if is_lot else F("amount"),
            "paid_credits": F("amount") if is_lot else 0,
            "lifetime_earned": F("amount"),
            "lifetime_spent": 0,
            "lifetime_expired": 0,
            "last_reset_period": "",
        },
        using="default",
    )


def _analyze() -> None:
    """Do at once what autovacuum would do in a minute: plans that know how large the tables are."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
