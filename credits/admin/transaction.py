"""What the page of one transaction shows."""

import json
from typing import Any

from credits.admin import cells
from credits.models import CreditAllocation, CreditTransaction, TransactionReason

MOST = 100
"""Allocations and consequences shown, the newest; a lot is seldom drawn on more often."""


def page_of(transaction: CreditTransaction) -> dict[str, Any]:
    """Return what ``transaction.html`` shows: six queries, whatever hangs on the row."""
    allocations = CreditAllocation.objects.select_related("lot", "transaction").order_by("-pk")
    reason = TransactionReason.objects.filter(pk=transaction.pk).first()
    metadata = transaction.metadata
    return {
        "title": cells.title_of(transaction),
        "transaction": transaction,
        "reason": reason.text if reason else "",
        "metadata": json.dumps(metadata, indent=2, ensure_ascii=False, sort_keys=True)
        if metadata
        else "",
        "drew_from": list(allocations.filter(transaction_id=transaction.pk)[:MOST]),
        "drawn_by": list(allocations.filter(lot_id=transaction.pk)[:MOST])
        if transaction.granted_amount
        else [],
        "origin": CreditTransaction.objects.filter(pk=transaction.origin_id).first()
        if transaction.origin_id
        else None,
        # The professional is in an index, the origin is not.
        "consequences": list(
            CreditTransaction.objects.filter(
                professional_id=transaction.professional_id,
                origin_id=transaction.pk,
                pk__gt=transaction.pk,
            ).order_by("-pk")[:MOST]
        ),
    }
