"""
Promises of notices, set-based: one ``INSERT … SELECT`` for a chunk of professionals.

A promise is made once: its key says what it is about. Of a warning, which every sender looks for, a
key that is taken is left alone. What a job wrote was never written before, nor was its notice: a
key that is taken is an error there.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Count, F, QuerySet, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, TruncDate
from django.db.models.functions.json import JSONObject
from django.db.models.sql.compiler import SQLCompiler

from credits.engine.inserting import Joined, insertion
from credits.engine.keys import KeyRange
from credits.engine.statements import Compiled
from credits.models import CreditBalance, CreditTransaction, JobRun, Notice

_TEXT: "CharField[str, str]" = CharField(max_length=120)


class _Day(TruncDate):
    """The UTC day of a moment; on SQLite without Django's Python function for each row."""

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> tuple[str, Any]:
        if connection.timezone_name != "UTC":
            return super().as_sql(compiler, connection, **extra_context)
        # A moment is stored as text that begins with its day.
        sql, params = compiler.compile(self.lhs)
        return f"SUBSTR({sql}, 1, 10)", params


def resets(claimed: QuerySet[CreditBalance], *, run: JobRun, using: str) -> Compiled:
    """Return what promises a notice to everyone whose free credits the reset changed."""
    return _promise(
        Notice.Kind.RESET,
        claimed.exclude(free_before_reset=F("free_credits")).annotate(owner=F("professional_id")),
        about=[Value(f"{Notice.Kind.RESET.value}:{run.period}:")],
        context=JSONObject(
            before=F("free_before_reset"), after=F("free_credits"), period=_text(run.period)
        ),
        run=run,
        as_of=run.as_of,
        using=using,
    )


def receipts(written: QuerySet[CreditTransaction], *, run: JobRun, using: str) -> Compiled:
    """Return what promises everyone who lost credits in these expiries one receipt."""
    return _promise(
        Notice.Kind.EXPIRY_RECEIPT,
        written.order_by()
        .values(owner=F("professional_id"))
        .annotate(credits=Value(0) - Sum("amount"), lots=Count("pk")),
        about=[Value(f"{Notice.Kind.EXPIRY_RECEIPT.value}:{run.pk}:")],
        context=JSONObject(credits=F("credits"), lots=F("lots")),
        run=run,
        as_of=run.as_of,
        using=using,
    )


def expiring_lots(*, as_of: datetime, lead: int, using: str) -> QuerySet[CreditTransaction]:
    """Return the lots that expire less than ``lead`` days after ``as_of``, and not before."""
    return (
        CreditTransaction.objects.using(using)
        .spendable(as_of)
        .filter(expires_at__lt=as_of + timedelta(days=lead))
    )


def warnings(within: KeyRange, *, lead: int, least: int, as_of: datetime, using: str) -> Compiled:
    """
    Return what promises a warning for each professional and day of expiry in the lead's window.

    The window reaches from now to the lead, so a day on which nobody asked is caught up.

    Args:
        least: days on which fewer credits expire are passed over.
    """
    losses = (
        expiring_lots(as_of=as_of, lead=lead, using=using)
        .filter(within.on("professional"))
        .order_by()
        .values(owner=F("professional_id"), day=_Day("expires_at", tzinfo=UTC))
        .annotate(credits=Sum("remaining_amount"))
        .filter(credits__gte=least)
    )
    return _promise(
        Notice.Kind.EXPIRY_WARNING,
        losses,
        about=[Value(f"{Notice.Kind.EXPIRY_WARNING.value}:"), F("day"), Value(f":{lead}:")],
        context=JSONObject(day=Cast(F("day"), _TEXT), lead=Value(lead), credits=F("credits")),
        as_of=as_of,
        using=using,
        unless_taken="key",
    )


def _promise(
    kind: Notice.Kind,
    source: QuerySet[Any, Any],
    *,
    about: list[Combinable],
    context: JSONObject,
    run: JobRun | None = None,
    as_of: datetime,
    using: str,
    unless_taken: str | None = None,
) -> Compiled:
    """Return what promises a notice for each row of ``source``, to its ``owner``."""
    return insertion(
        Notice,
        source,
        {
            "kind": kind.value,
            "key": Joined(*about, F("owner")),
            "professional": F("owner"),
            "run": run and run.pk,
            "context": context,
            "address": "",
            "language": "",
            "status": Notice.Status.PENDING.value,
            "reason": "",
            "attempts": 0,
            "next_attempt_at": as_of,
            "message_id": "",
            "created_at": as_of,
        },
        using=using,
        unless_taken=unless_taken,
    )


def _text(value: str) -> Cast:
    # A string that the server binds has no type of its own inside a JSON object.
    return Cast(Value(value), _TEXT)
