"""Which lots a draw takes from and a return goes back to. No database: numbers in, numbers out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


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
