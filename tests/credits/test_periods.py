"""credits.periods: calendar months."""

import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.periods import add_months, first_day_of, parse_period, period_of, start_of
from tests.factories import AUGUST_31

DUBAI = timezone(timedelta(hours=4))

any_moment = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 999 < moment.year < 9990)


@pytest.fixture
def host_in_dubai(monkeypatch):
    """Let the host keep the time of Dubai, spelt out: it may know no zones by name."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "<+04>-4")
        time.tzset()
        yield
    time.tzset()


class TestPeriodOf:
    def test_is_the_month_of_a_moment(self):
        assert period_of(AUGUST_31) == "2026-08"

    def test_is_the_month_in_utc(self):
        early_on_the_1st_in_dubai = datetime(2026, 9, 1, 3, tzinfo=DUBAI)

        assert period_of(early_on_the_1st_in_dubai) == "2026-08"

    @pytest.mark.usefixtures("host_in_dubai")
    def test_is_the_month_in_utc_whatever_the_host_keeps(self):
        assert period_of(datetime(2026, 8, 31, 23, tzinfo=UTC)) == "2026-08"

    def test_sorts_as_time_does_in_every_year(self):
        in_order = [datetime(year, 12, 1, tzinfo=UTC) for year in (1, 202, 999, 1000, 2026, 9999)]

        assert sorted(map(period_of, in_order)) == list(map(period_of, in_order))

    @given(moment=any_moment)
    def test_is_read_back(self, moment):
        assert parse_period(period_of(moment)) == period_of(moment)


class TestPeriodsElsewhere:
    """Months that begin where the project says."""

    @pytest.fixture(autouse=True)
    def begin_in_dubai(self, settings):
        settings.CREDITS = settings.CREDITS | {"PERIOD_TIME_ZONE": "Asia/Dubai"}

    def test_begin_at_midnight_there(self):
        assert start_of("2026-09") == datetime(2026, 8, 31, 20, tzinfo=UTC)
        assert start_of("2026-09").tzinfo is UTC

    def test_hold_the_moments_from_then_on(self):
        assert period_of(datetime(2026, 8, 31, 20, tzinfo=UTC)) == "2026-09"
        assert period_of(datetime(2026, 8, 31, 19, 59, tzinfo=UTC)) == "2026-08"

    def test_follow_each_other(self):
        march = add_months(start_of("2027-02"), 1)

        assert (march, period_of(march)) == (start_of("2027-03"), "2027-03")

    def test_are_counted_on_the_calendar_there(self):
        early_on_the_1st = datetime(2026, 8, 31, 22, tzinfo=UTC)

        assert add_months(early_on_the_1st, 6) == datetime(2027, 2, 28, 22, tzinfo=UTC)

    def test_keep_the_time_of_day_through_summer_time(self, settings):
        settings.CREDITS = settings.CREDITS | {"PERIOD_TIME_ZONE": "Europe/London"}

        assert add_months(datetime(2026, 1, 15, 9, tzinfo=UTC), 6) == datetime(
            2026, 7, 15, 8, tzinfo=UTC
        )

    def test_have_the_names_of_their_first_day(self):
        assert first_day_of("2026-09") == date(2026, 9, 1)


class TestParsePeriod:
    @pytest.mark.parametrize("text", ["2026-01", "2026-12", "0001-01", "9999-12"])
    def test_takes_a_month(self, text):
        assert parse_period(text) == text

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="nothing"),
            pytest.param("2026", id="a year"),
            pytest.param("2026-00", id="month 0"),
            pytest.param("2026-13", id="month 13"),
            pytest.param("2026-1", id="one digit"),
            pytest.param("2026-11-01", id="a day"),
            pytest.param("2026/11", id="a slash"),
            pytest.param("0000-11", id="year 0"),
            pytest.param("26-11", id="a short year"),
            pytest.param(" 2026-11", id="a space before"),
            pytest.param("2026-11\n", id="a line end"),
            pytest.param("٢٠٢٦-١١", id="Arabic digits"),
            pytest.param("november", id="a word"),
        ],
    )
    def test_refuses_all_else_in_one_sentence(self, text):
        with pytest.raises(ValueError, match="is not a month; write it as 2026-11.$") as refused:
            parse_period(text)

        assert f"“{text}”" in str(refused.value)


class TestStartOf:
    def test_is_midnight_of_the_1st_in_utc(self):
        assert start_of("2026-11") == datetime(2026, 11, 1, tzinfo=UTC)
        assert start_of("2026-11").tzinfo is UTC


class TestAddMonths:
    @pytest.mark.parametrize(
        ("begin", "months", "end"),
        [
            pytest.param((2026, 1, 15), 6, (2026, 7, 15), id="the same day"),
            pytest.param((2026, 8, 31), 6, (2027, 2, 28), id="clamped"),
            pytest.param((2027, 8, 31), 6, (2028, 2, 29), id="clamped in a leap year"),
            pytest.param((2026, 8, 29), 6, (2027, 2, 28), id="clamped by one day"),
            pytest.param((2026, 8, 28), 6, (2027, 2, 28), id="just not clamped"),
            pytest.param((2026, 12, 31), 6, (2027, 6, 30), id="to a month of 30 days"),
            pytest.param((2028, 2, 29), 12, (2029, 2, 28), id="from a leap day"),
            pytest.param((2026, 3, 31), 1, (2026, 4, 30), id="one month"),
            pytest.param((2026, 10, 1), 6, (2027, 4, 1), id="over the new year"),
        ],
    )
    def test_counts_in_calendar_months(self, begin, months, end):
        moment = datetime(*begin, 23, 59, 58, 999_999, tzinfo=UTC)

        assert add_months(moment, months) == datetime(*end, 23, 59, 58, 999_999, tzinfo=UTC)

    def test_counts_in_utc_whatever_the_zone(self):
        early_on_the_1st_in_dubai = datetime(2026, 9, 1, 3, tzinfo=DUBAI)

        assert add_months(early_on_the_1st_in_dubai, 6) == datetime(2027, 2, 28, 23, tzinfo=UTC)

    @pytest.mark.usefixtures("host_in_dubai")
    def test_counts_in_utc_whatever_the_host_keeps(self):
        assert add_months(datetime(2026, 8, 30, 23, tzinfo=UTC), 6) == datetime(
            2027, 2, 28, 23, tzinfo=UTC
        )

    @given(moment=any_moment, months=st.integers(0, 60))
    def test_ends_in_the_right_month_and_never_on_a_later_day(self, moment, months):
        later = add_months(moment, months)

        passed = (later.year - moment.year) * 12 + later.month - moment.month
        assert passed == months
        assert later.day == moment.day or (
            later.day < moment.day and (later + timedelta(days=1)).day == 1
        )
        assert later.timetz() == moment.timetz()
