"""
The app's Python API: every movement of credits but the jobs', and every question about them.

Arguments are keywords, moments are aware datetimes, credits are whole numbers. A call that is
repeated with its key returns what the first one wrote; a refused call writes nothing.
"""

from credits.engine.database import enter_ledger
from credits.ledger.adjusting import adjust, extend
from credits.ledger.balances import (
    Balance,
    balance_at,
    balance_of,
    expiring,
    history,
    lots_of,
    spendable_at,
)
from credits.ledger.burndown import share_of
from credits.ledger.purchasing import grant_bonus, purchase
from credits.ledger.refunding import refund
from credits.ledger.spending import spend

__all__ = [
    "Balance",
    "adjust",
    "balance_at",
    "balance_of",
    "enter_ledger",
    "expiring",
    "extend",
    "grant_bonus",
    "history",
    "lots_of",
    "purchase",
    "refund",
    "share_of",
    "spend",
    "spendable_at",
]
