"""
The monthly reset, set-based: four statements a chunk, however many professionals it holds.

1. claim: one UPDATE decides who is reset, locks them, keeps what they had and sets the new amount
2. insert the ``monthly_reset`` rows of what was claimed
3. promise a notice to those it changed something for
4. add up what was claimed
and, before the first chunk, balances are opened for those who have none.

Everything after the claim follows from the claim: asked again, in a later statement, "who is
eligible" may have another answer.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest
from django.db.models.functions.json import JSONObject

from credits.engine import notices
from credits.engine.allowance import Allowance, of_balance, of_user
from credits.engine.database import enter_ledger
from credits.engine.inserting import Joined, insert_select, insertion
from credits.engine.keys import KeyRange
from credits.engine.statements import Compiled, Statement, compiled, update
from credits.engine.tally import Change, Forecast, Tally
from credits.models import CreditBalance, CreditTransaction, CreditType, JobRun, TransactionType

KEY_PREFIX = "reset:"

_CHANGE = F("free_credits") - F("free_before_reset")


def without_balance(eligible: QuerySet[Any]) -> QuerySet[Any]:
    """Return the eligible professionals who have no balance row yet."""
    return eligible.filter(~Exists(CreditBalance.objects.filter(pk=OuterRef("pk"))))


def not_reset(eligible: QuerySet[Any], *, period: str) -> QuerySet[Any]:
    """Return the eligible professionals who were not reset in ``period`` yet."""
    # An outer join by the keys, whose cost is known. With NOT EXISTS, right after a reset of which
    # its statistics know nothing, PostgreSQL compares every user with every balance.
    return eligible.filter(
        Q(credit_balance__isnull=True) | Q(credit_balance__last_reset_period__lt=period)
    )


@dataclass(frozen=True)
class Standing:
    """How far a period's reset has come."""

    found: int
    """Professionals who are eligible."""

    opened: int
    """Those of them who have a balance row."""

    done: int
    """Those of them who were reset already."""


def standing(eligible: QuerySet[Any], *, period: str) -> Standing:
    """Count how far the reset of ``period`` has come, in one reading."""
    return Standing(
        **eligible.aggregate(
            found=Count("*"),
            opened=Count("credit_balance"),
            # Of rows, not of keys: SQLite would look at each key whether it is there.
            done=Count(Value(1), filter=Q(credit_balance__last_reset_period__gte=period)),
        )
    )


def open_balances(eligible: QuerySet[Any], within: KeyRange, *, using: str) -> int:
    """Give every eligible professional in a range an empty balance; return how many were new."""
    return insert_select(
        CreditBalance,
        without_balance(eligible).filter(within.on("pk")).order_by(),
        {
            "professional": F("pk"),
            "free_credits": 0,
            "paid_credits": 0,
            "lifetime_earned": 0,
            "lifetime_spent": 0,
            "lifetime_expired": 0,
            "last_reset_period": "",
        },
        using=using,
        unless_taken="professional",
    )


class MonthlyReset:
    """The reset of a run's period: its statements, compiled once for all chunks."""

    def __init__(
        self, eligible: QuerySet[Any], *, run: JobRun, free_credits: Allowance, using: str
    ) -> None:
        """
        Args:
            free_credits: a number, or an expression over users: the claim alone asks for its value.
        """
        self._eligible = eligible
        self._run = run
        self._free_credits = free_credits
        self._using = using
        self._balances = CreditBalance.objects.using(using)
        self._claim = Statement(self._claiming, using=using)
        self._record = Statement(self._recording, using=using)
        self._promise = Statement(self._promising, using=using)
        self._sums = Statement(self._summing, using=using)

    def reset_chunk(self, within: KeyRange) -> Tally:
        """
        Set the free credits of the eligible professionals in a range, in the caller's transaction.

        Who was reset in the period already is left alone, so a second call changes nothing.
        """
        count = self._claim.done(within)
        if not count:
            return Tally()
        enter_ledger(using=self._using)
        self._record.done(within)
        promised = self._promise.done(within)
        [(moved, distance)] = self._sums.rows(within)
        return Tally(
            succeeded=count,
            granted=(int(distance) + int(moved)) // 2,
            expired=(int(distance) - int(moved)) // 2,
            notices=promised,
        )

    def _claiming(self, within: KeyRange) -> Compiled:
        amount = of_balance(self._free_credits, using=self._using)
        balances = self._balances.filter(within.on("professional"))
        more, less = amount - F("free_credits"), F("free_credits") - amount
        return update(
            balances.filter(waiting(self._eligible, within, period=self._run.period)),
            using=self._using,
            free_before_reset=F("free_credits"),
            free_credits=amount,
            # An amount that differs each time it is asked for would break a constraint, and is
            # refused.
            lifetime_earned=F("lifetime_earned") + Greatest(more, Value(0)),
            lifetime_expired=F("lifetime_expired") + Greatest(less, Value(0)),
            last_reset_period=self._run.period,
            last_reset_date=self._run.as_of,
            claimed_by=self._run.pk,
        )

    def _claimed(self, within: KeyRange) -> QuerySet[CreditBalance]:
        return self._balances.filter(within.on("professional"), claimed_by=self._run.pk)

    def _recording(self, within: KeyRange) -> Compiled:
        return insertion(
            CreditTransaction,
            self._claimed(within).order_by("professional"),
            {
                "professional": F("professional_id"),
                "transaction_type": TransactionType.MONTHLY_RESET.value,
                "credit_type": CreditType.FREE.value,
                "amount": _CHANGE,
                "granted_amount": 0,
                "remaining_amount": 0,
                "balance_before": F("free_before_reset") + F("paid_credits"),
                "balance_after": F("free_credits") + F("paid_credits"),
                "description": _described(self._free_credits),
                "metadata": JSONObject(previous_free_credits=F("free_before_reset")),
                "currency": "",
                "idempotency_key": Joined(
                    Value(f"{KEY_PREFIX}{self._run.period}:"), F("professional_id")
                ),
                "run": self._run.pk,
                "created_at": self._run.as_of,
            },
            using=self._using,
        )

    def _promising(self, within: KeyRange) -> Compiled:
        return notices.resets(self._claimed(within), run=self._run, using=self._using)

    def _summing(self, within: KeyRange) -> Compiled:
        changes = self._claimed(within).annotate(credits_change=_CHANGE)
        select, params = compiled(changes.values_list("credits_change"), using=self._using)
        sums = "COALESCE(SUM(credits_change), 0), COALESCE(SUM(ABS(credits_change)), 0)"
        return f"SELECT {sums} FROM ({select}) changes", params


