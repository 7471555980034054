"""credits.admin.shapes: what charts are drawn of."""

import pytest

from credits.admin.shapes import nice_step, short_number


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "short"),
        [(0, "0"), (999, "999"), (-500_000, "-500k"), (20_000, "20k"), (1_500_000, "1.5M")],
    )
    def test_are_short(self, value: int, short: str):
        assert short_number(value) == short

    @pytest.mark.parametrize(
        ("span", "step"), [(0, 1), (3, 1), (5, 2), (17, 5), (40, 10), (4_100, 2_000)]
    )
    def test_have_round_steps(self, span: int, step: int):
        assert nice_step(span) == step
