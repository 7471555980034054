"""Which stretches of an index a list of transactions consists of, by what its address asks for."""

from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from credits.admin.filters import LOT_TYPES
from credits.models import CreditType, TransactionType

TYPE, POOL, LOT = "transaction_type__exact", "credit_type__exact", "lot"

_KNOWN = {TYPE, POOL, LOT, "month", "p"}


def stretches(asked: QueryDict, rows: QuerySet[Any]) -> list[QuerySet[Any]]:
    """
    Return the parts of ``rows`` that are one stretch each of the index by type, newest at its end.

    There are none where another index leads to the rows: with no filter, or with one that finds
    few of them.
    """
    if set(asked) - _KNOWN or not {TYPE, POOL, LOT} & set(asked):
        return []
    # Types and pools that are none find nothing in ``rows`` either.
    types = asked.getlist(TYPE) or TransactionType.values
    if asked.get(LOT) == "open":
        paid = rows.filter(credit_type=CreditType.PAID)
        return [paid.filter(transaction_type=kind) for kind in LOT_TYPES if kind in types]
    return [
        rows.filter(transaction_type=kind, credit_type=pool)
        for kind in dict.fromkeys(types)
        for pool in dict.fromkeys(asked.getlist(POOL) or CreditType.values)
    ]
