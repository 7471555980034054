"""
Write off expired lots, set-based: six statements a chunk, however many lots are due.

1. claim the balances of professionals with due lots, which locks them: no lot of theirs moves now
2. insert one ``expiry`` row for each due lot   3. insert the allocations
4. lower the balances   5. add up the rows   6. empty the lots

Only lots of claimed balances are touched: a lot that falls due in between, of a professional who
was not claimed, waits for the next run.
"""

from datetime import datetime

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum, Value, Window
from django.db.models.functions import Coalesce
from django.db.models.functions.json import JSONObject

from credits.engine.inserting import insert_select
from credits.engine.keys import KeyRange
from credits.engine.tally import Change, Forecast, Tally
from credits.models import (
    CreditAllocation,
    CreditBalance,
    CreditTransaction,
    CreditType,
    JobRun,
    TransactionType,
)


def due_lots(*, as_of: datetime, using: str) -> QuerySet[CreditTransaction]:
    """Return the lots to write off at ``as_of``."""
    return CreditTransaction.objects.using(using).due(as_of)


def expire_chunk(
    due: QuerySet[CreditTransaction],
    within: KeyRange,
    *,
    run: JobRun,
    as_of: datetime,
    using: str,
) -> Tally:
    """Write off the due lots of the professionals in a range, in the caller's transaction."""
    balances = CreditBalance.objects.using(using).filter(within.on("professional"))
    due = due.filter(within.on("professional"))
    if not balances.filter(professional__in=due.order_by().values("professional")).update(
        claimed_by=run.pk
    ):
        return Tally()

    claimed = balances.filter(claimed_by=run.pk)
    lots = due.filter(professional__in=claimed.order_by().values("pk"))
    _insert_expiries(lots, run=run, as_of=as_of, using=using)
    _insert_allocations(lots, using=using)
    tally = _tally(lots)
    _lower_balances(claimed, lots)
    lots.update(remaining_amount=0)
    return tally


def _insert_expiries(
    lots: QuerySet[CreditTransaction], *, run: JobRun, as_of: datetime, using: str
) -> None:
    total = F("professional__credit_balance__free_credits") + F(
        "professional__credit_balance__paid_credits"
    )
    # The lots of one professional fall one after the other. The key makes the order total: peers
    # would share one running sum.
    fallen = Window(
        Sum("remaining_amount"),
        partition_by=F("professional_id"),
        order_by=[F("expires_at").asc(), F("pk").asc()],
    )
    insert_select(
        CreditTransaction,
        lots.order_by("professional", "expires_at", "pk"),
        {
            "professional": F("professional_id"),
            "transaction_type": TransactionType.EXPIRY.value,
            "credit_type": CreditType.PAID.value,
            "amount": Value(0) - F("remaining_amount"),
            "granted_amount": 0,
            "remaining_amount": 0,
            "balance_before": total - fallen + F("remaining_amount"),
            "balance_after": total - fallen,
            "description": "Credits expired",
            "metadata": JSONObject(lot=F("pk")),
            "currency": "",
            "origin": F("pk"),
            "run": run.pk,
            "created_at": as_of,
        },
        using=using,
    )


def _insert_allocations(lots: QuerySet[CreditTransaction], *, using: str) -> None:
    insert_select(
        CreditAllocation,
        lots.filter(consequences__transaction_type=TransactionType.EXPIRY).order_by("pk"),
        {
            "lot": F("pk"),
            "transaction": F("consequences__pk"),
            "amount": Value(0) - F("remaining_amount"),
        },
        using=using,
    )


def _lower_balances(claimed: QuerySet[CreditBalance], lots: QuerySet[CreditTransaction]) -> None:
    lost = Subquery(
        lots.filter(professional=OuterRef("pk"))
        .order_by()
        .values("professional")
        .annotate(lost=Sum("remaining_amount"))
        .values("lost")
    )
    claimed.update(
        paid_credits=F("paid_credits") - lost, lifetime_expired=F("lifetime_expired") + lost
    )


def _tally(lots: QuerySet[CreditTransaction]) -> Tally:
    sums = lots.aggregate(count=Count("pk"), expired=Coalesce(Sum("remaining_amount"), 0))
    return Tally(succeeded=sums["count"], expired=sums["expired"])


def forecast(due: QuerySet[CreditTransaction]) -> Forecast:
    """Compute what an expiry would do now, without a write."""
    tally = _tally(due)
    largest = (
        due.order_by()
        .values("professional")
        .annotate(lost=Sum("remaining_amount"))
        .order_by("-lost", "professional")
        .values_list(
            "professional",
            F("professional__credit_balance__free_credits")
            + F("professional__credit_balance__paid_credits"),
            "lost",
        )[:10]
    )
    return Forecast(
        found=tally.succeeded,
        tally=tally,
        largest=tuple(Change(key, total, total - lost) for key, total, lost in largest),
    )
