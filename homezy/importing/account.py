"""One professional's ledger while it is being rebuilt: rows, lots, the two pools. No database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from homezy.importing.fields import MAX_CREDITS


class Irreconcilable(Exception):
    """No ledger can be made of these documents; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the ledger to be. Rows are known by their place in the list of rows."""

    transaction_type: str
    credit_type: str
    amount: int
    """Signed change of the balance, in credits."""
    at: datetime
    key: str | None
    """The idempotency key; ``None`` on a reset, whose key is its period and professional."""
    granted: int = 0
    """Credits brought in as a lot."""
    expires_at: datetime | None = None
    draws: tuple[tuple[int, int], ...] = ()
    """Place of a lot, and the signed change of what is left in it."""
    origin: int | None = None
    """Place of the spend that is refunded, or of the lot that expires."""
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    price: Decimal | None = None


@dataclass(frozen=True)
class Adjusted:
    """A correction that the documents do not explain."""

    pool: str
    amount: int
    """Signed credits; zero where they only moved between lots."""
    why: str


@dataclass
class Account:
    """What the rows so far leave: never less than nothing, in any pool or lot."""

    owner: str
    rows: list[Row] = field(default_factory=list)
    free: int = 0
    left: dict[int, int] = field(default_factory=dict)
    """Credits left in each lot, by its place, oldest first."""
    adjusted: list[Adjusted] = field(default_factory=list)

    @property
    def paid(self) -> int:
        """Credits in all lots, expired ones included."""
        return sum(self.left.values())

    def fork(self) -> "Account":
        """Return a copy that goes its own way."""
        return replace(self, rows=[*self.rows], left={**self.left}, adjusted=[*self.adjusted])

    def add(self, row: Row) -> int:
        """Write a row, move what it moves, and return its place."""
        place = len(self.rows)
        if row.credit_type == "free":
            self.free += row.amount
        for lot, change in row.draws:
            self.left[lot] += change
        if row.granted:
            self.left[place] = row.granted
        if self.free + self.paid > MAX_CREDITS:
            raise Irreconcilable(f"the balance would pass {MAX_CREDITS:,} credits")
        self.rows.append(row)
        return place

    def expiry_of(self, lot: int) -> datetime:
        """Return the moment at which a lot is gone."""
        expires_at = self.rows[lot].expires_at
        assert expires_at is not None  # noqa: S101  what grants credits has one
        return expires_at

    def spendable(self, at: datetime) -> list[int]:
        """Return the open lots that have not expired, oldest first, as the original used them."""
        return [lot for lot, left in self.left.items() if left and self.expiry_of(lot) > at]

    def open_lots(self) -> list[int]:
        """Return every open lot, soonest to expire first."""
        return sorted((lot for lot, left in self.left.items() if left), key=self.expiry_of)

    def draw(self, lots: Iterable[int], amount: int) -> tuple[tuple[tuple[int, int], ...], int]:
        """Share ``amount`` over lots, in their order; return draws, and what none could give."""
        draws = []
        for lot in lots:
            if taken := min(self.left[lot], amount):
                draws.append((lot, -taken))
                amount -= taken
        return tuple(draws), amount

    def level(self, lots: Sequence[int], total: int) -> tuple[tuple[int, int], ...]:
        """Return the smallest changes after which lots hold ``total``, as far as they have room."""
        missing = total - sum(self.left[lot] for lot in lots)
        if missing < 0:
            return self.draw(lots, -missing)[0]
        changes = []
        for lot in reversed(lots):
            if added := min(self.rows[lot].granted - self.left[lot], missing):
                changes.append((lot, added))
                missing -= added
        return tuple(changes)

    def adjust(
        self,
        pool: str,
        amount: int,
        *,
        at: datetime,
        why: str,
        draws: tuple[tuple[int, int], ...] = (),
        expires_at: datetime | None = None,
    ) -> None:
        """
        Write a correction, and remember it for the report.

        Args:
            draws: the lots that paid credits come from or go back to.
            expires_at: of added paid credits that no lot has room for: they become one.
        """
        granted = amount - sum(change for _, change in draws) if pool == "paid" else 0
        # Nothing but an expiry may touch a lot that is gone: it is corrected while it still was.
        at = min([at, *(self.expiry_of(lot) - timedelta(milliseconds=1) for lot, _ in draws)])
        self.add(
            Row(
                transaction_type="adjustment",
                credit_type=pool,
                amount=amount,
                at=at,
                key=f"homezy:{self.owner}:adjustment:{len(self.adjusted) + 1}",
                granted=granted,
                expires_at=expires_at if granted else None,
                draws=draws,
                description="Reconciled on import",
                metadata={"homezy": self.owner, "why": why},
            )
        )
        self.adjusted.append(Adjusted(pool, amount, why))
