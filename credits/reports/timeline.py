"""
Everything about one professional: what they hold, what happened to it, what they were told.

The number of queries is the same however much happened. Lists end at what a page can show.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from credits.engine.database import ledger_database
from credits.ledger import Balance, balance_at, history, lots_of
from credits.models import (
    CreditTransaction,
    JobFailure,
    JobRun,
    Notice,
    NoticeOptOut,
    SuppressedAddress,
)
from credits.models.balances import ProfessionalId

POINTS = 500
"""Transactions a chart goes back, at most."""

ROWS = 50
"""Transactions, and notices, shown at once."""

LOTS = 200
FAILURES = 20


class LotState(StrEnum):
    """What will become of an open lot."""

    OPEN = "open"
    LAST_DAY = "last_day"
    DUE = "due"


@dataclass(frozen=True)
class OpenLot:
    """A lot with credits left."""

    transaction: CreditTransaction
    days_left: int
    """Whole days until it expires; 0 on the last one, and after it."""

    state: LotState
    """``DUE``: it has expired and waits for the job to write it off."""


@dataclass(frozen=True)
class Touch:
    """A run that did something for the professional, or failed to."""

    run: JobRun
    error: str = ""
    """Why it could not; nothing where it could."""


@dataclass(frozen=True)
class Timeline:
    """What the page of one professional shows."""

    points: list[tuple[datetime, int]]
    """Moments and the balance from each on, oldest first."""

    is_whole: bool
    """Whether the points go back to the first transaction."""

    lots: list[OpenLot]
    """In the order in which a spend uses them; those that have expired come first."""

    transactions: list[CreditTransaction]
    """Newest first, with who and which run wrote them."""

    older: int | None
    """The key to go on before; None if the last transaction is among these."""

    notices: list[Notice]
    """Newest first, each with its events."""

    touches: list[Touch]
    """Runs behind the transactions shown, and those that failed; newest first."""

    opt_outs: list[NoticeOptOut]
    suppressed: SuppressedAddress | None
    """Why the present address gets no mail."""


def timeline(
    professional_id: ProfessionalId,
    *,
    as_of: datetime,
    address: str = "",
    before: int | None = None,
) -> Timeline:
    """
    Gather what happened to one professional's credits, as it stands at ``as_of``.

    Args:
        address: the e-mail address they have now.
        before: only transactions older than the one with this key are listed; the rest stays.
    """
    rows = _transactions(professional_id, before)
    points, is_whole = _points(professional_id)
    shown = rows[:ROWS]
    return Timeline(
        points=points,
        is_whole=is_whole,
        lots=[_open_lot(lot, as_of) for lot in lots_of(professional_id)[:LOTS]],
        transactions=shown,
        older=shown[-1].pk if len(rows) > ROWS else None,
        notices=_notices(professional_id),
        touches=_touches(professional_id, shown),
        opt_outs=list(
            NoticeOptOut.objects.using(ledger_database())
            .filter(professional_id=professional_id)
            .order_by("kind")
        ),
        suppressed=SuppressedAddress.objects.using(ledger_database())
        .filter(address=address.strip().lower())
        .first(),
    )


def balance_on(professional_id: ProfessionalId, end: datetime, *, as_of: datetime) -> Balance:
    """Return what was held when a day ended at ``end``, or at ``as_of`` if it has not ended."""
    return balance_at(professional_id, min(end, as_of))


def _transactions(professional_id: ProfessionalId, before: int | None) -> list[CreditTransaction]:
    rows = history(professional_id).select_related("created_by", "run")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows[: ROWS + 1])


def _points(professional_id: ProfessionalId) -> tuple[list[tuple[datetime, int]], bool]:
    newest = list(
        history(professional_id).values_list("created_at", "balance_before", "balance_after")[
            : POINTS + 1
        ]
    )
    is_whole = len(newest) <= POINTS
    points: list[tuple[datetime, int]] = []
    for created_at, _before, after in reversed(newest[:POINTS]):
        # Keys say what came first; a row may carry an earlier moment than the one before it.
        at = max(created_at, points[-1][0]) if points else created_at
        points.append((at, after))
    return points, is_whole


def _open_lot(lot: CreditTransaction, as_of: datetime) -> OpenLot:
    expires_at = lot.expires_at or datetime.max.replace(tzinfo=UTC)
    if expires_at <= as_of:
        return OpenLot(lot, days_left=0, state=LotState.DUE)
    days = (expires_at - as_of).days
    return OpenLot(lot, days_left=days, state=LotState.OPEN if days else LotState.LAST_DAY)


def _notices(professional_id: ProfessionalId) -> list[Notice]:
    return list(
        Notice.objects.using(ledger_database())
        .filter(professional_id=professional_id)
        .prefetch_related("events")
        .order_by("-pk")[:ROWS]
    )


def _touches(professional_id: ProfessionalId, rows: list[CreditTransaction]) -> list[Touch]:
    runs = {row.run.pk: Touch(row.run) for row in rows if row.run is not None}
    failures = (
        JobFailure.objects.using(ledger_database())
        .filter(professional_id=professional_id)
        .select_related("run")
        .order_by("-pk")[:FAILURES]
    )
    # A failure says more than a success of the same run.
    runs |= {failure.run_id: Touch(failure.run, failure.error) for failure in failures}
    return [runs[key] for key in sorted(runs, reverse=True)]
