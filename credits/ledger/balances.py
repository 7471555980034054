"""What the books say: now, at a moment to come, at a moment past. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from credits.engine.database import ledger_database
from credits.ledger.arguments import check_moment
from credits.models import CreditBalance, CreditTransaction, CreditType
from credits.models.balances import ProfessionalId


@dataclass(frozen=True)
class Balance:
    """Credits held at one moment."""

    free: int
    """Credits in the free pool."""

    paid: int
    """Credits left in paid lots."""

    @property
    def total(self) -> int:
        """Free and paid credits together."""
        return self.free + self.paid


def balance_of(professional_id: ProfessionalId) -> Balance:
    """
    Return what stands on the balance: expired lots count until the job has written them off.

    A professional the ledger never touched has nothing.
    """
    row = CreditBalance.objects.using(ledger_database()).filter(pk=professional_id).first()
    return Balance(free=row.free_credits, paid=row.paid_credits) if row else Balance(0, 0)


def spendable_at(professional_id: ProfessionalId, as_of: datetime) -> Balance:
    """Return what a spend at ``as_of`` could use if nothing happened until then."""
    check_moment("as_of", as_of)
    left = (
        CreditTransaction.objects.using(ledger_database())
        .spendable(as_of)
        .filter(professional_id=professional_id)
        .aggregate(left=Coalesce(Sum("remaining_amount"), 0))
    )
    return Balance(free=balance_of(professional_id).free, paid=left["left"])


def lots_of(professional_id: ProfessionalId) -> QuerySet[CreditTransaction]:
    """Return the professional's open lots, in the order in which a spend would use them."""
    return (
        CreditTransaction.objects.using(ledger_database())
        .open_lots()
        .filter(professional_id=professional_id)
        .order_by("expires_at", "created_at", "pk")
    )


def expiring(*, since: datetime, until: datetime) -> QuerySet[CreditTransaction]:
    """Return everyone's open lots with ``since <= expires_at < until``, soonest first."""
    check_moment("since", since)
    check_moment("until", until)
    return (
        CreditTransaction.objects.using(ledger_database())
        .open_lots()
        .filter(expires_at__gte=since, expires_at__lt=until)
        .order_by("expires_at", "pk")
    )


def history(professional_id: ProfessionalId) -> QuerySet[CreditTransaction]:
    """Return the professional's transactions, newest first; their order is that of their keys."""
    return (
        CreditTransaction.objects.using(ledger_database())
        .filter(professional_id=professional_id)
        .order_by("-pk")
    )


def balance_at(professional_id: ProfessionalId, as_of: datetime) -> Balance:
    """Return what stood on the balance at a past moment; what happened at it is included."""
    check_moment("as_of", as_of)
    sums = (
        history(professional_id)
        .order_by()
        .filter(created_at__lte=as_of)
        .aggregate(
            free=Coalesce(Sum("amount", filter=Q(credit_type=CreditType.FREE)), 0),
            paid=Coalesce(Sum("amount", filter=Q(credit_type=CreditType.PAID)), 0),
        )
    )
    return Balance(free=sums["free"], paid=sums["paid"])