def waiting(eligible: QuerySet[Any], within: KeyRange, *, period: str) -> Q:
    """Return the condition on a balance that its professional is to be reset in ``period``."""
    # The range stands on both tables: PostgreSQL does not carry it from one to the other.
    return Q(
        last_reset_period__lt=period,
        professional__in=eligible.filter(within.on("pk")).order_by().values("pk"),
    )


def forecast(
    eligible: QuerySet[Any], *, period: str, free_credits: Allowance, using: str
) -> Forecast:
    """Compute what a reset would do now, without a write."""
    balances = (
        CreditBalance.objects.using(using)
        .filter(waiting(eligible, KeyRange(), period=period))
        .annotate(credits_allowance=of_balance(free_credits, using=using))
    )
    new = without_balance(eligible).annotate(credits_allowance=of_user(free_credits))
    failing = 0
    if not isinstance(free_credits, int):
        # Whom the expression gives nothing, not even 0, or less: the claim would fail on them.
        lacking = Q(credits_allowance__isnull=True) | Q(credits_allowance__lt=0)
        failing = balances.filter(lacking).count() + new.filter(lacking).count()
        balances, new = (rows.filter(credits_allowance__gte=0) for rows in (balances, new))
    known = _tally(balances, F("credits_allowance") - F("free_credits"))
    opened = _tally(new, F("credits_allowance"))
    largest = [
        Change(key, free + paid, amount + paid)
        for key, free, paid, amount in balances.annotate(
            distance=Greatest(
                F("credits_allowance") - F("free_credits"),
                F("free_credits") - F("credits_allowance"),
            )
        )
        .order_by("-distance", "professional")
        .values_list("professional_id", "free_credits", "paid_credits", "credits_allowance")[:10]
    ]
    # Of one number for all the first are as large as any, and the index has them in order.
    order = ["pk"] if isinstance(free_credits, int) else ["-credits_allowance", "pk"]
    largest += [
        Change(key, 0, amount)
        for key, amount in new.order_by(*order).values_list("pk", "credits_allowance")[:10]
    ]
    return Forecast(
        found=eligible.count(),
        tally=Tally(
            succeeded=known.succeeded + opened.succeeded,
            granted=known.granted + opened.granted,
            expired=known.expired,
            failed=failing,
        ),
        largest=tuple(sorted(largest, key=lambda c: -abs(c.after - c.before))[:10]),
    )


def _described(free_credits: Allowance) -> str | Combinable:
    words = "Monthly free credits reset to "
    if isinstance(free_credits, int):
        return f"{words}{free_credits}"
    return Joined(Value(words), F("free_credits"))


def _tally(rows: QuerySet[Any], amount: Combinable) -> Tally:
    sums = rows.aggregate(
        count=Count("pk"),
        granted=Coalesce(Sum(Greatest(amount, Value(0))), 0),
        expired=Coalesce(Sum(Greatest(Value(0) - amount, Value(0))), 0),
    )
    return Tally(succeeded=sums["count"], granted=sums["granted"], expired=sums["expired"])
