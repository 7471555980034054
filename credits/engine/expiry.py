"""
Write off expired lots, set-based: eight statements a chunk, however many lots are due.

1. lock the balances of professionals with due lots, in the order of their keys: no lot of theirs
   moves now                       2. note where the ledger ends
3. insert one ``expiry`` row for each due lot
4. insert the allocations          5. lower the balances
6. empty the lots                  7. add up what was written
8. promise each owner a receipt

From 4 on everything follows from the rows that 3 wrote.
"""

from datetime import datetime

from django.db import connections
from django.db.models import BooleanField, Count, F, Func, Max, Q, QuerySet, Sum, Value, Window
from django.db.models.functions import Coalesce
from django.db.models.functions.json import JSONObject

from credits.engine.database import enter_ledger
from credits.engine.inserting import compiled, insert_select
from credits.engine.keys import KeyRange
from credits.engine.mariadb import is_mariadb
from credits.engine.notices import promise_receipts
from credits.engine.tally import Change, Forecast, Tally
from credits.models import (
    CreditAllocation,
    CreditBalance,
    CreditTransaction,
    CreditType,
    JobRun,
    TransactionType,
)
from credits.models.balances import ProfessionalId


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
    due = due.filter(within.on("professional"))
    locked = _lock_owners(due, using=using)
    ledger = CreditTransaction.objects.using(using)
    enter_ledger(using=using)
    end = ledger.aggregate(end=Coalesce(Max("pk"), 0))["end"]
    if not _insert_expiries(due.filter(locked), run=run, as_of=as_of, using=using):
        return Tally()

    # Keys are drawn in order, so behind the noted end stand the rows just written and what others
    # wrote meanwhile: a short stretch, however long the ledger is. Their type is not asked for:
    # PostgreSQL would take the index of the expiries, and all of them, for the shorter way.
    written = ledger.filter(within.on("professional"), pk__gt=end, run=run)
    _insert_allocations(written, using=using)
    _lower_balances(written, using=using)
    _empty_lots(written, using=using)
    sums = written.aggregate(count=Count("pk"), amount=Coalesce(Sum("amount"), 0))
    notices = promise_receipts(written, run=run, as_of=as_of, using=using)
    return Tally(succeeded=sums["count"], expired=-sums["amount"], notices=notices)


def _lock_owners(due: QuerySet[CreditTransaction], *, using: str) -> Q:
    """
    Lock the balances of everyone with due lots; return the condition on a lot that it is theirs.

    The condition holds the locked keys themselves, the one thing that travels through Python: a
    lot that was bought long ago and booked just now may belong to somebody who was not locked,
    and waits for the next run. To mark the balances instead would write each of them twice.
    """
    if not connections[using].features.has_select_for_update:
        # SQLite: this transaction locked the whole database when it began.
        return Q()
    owners = due.order_by().values("professional")
    keys = (
        CreditBalance.objects.using(using)
        .select_for_update()
        .filter(professional__in=owners)
        .order_by("professional_id")
        .values_list("professional_id", flat=True)
    )
    if is_mariadb(using):
        return Q(professional__in=list(keys))
    return Q(_AnyOf(F("professional_id"), _array(list(keys))))


class _AnyOf(Func):
    """``key = ANY(array)``: one parameter, where IN has thousands to write out and to parse."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def _array(keys: list[ProfessionalId]) -> Value:
    # Not at the top: the module wants psycopg, which who runs on SQLite may not have.
    from django.contrib.postgres.fields import ArrayField  # noqa: PLC0415

    key = CreditBalance._meta.get_field("professional").target_field
    return Value(keys, output_field=ArrayField(key))


def _insert_expiries(
    lots: QuerySet[CreditTransaction], *, run: JobRun, as_of: datetime, using: str
) -> int:
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
    return insert_select(
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


def _insert_allocations(written: QuerySet[CreditTransaction], *, using: str) -> None:
    insert_select(
        CreditAllocation,
        written.order_by("pk"),
        {
            "lot": F("origin_id"),
            "transaction": F("pk"),
            "amount": F("amount"),
            # Read from the lot, which is emptied after this.
            "price": -F("origin__remaining_price"),
        },
        using=using,
    )


def _lower_balances(written: QuerySet[CreditTransaction], *, using: str) -> None:
    # Not a correlated subquery, which is what the ORM has: with fresh rows in no statistics
    # PostgreSQL walks all of them again for each balance.
    sums, params = compiled(
        written.order_by().values("professional_id").annotate(change=Sum("amount")), using=using
    )
    change = """
        SET paid_credits = paid_credits + fallen.change,
            lifetime_expired = lifetime_expired - fallen.change
    """
    joined = "credits_creditbalance.professional_id = fallen.professional_id"
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"UPDATE credits_creditbalance JOIN ({sums}) fallen ON {joined} {change}"
            if is_mariadb(using)
            else f"UPDATE credits_creditbalance {change} FROM ({sums}) fallen WHERE {joined}",
            params,
        )


def _empty_lots(written: QuerySet[CreditTransaction], *, using: str) -> None:
    lots = written.order_by().values("origin")
    # Times zero: a lot for which nothing was paid keeps no price.
    if not is_mariadb(using):
        CreditTransaction.objects.using(using).filter(pk__in=lots).update(
            remaining_amount=0, remaining_price=F("remaining_price") * 0
        )
        return
    # With IN it would ask, for each row of the ledger, whether it is among them.
    fallen, params = compiled(lots, using=using)
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE credits_credittransaction lot JOIN ({fallen}) fallen ON lot.id = fallen.origin
            SET lot.remaining_amount = 0, lot.remaining_price = lot.remaining_price * 0
            """,
            params,
        )


def forecast(due: QuerySet[CreditTransaction]) -> Forecast:
    """Compute what an expiry would do now, without a write."""
    sums = due.aggregate(count=Count("pk"), lost=Coalesce(Sum("remaining_amount"), 0))
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
        found=sums["count"],
        tally=Tally(succeeded=sums["count"], expired=sums["lost"]),
        largest=tuple(Change(key, total, total - lost) for key, total, lost in largest),
    )
