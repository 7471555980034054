"""Playing the original's documents, one after the other, on an account. No database."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from decimal import Decimal
from typing import Any

from homezy.importing.account import Account, Adjusted, Row
from homezy.importing.documents import Act, PurchaseDocument, TransactionDocument


@dataclass
class Player:
    """An account, and what must be remembered of the documents played on it."""

    account: Account
    purchases: Mapping[str, PurchaseDocument]
    mended: Counter[str] = field(default_factory=Counter)
    lots: list[tuple[TransactionDocument, list[int]]] = field(default_factory=list)
    spends: dict[str, list[list[int]]] = field(default_factory=dict)
    """Places of a spend's rows, for each spend on a lead."""
    refunded: Counter[int] = field(default_factory=Counter)
    expired: set[int] = field(default_factory=set)
    periods: set[str] = field(default_factory=set)
    free_used: int = 0
    free_allowed: int | None = None
    is_guess: bool = False

    def fork(self) -> "Player":
        return replace(
            self,
            account=self.account.fork(),
            mended=Counter(self.mended),
            lots=[*self.lots],
            spends={lead: [*spends] for lead, spends in self.spends.items()},
            refunded=Counter(self.refunded),
            expired={*self.expired},
            periods={*self.periods},
            free_used=0,
            free_allowed=None,
            is_guess=False,
        )

    def play(
        self,
        stretch: Iterable[TransactionDocument],
        *,
        free_allowed: int | None = None,
        is_guess: bool = False,
    ) -> None:
        """Play a stretch; with at most ``free_allowed`` free credits if lots have the rest."""
        self.free_allowed, self.is_guess = free_allowed, is_guess
        play = {Act.SPEND: self._spend, Act.EXPIRY: self._expire, Act.REFUND: self._refund}
        for document in stretch:
            play.get(document.act, self._grant)(document)

    def reset(self, document: TransactionDocument, seen: int | None) -> None:
        """Play a reset that says it found ``seen`` free credits."""
        account = self.account
        found = max(account.free if seen is None else seen, -document.amount)
        if found != account.free:
            account.adjust(
                "free",
                found - account.free,
                at=document.at,
                why=f"the reset {document.id} found {found} free credits, not {account.free}",
            )
        period = f"{document.at.astimezone(UTC):%Y-%m}"
        if period in self.periods:
            self._second_reset(document, period)
            return
        self.periods.add(period)
        account.add(
            replace(
                _row(document, "monthly_reset", "free", document.amount),
                key=None,
                metadata={**_metadata(document), "previous_free_credits": found},
            )
        )

    def _second_reset(self, document: TransactionDocument, period: str) -> None:
        self.account.add(_row(document, "adjustment", "free", document.amount))
        why = f"the second reset in {period}: {document.id}"
        self.account.adjusted.append(Adjusted("free", document.amount, why))
        self.mended["second resets in a month"] += 1

    def _grant(self, document: TransactionDocument) -> None:
        row = _row(document, document.act.value, document.pool, document.amount)
        if document.act == Act.PURCHASE:
            row = replace(row, price=self._price(document))
            self.mended["purchases without a price"] += row.price is None
        if not document.is_lot:
            self.account.add(row)
            return
        place = self.account.add(
            replace(row, granted=document.amount, expires_at=document.expires_at)
        )
        self.lots.append((document, [place]))

    def _price(self, document: TransactionDocument) -> Decimal | None:
        if purchase := self.purchases.get(document.reference("purchaseId")):
            return purchase.price
        price = document.number("priceAED")
        return Decimal(price) if price is not None and price < 10**10 else None

    def _spend(self, document: TransactionDocument) -> None:
        account, amount = self.account, -document.amount
        from_free = min(amount, account.free)
        if self.free_allowed is not None:
            from_free = min(from_free, self.free_allowed)
        draws, short = account.draw(account.spendable(document.at), amount - from_free)
        more = min(short, account.free - from_free)
        from_free, short = from_free + more, short - more
        if short:
            account.adjust(
                "free",
                short,
                at=document.at,
                why=f"the spend {document.id} used more credits than there were",
            )
            from_free += short
        if self.free_allowed is not None:
            self.free_allowed = max(0, self.free_allowed - from_free)
        self.free_used += from_free

        parts = [("free", from_free, ()), ("paid", amount - from_free, draws)]
        rows = []
        for pool, part, drawn in parts:
            if part:
                row = replace(_row(document, "spend", pool, -part), draws=drawn)
                rows.append(account.add(as_guess(row) if self.is_guess else row))
        self.spends.setdefault(document.reference("leadId"), []).append(rows)
        self.mended["spends of free credits recorded as paid"] += bool(from_free)
        self.mended["spends split over both pools"] += len(rows) == 2

    def _refund(self, document: TransactionDocument) -> None:
        """
        Make a refund a lot, as it was. It names the spend it returns, of whichever pool, so that
        nobody can refund that again.
        """
        lead = document.reference("leadId")
        spends = self.spends.get(lead, []) if lead else []
        spend = spends[0] if len(spends) == 1 else []
        rest = document.amount
        places: list[int] = []
        # A spend's row of free credits stands before that of paid ones, which return first.
        for origin in reversed(spend):
            if part := min(rest, -self.account.rows[origin].amount - self.refunded[origin]):
                self.refunded[origin] += part
                more = {"origin": origin, "key": _key(document, len(places))}
                places.append(self._add_refund(document, part, more))
                rest -= part
        if rest:
            metadata = {**_metadata(document), "spend": "unknown"}
            more = {"metadata": metadata, "key": _key(document, len(places))}
            places.append(self._add_refund(document, rest, more))
        self.lots.append((document, places))
        self.mended["refunds recorded as purchases"] += 1
        self.mended["refunds of no known spend"] += not spend

    def _add_refund(
        self, document: TransactionDocument, amount: int, more: Mapping[str, Any]
    ) -> int:
        row = _row(document, "refund", "paid", amount)
        return self.account.add(
            replace(row, granted=amount, expires_at=document.expires_at, **more)
        )

    def _expire(self, document: TransactionDocument) -> None:
        amount = -document.amount
        lots = self._expired_lots(document)
        if sum(self.account.rows[lot].granted for lot in lots) < amount:
            self._expire_unknown(document)
            return
        self._match(document, lots)
        self.expired.update(lots)
        for part, lot in enumerate(lots):
            if left := self.account.left[lot]:
                row = _row(document, "expiry", "paid", -left)
                key = _key(document, part)
                self.account.add(replace(row, key=key, draws=((lot, -left),), origin=lot))
        self.mended["expiries recorded as spends"] += 1

    def _expired_lots(self, document: TransactionDocument) -> list[int]:
        """Return the rows of the one lot that this expiry wrote off, none if nobody can tell."""
        purchase = document.reference("purchaseId")
        due = [
            (abs(sum(self.account.left[lot] for lot in lots) + document.amount), lots)
            for granted, lots in self.lots
            if granted.reference("purchaseId") == purchase
            and self.account.expiry_of(lots[0]) <= document.at
            and self.expired.isdisjoint(lots)
            and (purchase or any(self.account.left[lot] for lot in lots))
        ]
        # A refund's lot has no id of its own in its expiry: it is the one that holds so much.
        return min(due, key=lambda pair: pair[0], default=(0, []))[1]

    def _match(self, document: TransactionDocument, lots: list[int]) -> None:
        """Bring a lot to what its expiry found in it."""
        if changes := self.account.level(lots, -document.amount):
            amount = sum(change for _, change in changes)
            why = f"the expiry {document.id} found {-document.amount} credits in its lot"
            self.account.adjust("paid", amount, at=document.at, why=why, draws=changes)

    def _expire_unknown(self, document: TransactionDocument) -> None:
        draws, short = self.account.draw(self.account.open_lots(), -document.amount)
        if draws:
            why = f"the expiry {document.id} is of no known lot"
            self.account.adjust(
                "paid", short + document.amount, at=document.at, why=why, draws=draws
            )


def _row(document: TransactionDocument, kind: str, pool: str, amount: int) -> Row:
    return Row(
        transaction_type=kind,
        credit_type=pool,
        amount=amount,
        at=document.at,
        key=_key(document),
        description=document.description,
        metadata=_metadata(document),
    )


def _key(document: TransactionDocument, part: int = 0) -> str:
    """Return a key for a document's row; a second row of the same pool needs another."""
    return f"homezy:{document.id}" + (f":{part + 1}" if part else "")


def _metadata(document: TransactionDocument) -> dict[str, object]:
    return {**document.metadata, "homezy": document.id}


def as_guess(row: Row) -> Row:
    if row.transaction_type != "spend":
        return row
    return replace(row, metadata={**row.metadata, "split": "assumed"})
