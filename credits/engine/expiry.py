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
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Count, F, Func, QuerySet, Sum, Value, Window
from django.db.models.functions import Coalesce
from django.db.models.functions.json import JSONObject
from django.db.models.sql.compiler import SQLCompiler

from credits.engine import notices
from credits.engine.database import enter_ledger
from credits.engine.inserting import insertion
from credits.engine.keys import KeyRange
from credits.engine.mariadb import is_mariadb
from credits.engine.statements import Compiled, Hole, Statement, compiled, update
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


class Expiry:
    """The write-off of one run: its statements, compiled once for all chunks."""

    def __init__(self, due: QuerySet[CreditTransaction], *, run: JobRun, using: str) -> None:
        self._due = due
        self._run = run
        self._using = using
        self._ledger = CreditTransaction.objects.using(using)
        # SQLite: the transaction of the caller locked the whole database when it began.
        self._locks = connections[using].features.has_select_for_update
        self._lock = Statement(self._locking, using=using)
        self._end = Statement(self._ending, using=using)
        self._record = Statement(self._recording, using=using)
        self._allocate = Statement(self._allocating, using=using)
        self._lower = Statement(self._lowering, using=using)
        self._empty = Statement(self._emptying, using=using)
        self._sums = Statement(self._summing, using=using)
        self._promise = Statement(self._promising, using=using)

    def expire_chunk(self, within: KeyRange) -> Tally:
        """Write off the due lots of the professionals in a range, in the caller's transaction."""
        # The locked keys are the one thing that travels through Python: a lot that was bought long
        # ago and booked just now may belong to somebody who was not locked, and waits for the next
        # run. To mark the balances instead would write each of them twice.
        locked = [key for (key,) in self._lock.rows(within)] if self._locks else []
        enter_ledger(using=self._using)
        [(end,)] = self._end.rows(within)
        if not self._record.done(within, locked=self._as_one(locked)):
            return Tally()
        behind = {"end": end}
        self._allocate.done(within, **behind)
        self._lower.done(within, **behind)
        self._empty.done(within, **behind)
        [(count, amount)] = self._sums.rows(within, **behind)
        promised = self._promise.done(within, **behind)
        return Tally(succeeded=count, expired=-int(amount), notices=promised)

    def _as_one(self, keys: list[ProfessionalId]) -> Any:
        # MariaDB has no arrays; there it is a text.
        return ",".join(map(str, keys)) if is_mariadb(self._using) else keys

    def _locking(self, within: KeyRange) -> Compiled:
        owners = self._due.filter(within.on("professional")).order_by().values("professional")
        balances = CreditBalance.objects.using(self._using).select_for_update()
        keys = balances.filter(professional__in=owners).order_by("professional_id")
        return compiled(keys.values_list("professional_id"), using=self._using)

    def _ending(self, within: KeyRange) -> Compiled:
        return "SELECT COALESCE(MAX(id), 0) FROM credits_credittransaction", ()

    def _recording(self, within: KeyRange) -> Compiled:
        lots = self._due.filter(within.on("professional"))
        if self._locks:
            held = Value(Hole("locked")) if is_mariadb(self._using) else _array(Hole("locked"))
            lots = lots.filter(_AnyOf(F("professional_id"), held))
        return _insertion_of_expiries(lots, run=self._run, using=self._using)

    def _written(self, within: KeyRange) -> QuerySet[CreditTransaction]:
        # Keys are drawn in order, so behind the noted end stand the rows just written and what
        # others wrote meanwhile: a short stretch, however long the ledger is. Their type is not
        # asked for: PostgreSQL would take the index of the expiries, and all of them, for the
        # shorter way.
        return self._ledger.filter(
            within.on("professional"), pk__gt=Value(Hole("end")), run=self._run
        )

    def _allocating(self, within: KeyRange) -> Compiled:
        return insertion(
            CreditAllocation,
            self._written(within).order_by("pk"),
            {
                "lot": F("origin_id"),
                "transaction": F("pk"),
                "amount": F("amount"),
                # Read from the lot, which is emptied after this.
                "price": -F("origin__remaining_price"),
            },
            using=self._using,
        )

    def _lowering(self, within: KeyRange) -> Compiled:
        # Not a correlated subquery, which is what the ORM has: with fresh rows in no statistics
        # PostgreSQL walks all of them again for each balance.
        owners = self._written(within).order_by().values("professional_id")
        sums, params = compiled(owners.annotate(change=Sum("amount")), using=self._using)
        change = """
            SET paid_credits = paid_credits + fallen.change,
                lifetime_expired = lifetime_expired - fallen.change
        """
        joined = "credits_creditbalance.professional_id = fallen.professional_id"
        if is_mariadb(self._using):
            return f"UPDATE credits_creditbalance JOIN ({sums}) fallen ON {joined} {change}", params
        return f"UPDATE credits_creditbalance {change} FROM ({sums}) fallen WHERE {joined}", params

    def _emptying(self, within: KeyRange) -> Compiled:
        lots = self._written(within).order_by().values("origin")
        if is_mariadb(self._using):
            # With IN it would ask, for each row of the ledger, whether it is among them.
            fallen, params = compiled(lots, using=self._using)
            return (
                f"""
                UPDATE credits_credittransaction lot
                JOIN ({fallen}) fallen ON lot.id = fallen.origin
                SET lot.remaining_amount = 0, lot.remaining_price = lot.remaining_price * 0
                """,
                params,
            )
        return update(
            self._ledger.filter(pk__in=lots),
            using=self._using,
            remaining_amount=0,
            # Times zero: a lot for which nothing was paid keeps no price.
            remaining_price=F("remaining_price") * 0,
        )

    def _summing(self, within: KeyRange) -> Compiled:
        amounts = self._written(within).order_by().values_list("amount")
        select, params = compiled(amounts, using=self._using)
        return f"SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM ({select}) written", params

    def _promising(self, within: KeyRange) -> Compiled:
        return notices.receipts(self._written(within), run=self._run, using=self._using)


class _AnyOf(Func):
    """``key = ANY(array)``: one parameter, where IN has thousands to write out and to parse."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()

    def as_mysql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> tuple[str, Any]:
        return self.as_sql(
            compiler, connection, template="(FIND_IN_SET(%(expressions)s) > 0)", arg_joiner=", "
        )


def _array(keys: Hole) -> Value:
    # Not at the top: the module wants psycopg, which who runs on SQLite may not have.
    from django.contrib.postgres.fields import ArrayField  # noqa: PLC0415

    key = CreditBalance._meta.get_field("professional").target_field
    return Value(keys, output_field=ArrayField(key))


def _insertion_of_expiries(
    lots: QuerySet[CreditTransaction], *, run: JobRun, using: str
) -> Compiled:
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
    return insertion(
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
            "created_at": run.as_of,
        },
        using=using,
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
