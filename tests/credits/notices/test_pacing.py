"""credits.notices.pacing: hours of the day, pauses, so many in a second."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from credits.notices.pacing import LONGEST_PAUSE, MOST_ATTEMPTS, Pace, opening, pause_after
from tests.clocks import SleepClock

DUBAI = ZoneInfo("Asia/Dubai")
BERLIN = ZoneInfo("Europe/Berlin")
DAY = ("08:00", "20:00")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestPace:
    def test_lets_ten_go_in_a_second(self):
        clock = SleepClock()
        pace = Pace(10, monotonic=clock.monotonic, sleep=clock.sleep)

        for _ in range(11):
            pace.wait()

        assert clock.slept == [0.1] * 10
        assert clock.now == pytest.approx(101.0)

    def test_makes_nothing_up_after_a_slow_one(self):
        clock = SleepClock()
        pace = Pace(10, monotonic=clock.monotonic, sleep=clock.sleep)
        pace.wait()
        clock.now += 5

        pace.wait()
        pace.wait()

        assert clock.slept == [0.1]


class TestOpening:
    @pytest.mark.parametrize(
        ("now", "zone", "expected"),
        [
            pytest.param("2026-02-01T00:01", DUBAI, "2026-02-01T04:00", id="04:01 in Dubai"),
            pytest.param("2026-02-01T04:00", DUBAI, "2026-02-01T04:00", id="just open"),
            pytest.param("2026-02-01T15:59", DUBAI, "2026-02-01T15:59", id="just not closed"),
            pytest.param("2026-02-01T16:00", DUBAI, "2026-02-02T04:00", id="just closed"),
            pytest.param("2026-03-28T20:00", BERLIN, "2026-03-29T06:00", id="clocks go forward"),
            pytest.param("2026-10-24T20:00", BERLIN, "2026-10-25T07:00", id="clocks go back"),
        ],
    )
    def test_is_now_or_the_next_morning(self, now, zone, expected):
        assert opening(utc(now), zone, window=DAY) == utc(expected)


class TestPauseAfter:
    def test_doubles_with_jitter(self):
        for attempts in range(1, MOST_ATTEMPTS):
            whole = timedelta(minutes=2) * 2 ** (attempts - 1)
            pauses = {pause_after(attempts) for _ in range(20)}
            assert whole / 2 <= min(pauses) < max(pauses) <= whole

    def test_is_what_the_service_asked_for_if_that_is_longer(self):
        assert pause_after(1, asked=timedelta(hours=3)) == timedelta(hours=3)
        assert pause_after(7, asked=timedelta(seconds=1)) >= timedelta(hours=1)
        assert pause_after(1, asked=timedelta(days=400)) == LONGEST_PAUSE
