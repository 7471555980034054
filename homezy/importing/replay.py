"""
One professional's documents in, ledger rows out. No database.

The original recorded every spend as paid. What it did was: the free pool first, then paid lots by
age, expired ones never; replayed so, every document of a sound history comes true: the free
credits that each reset says it found, what each lot has left, the balance at the end. Where one
does not, the split of the spends before it is a guess: their ``metadata`` says so, and an
adjustment makes up the difference.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from homezy.importing.account import Account, Adjusted, Row
from homezy.importing.documents import Act, BalanceDocument, PurchaseDocument, TransactionDocument
from homezy.importing.playing import Player, as_guess
from homezy.importing.reconciling import reconcile


@dataclass(frozen=True)
class History:
    """A professional's whole ledger, and what had to be done to get it."""

    rows: Sequence[Row]
    left: Mapping[int, int]
    """Credits left in each lot, by the place of its row."""
    free: int
    mended: Mapping[str, int]
    """Faults of the original that were put right, by kind."""
    adjusted: Sequence[Adjusted]
    uncredited: list[str]
    """Ids of purchases that were paid for and brought no credits."""
    is_chained: bool
    """Whether each document's balance followed from the one before it."""

    @property
    def paid(self) -> int:
        """Credits in all lots."""
        return sum(self.left.values())


def replay(
    balance: BalanceDocument,
    transactions: Sequence[TransactionDocument],
    purchases: Mapping[str, PurchaseDocument],
) -> History:
    """
    Rebuild the ledger of one professional.

    Args:
        transactions: all of the professional's, in their order.
        purchases: all of the professional's, by id.

    Raises:
        Irreconcilable: no ledger can be made of these.
    """
    player = Player(Account(balance.owner), purchases)
    for stretch, reset in _stretches(transactions):
        seen = reset.number("previousFreeCredits") if reset else balance.free
        player = _played(player, stretch, seen)
        if reset:
            player.reset(reset, seen)
    account, mended = player.account, player.mended

    if not reconcile(account, balance, _lots_told(player)):
        account.rows[:] = [as_guess(row) if row.draws else row for row in account.rows]
    mended["spends whose split is a guess"] = sum("split" in row.metadata for row in account.rows)
    stale = sum(document.remaining for document in transactions if document.pool == "free")
    mended["balances whose old free lots stayed open"] = stale > account.free
    mended["balances whose total was not free + paid"] = (
        balance.total != balance.free + balance.paid
    )
    used = {document.reference("purchaseId") for document in transactions}
    return History(
        rows=account.rows,
        left=account.left,
        free=account.free,
        mended=+mended,
        adjusted=account.adjusted,
        uncredited=[p.id for p in purchases.values() if p.is_completed and p.id not in used],
        is_chained=_is_chained(transactions),
    )


def _stretches(
    transactions: Iterable[TransactionDocument],
) -> Iterator[tuple[list[TransactionDocument], TransactionDocument | None]]:
    """Cut a history at its resets: each says how many free credits it found."""
    stretch: list[TransactionDocument] = []
    for document in transactions:
        if document.act == Act.MONTHLY_RESET:
            yield stretch, document
            stretch = []
        else:
            stretch.append(document)
    yield stretch, None


def _played(player: "Player", stretch: Sequence[TransactionDocument], seen: int | None) -> "Player":
    """Return the player after a stretch that should end with ``seen`` free credits."""
    trial = player.fork()
    trial.play(stretch)
    if seen is None or trial.account.free == seen:
        return trial
    # Free credits first is as many of them as can be used; the original used fewer here.
    allowed = max(0, trial.free_used + trial.account.free - seen)
    trial = player.fork()
    trial.play(stretch, free_allowed=allowed, is_guess=True)
    return trial


def _lots_told(player: "Player") -> list[tuple[list[int], int]]:
    return [(lots, document.remaining) for document, lots in player.lots]


def _is_chained(transactions: Iterable[TransactionDocument]) -> bool:
    total = 0
    for document in transactions:
        if (document.before, document.after) != (total, total + document.amount):
            return False
        total += document.amount
    return True
