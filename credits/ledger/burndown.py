"""
Which lots a draw takes from and a return goes back to, and what a part of a lot is worth.

No database: numbers in, numbers out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Draw:
    """Take ``amount`` credits from one lot, or give them back to it."""

    lot_id: int
    amount: int


def draw_down(lots: Iterable[tuple[int, int]], amount: int) -> tuple[list[Draw], int]:
    """
    Share ``amount`` over (lot id, credits left) pairs, in their order.

    Returns:
        The draws, none of them empty, and the rest that the lots could not give.
    """
    draws = []
    for lot_id, left in lots:
        if amount == 0:
            break
        if taken := min(left, amount):
            draws.append(Draw(lot_id, taken))
            amount -= taken
    return draws, amount


def give_back(draws: Sequence[Draw], *, returned: int, amount: int) -> list[Draw]:
    """
    Undo ``amount`` credits of a spend's draws, the last draw first.

    The order is what makes partial refunds add up: the ``returned`` credits that earlier refunds
    gave back are the last ones drawn, wherever they were put.
    """
    backwards = [(draw.lot_id, draw.amount) for draw in reversed(draws)]
    gone = {draw.lot_id: draw.amount for draw in draw_down(backwards, returned)[0]}
    open_draws = [(lot_id, drawn - gone.get(lot_id, 0)) for lot_id, drawn in backwards]
    return draw_down(open_draws, amount)[0]


def share_of(price: Decimal | None, part: int, whole: int) -> Decimal | None:
    """
    Return what ``part`` of a lot of ``whole`` credits is worth; nothing where nothing was paid.

    Two decimals, half a cent counts as one. It says what is *left* in a lot: a draw is worth the
    difference between before and after, so that all draws together are worth the price exactly.
    """
    if price is None:
        return None
    return (price * part / whole).quantize(_CENT, rounding=ROUND_HALF_UP)
