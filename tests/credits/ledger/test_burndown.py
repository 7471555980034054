"""credits.ledger.burndown: which lots a draw takes from and a return goes back to."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.ledger.burndown import Draw, draw_down, give_back, share_of

SOONEST, MIDDLE, LATEST = 11, 12, 13

lots_of_any_size = st.lists(st.integers(0, 50), max_size=6).map(
    lambda sizes: list(enumerate(sizes, start=1))
)
draws_of_any_size = st.lists(st.integers(1, 50), min_size=1, max_size=6).map(
    lambda sizes: [Draw(lot_id, size) for lot_id, size in enumerate(sizes, start=1)]
)


def by_lot(draws):
    return Counter({draw.lot_id: draw.amount for draw in draws})


def sum_of(draws):
    return sum(draw.amount for draw in draws)


class TestDrawDown:
    @pytest.mark.parametrize(
        ("lots", "amount", "draws", "rest"),
        [
            pytest.param([], 0, [], 0, id="nothing of nothing"),
            pytest.param([], 5, [], 5, id="no lots"),
            pytest.param([(SOONEST, 5)], 0, [], 0, id="nothing"),
            pytest.param([(SOONEST, 5)], 3, [(SOONEST, 3)], 0, id="part of a lot"),
            pytest.param([(SOONEST, 5)], 5, [(SOONEST, 5)], 0, id="a whole lot"),
            pytest.param([(SOONEST, 5)], 7, [(SOONEST, 5)], 2, id="more than there is"),
            pytest.param(
                [(SOONEST, 5), (LATEST, 5)], 5, [(SOONEST, 5)], 0, id="the first alone, to the last"
            ),
            pytest.param(
                [(SOONEST, 5), (LATEST, 5)],
                6,
                [(SOONEST, 5), (LATEST, 1)],
                0,
                id="the first before the second",
            ),
            pytest.param(
                [(LATEST, 5), (SOONEST, 5)],
                6,
                [(LATEST, 5), (SOONEST, 1)],
                0,
                id="in the order given, whatever the keys",
            ),
            pytest.param(
                [(SOONEST, 0), (MIDDLE, 4), (LATEST, 9)],
                6,
                [(MIDDLE, 4), (LATEST, 2)],
                0,
                id="an empty lot gives nothing",
            ),
        ],
    )
    def test_takes_from_lots_in_their_order(self, lots, amount, draws, rest):
        assert draw_down(lots, amount) == ([Draw(*draw) for draw in draws], rest)

    def test_looks_at_no_more_lots_than_it_needs(self):
        lots = iter([(SOONEST, 5), (MIDDLE, 5), (LATEST, 5)])

        draw_down(lots, 5)

        assert (LATEST, 5) in list(lots)

    @given(lots=lots_of_any_size, amount=st.integers(0, 300))
    def test_loses_no_credit_and_makes_none(self, lots, amount):
        draws, rest = draw_down(lots, amount)

        assert sum_of(draws) + rest == amount
        assert rest == max(0, amount - sum(left for _, left in lots))

    @given(lots=lots_of_any_size, amount=st.integers(0, 300))
    def test_takes_what_is_there_and_never_an_empty_draw(self, lots, amount):
        draws, _ = draw_down(lots, amount)

        assert all(1 <= draw.amount <= dict(lots)[draw.lot_id] for draw in draws)

    @given(lots=lots_of_any_size, amount=st.integers(0, 300))
    def test_opens_a_lot_only_when_those_before_are_empty(self, lots, amount):
        drawn = by_lot(draw_down(lots, amount)[0])

        for (earlier, left), (later, _) in pairwise([lot for lot in lots if lot[1]]):
            assert drawn[later] == 0 or drawn[earlier] == left

    @given(lots=lots_of_any_size, first=st.integers(0, 150), then=st.integers(0, 150))
    def test_takes_as_much_in_two_steps_as_in_one(self, lots, first, then):
        step, short = draw_down(lots, first)
        left = [(lot_id, size - by_lot(step)[lot_id]) for lot_id, size in lots]
        next_step, still_short = draw_down(left, then)

        together, short_together = draw_down(lots, first + then)

        assert by_lot(step) + by_lot(next_step) == by_lot(together)
        assert short + still_short == short_together


class TestGiveBack:
    @pytest.mark.parametrize(
        ("draws", "returned", "amount", "back"),
        [
            pytest.param([(SOONEST, 5)], 0, 5, [(SOONEST, 5)], id="all"),
            pytest.param([(SOONEST, 5)], 0, 2, [(SOONEST, 2)], id="a part"),
            pytest.param([(SOONEST, 5)], 2, 3, [(SOONEST, 3)], id="the rest"),
            pytest.param([(SOONEST, 5)], 5, 1, [], id="nothing is left"),
            pytest.param(
                [(SOONEST, 5), (LATEST, 3)], 0, 3, [(LATEST, 3)], id="the last draw first"
            ),
            pytest.param(
                [(SOONEST, 5), (LATEST, 3)],
                0,
                4,
                [(LATEST, 3), (SOONEST, 1)],
                id="then the one before",
            ),
            pytest.param(
                [(SOONEST, 5), (LATEST, 3)],
                2,
                3,
                [(LATEST, 1), (SOONEST, 2)],
                id="where the refund before it ended",
            ),
            pytest.param([(SOONEST, 5), (LATEST, 3)], 3, 5, [(SOONEST, 5)], id="past what is done"),
            pytest.param([], 0, 3, [], id="of no draws"),
        ],
    )
    def test_undoes_the_last_draw_first(self, draws, returned, amount, back):
        drawn = [Draw(*draw) for draw in draws]

        assert give_back(drawn, returned=returned, amount=amount) == [Draw(*draw) for draw in back]

    @given(draws=draws_of_any_size, shares=st.lists(st.integers(1, 40), max_size=12))
    def test_in_any_number_of_parts_gives_each_lot_what_it_lost_and_no_more(self, draws, shares):
        returned = 0
        back = Counter()
        for share in shares:
            part = give_back(draws, returned=returned, amount=share)
            back += by_lot(part)
            returned += sum_of(part)

        assert returned == min(sum(shares), sum_of(draws))
        assert back <= by_lot(draws)
        assert back == by_lot(give_back(draws, returned=0, amount=returned))

    @given(draws=draws_of_any_size)
    def test_of_everything_is_the_draws_backwards(self, draws):
        assert give_back(draws, returned=0, amount=sum_of(draws)) == draws[::-1]


class TestShareOf:
    @pytest.mark.parametrize(
        ("price", "part", "whole", "worth"),
        [
            pytest.param("250", 20, 50, "100.00", id="in proportion"),
            pytest.param("10", 1, 3, "3.33", id="rounded down"),
            pytest.param("10", 2, 3, "6.67", id="rounded up"),
            pytest.param("0.01", 1, 2, "0.01", id="half a cent is one"),
            pytest.param("249.99", 7, 7, "249.99", id="all of it"),
            pytest.param("249.99", 0, 7, "0.00", id="none of it"),
            pytest.param("9999999999.99", 2_147_483_647, 2_147_483_647, "9999999999.99", id="much"),
        ],
    )
    def test_is_what_a_part_of_a_lot_is_worth(self, price, part, whole, worth):
        assert share_of(Decimal(price), part, whole) == Decimal(worth)

    def test_is_nothing_where_nothing_was_paid(self):
        assert share_of(None, 1, 2) is None
