"""Repair balances from the ledger: the cached columns only, and only where they are wrong."""

from contextlib import suppress
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from credits.engine.audit import BALANCES
from credits.engine.database import attempts
from credits.models import CreditBalance, CreditTransaction, CreditType, TransactionType

_CHUNK = 500

_RESET = Q(transaction_type=TransactionType.MONTHLY_RESET)
_COLUMNS: dict[str, tuple[int, Q]] = {
    "free_credits": (1, Q(credit_type=CreditType.FREE)),
    "paid_credits": (1, Q(credit_type=CreditType.PAID)),
    "lifetime_earned": (
        1,
        Q(
            transaction_type__in=[
                TransactionType.PURCHASE,
                TransactionType.BONUS,
                TransactionType.ADJUSTMENT,
            ]
        )
        | _RESET & Q(amount__gt=0),
    ),
    "lifetime_spent": (
        -1,
        Q(transaction_type__in=[TransactionType.SPEND, TransactionType.REFUND]),
    ),
    "lifetime_expired": (
        -1,
        Q(transaction_type=TransactionType.EXPIRY) | _RESET & Q(amount__lt=0),
    ),
}


def rebuild_balances(*, using: str) -> int:
    """
    Compute every wrong balance anew from the ledger's rows; return how many were mended.

    Nothing but cached columns is written. A balance that the ledger itself contradicts (a pool
    below zero) is left as it is, for ``verify_credits`` to name.
    """
    wrong = set(_open_missing(using=using))
    after: Any = None
    while keys := _wrong(after, using=using):
        wrong.update(keys)
        try:
            _mend(keys, using=using)
        except IntegrityError:
            for key in keys:
                with suppress(IntegrityError):
                    _mend([key], using=using)
        after = keys[-1]

    after = None
    while keys := _wrong(after, using=using):
        wrong.difference_update(keys)
        after = keys[-1]
    return len(wrong)


def _wrong(after: Any, *, using: str) -> list[Any]:
    beyond = "" if after is None else "WHERE professional > %s"
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT professional FROM ({BALANCES.offenders}) offenders {beyond}"
            f" ORDER BY professional LIMIT {_CHUNK}",
            () if after is None else (after,),
        )
        return [key for (key,) in cursor.fetchall()]


def _mend(keys: list[Any], *, using: str) -> None:
    balances = CreditBalance.objects.using(using).filter(pk__in=keys).order_by("pk")
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using):
            # Lock first, add up after: one statement that did both would add up an older state.
            list(balances.select_for_update().values_list("pk"))
            balances.order_by().update(
                **{
                    column: _ledger_sum(sign, which, using=using)
                    for column, (sign, which) in _COLUMNS.items()
                }
            )


def _ledger_sum(sign: int, which: Q, *, using: str) -> Coalesce:
    rows = (
        CreditTransaction.objects.using(using)
        .filter(professional=OuterRef("pk"))
        .values("professional")
        .annotate(sum=Sum(F("amount") * Value(sign), filter=which))
    )
    return Coalesce(Subquery(rows.values("sum")), 0)


def _open_missing(*, using: str) -> list[Any]:
    """Give everyone in the ledger who has no balance an empty one; return their keys."""
    owners = (
        CreditTransaction.objects.using(using)
        .filter(~Exists(CreditBalance.objects.filter(pk=OuterRef("professional_id"))))
        .values_list("professional_id", flat=True)
        .distinct()
    )
    keys = list(owners)
    CreditBalance.objects.using(using).bulk_create(
        [CreditBalance(professional_id=key) for key in keys], ignore_conflicts=True
    )
    return keys
