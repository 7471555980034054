from datetime import UTC, datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from homezy.importing.shifting import Shift
from tests.homezy.importing.lives import acts, broken, live, replayed
from tests.homezy.importing.original import Original

months = st.integers(-40, 40)
moments = st.integers(0, 10 * 365 * 86_400_000).map(
    lambda millis: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
)


class TestMoment:
    @pytest.mark.parametrize(
        ("given_months", "moment", "moved"),
        [
            (-1, datetime(2026, 11, 1, 0, 1, tzinfo=UTC), datetime(2026, 10, 1, 0, 1, tzinfo=UTC)),
            (3, datetime(2026, 11, 27, 23, tzinfo=UTC), datetime(2027, 2, 27, 23, tzinfo=UTC)),
            (1, datetime(2027, 1, 30, 12, tzinfo=UTC), datetime(2027, 2, 28, 16, 48, tzinfo=UTC)),
        ],
        ids=["reset", "27th", "30th into February"],
    )
    def test_moves_by_whole_months(self, given_months, moment, moved):
        shifted = Shift(given_months).moment(moment)

        assert abs(shifted - moved) < timedelta(days=1)
        assert (shifted == moved) == (moment.day <= 27)

    @given(months=months, one=moments, other=moments)
    def test_keeps_the_order(self, months, one, other):
        shift = Shift(months)

        assert (one <= other) == (shift.moment(one) <= shift.moment(other))

    @given(months=months, moment=moments)
    def test_lands_in_the_right_month(self, months, moment):
        moved = Shift(months).moment(moment)

        assert (moved.year - moment.year) * 12 + moved.month - moment.month == months


class TestBetween:
    def test_brings_the_last_month_to_the_wanted_one(self):
        last = datetime(2026, 11, 20, 20, 55, tzinfo=UTC)

        assert Shift.between(last, "2027-02") == Shift(3)


class TestHistory:
    @given(months=months, acts=acts)
    def test_any_life_stays_sound(self, months, acts):
        aisha = Original().professional()
        live(aisha, acts)

        assert broken(Shift(months).history(replayed(aisha))) == []

    def test_a_lot_still_expires_six_calendar_months_after_its_purchase(self):
        aisha = Original().professional()
        aisha.now = datetime(2026, 8, 31, 12, tzinfo=UTC)
        aisha.buy(50)

        (lot,) = Shift(2).history(replayed(aisha)).rows

        assert lot.at > datetime(2026, 10, 31, tzinfo=UTC)
        assert lot.expires_at == lot.at + relativedelta(months=6)

    def test_a_lot_keeps_the_days_that_the_original_gave_it_too_many(self):
        # setMonth(+6) turned 31 August into 3 March; whoever was promised that keeps it.
        aisha = Original().professional()
        aisha.now = datetime(2026, 8, 31, 12, tzinfo=UTC)
        aisha.buy(50)["expiresAt"] += timedelta(days=3)

        (lot,) = Shift(-12).history(replayed(aisha)).rows

        assert lot.expires_at == lot.at + relativedelta(months=6) + timedelta(days=3)
