"""The last step of a replay: the ledger ends where the professional's balance says. No database."""

from collections.abc import Sequence
from datetime import datetime

from dateutil.relativedelta import relativedelta

from homezy.importing.account import Account
from homezy.importing.documents import BalanceDocument

VALIDITY = relativedelta(months=6)
"""How long credits last that no lot accounts for: as long as bought ones."""


def reconcile(
    account: Account, balance: BalanceDocument, told: Sequence[tuple[Sequence[int], int]]
) -> bool:
    """
    Write the adjustments that bring pools and lots to what the original says; mostly none.

    Args:
        told: for each lot of the original, the places of its rows and what it says is left.

    Returns:
        Whether every lot was as the original says without an adjustment.
    """
    at = account.rows[-1].at if account.rows else balance.at
    if change := balance.free - account.free:
        why = f"the balance says {balance.free} free credits, its history {account.free}"
        account.adjust("free", change, at=at, why=why)
    if sum(left for _, left in told) == balance.paid:
        return _settle_lots(account, told, at)
    # The lots contradict the balance, as they do where an expiry of the original was cut short.
    # The balance is what the professional was shown; the replay knows lots that add up.
    _settle_total(account, balance.paid, at)
    return False


def _settle_lots(account: Account, told: Sequence[tuple[Sequence[int], int]], at: datetime) -> bool:
    draws = tuple(change for places, left in told for change in account.level(places, left))
    # A lot that an adjustment opened is none of the original's.
    known = {place for places, _ in told for place in places}
    draws += tuple(
        (place, -left) for place, left in account.left.items() if place not in known and left
    )
    if draws:
        amount = sum(change for _, change in draws)
        moved = sum(change for _, change in draws if change > 0)
        why = f"the original's lots hold {moved} credits that the replay finds elsewhere"
        account.adjust("paid", amount, at=at, why=why, draws=draws)
    return not draws


def _settle_total(account: Account, paid: int, at: datetime) -> None:
    change = paid - account.paid
    why = f"the balance says {paid} paid credits, its history {account.paid}"
    if change > 0:
        account.adjust("paid", change, at=at, why=why, expires_at=at + VALIDITY)
    elif change < 0:
        # What would have gone first is what is missed least.
        draws, _ = account.draw(account.open_lots(), -change)
        account.adjust("paid", change, at=at, why=why, draws=draws)
