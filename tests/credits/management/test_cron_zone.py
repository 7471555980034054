"""credits.management.cron_zone: what becomes of the jobs where cron's zone is not UTC."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from credits.management import cron_zone
from credits.management.crontab import Job

NOVEMBER = datetime(2026, 11, 25, tzinfo=UTC)
RESET = Job("1 0 1 * *", "reset_monthly_credits")
EXPIRY = Job("0 2 * * *", "expire_credits")
SENDING = Job("*/15 * * * *", "send_credit_notices")
DUE_CHECK = Job("7-59/15 * * * *", "run_due_credit_jobs")


def consequences(zone: str, *jobs: Job) -> str:
    return "\n".join(cron_zone.consequences(jobs, ZoneInfo(zone), as_of=NOVEMBER))


class TestHostZone:
    def test_is_read_past_the_zone_that_django_sets(self, tmp_path, monkeypatch):
        localtime = tmp_path / "localtime"
        localtime.symlink_to("/usr/share/zoneinfo/Asia/Dubai")
        monkeypatch.setattr(cron_zone, "LOCALTIME", localtime)
        monkeypatch.setenv("TZ", "UTC")

        zone = cron_zone.host_zone()

        assert str(zone) == "Asia/Dubai"
        assert NOVEMBER.astimezone(zone).hour == 4

    def test_is_read_from_a_copy_too(self, tmp_path, monkeypatch):
        localtime = tmp_path / "localtime"
        localtime.write_bytes(Path("/usr/share/zoneinfo/Asia/Dubai").read_bytes())
        monkeypatch.setattr(cron_zone, "LOCALTIME", localtime)

        assert NOVEMBER.astimezone(cron_zone.host_zone()).hour == 4

    def test_is_utc_where_the_host_says_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(cron_zone, "LOCALTIME", tmp_path / "localtime")

        assert cron_zone.host_zone() == UTC


class TestIsOfTheMonths:
    @pytest.mark.parametrize(
        ("zone", "expected"),
        [
            ("Etc/UTC", True),
            ("Africa/Abidjan", True),
            ("Europe/London", False),  # UTC in November, and not in summer.
            ("Asia/Dubai", False),
        ],
    )
    def test_looks_at_the_whole_year(self, zone, expected):
        assert cron_zone.is_of_the_months(ZoneInfo(zone), as_of=NOVEMBER) is expected

    def test_knows_where_the_months_begin(self, settings):
        settings.CREDITS = settings.CREDITS | {"PERIOD_TIME_ZONE": "Asia/Dubai"}

        assert cron_zone.is_of_the_months(ZoneInfo("Asia/Muscat"), as_of=NOVEMBER)
        assert not cron_zone.is_of_the_months(ZoneInfo("Etc/UTC"), as_of=NOVEMBER)


class TestConsequences:
    def test_of_a_reset_in_the_east_name_what_makes_it_good(self):
        assert consequences("Asia/Dubai", RESET, DUE_CHECK).endswith(
            "12 of its next 12 runs come before the month begins in UTC, as that at 2026-11-30"
            " 20:01 UTC: it finds 2026-11 reset already and does nothing. run_due_credit_jobs makes"
            " 2026-12 good at 2026-12-01 00:07 UTC."
        )

    def test_of_a_reset_in_the_east_say_when_nothing_makes_it_good(self):
        assert consequences("Asia/Dubai", RESET).endswith(
            "Nobody makes 2026-12 good: add run_due_credit_jobs to CRONJOBS."
        )

    def test_of_a_reset_where_summer_is_in_the_east_begin_in_spring(self):
        told = consequences("Europe/London", RESET, DUE_CHECK)

        assert "next at 2026-12-01 00:01 UTC" in told
        assert "7 of its next 12 runs come before the month begins" in told
        assert "as that at 2027-03-31 23:01 UTC" in told

    def test_of_a_reset_in_the_west_are_none(self):
        assert consequences("America/New_York", RESET).splitlines() == [
            "  1 0 1 * *  reset_monthly_credits: next at 2026-12-01 05:01 UTC.",
            "    Harmless: by then the month has begun in UTC too, and is reset.",
        ]

    def test_of_a_reset_are_judged_by_where_the_months_begin(self, settings):
        settings.CREDITS = settings.CREDITS | {"PERIOD_TIME_ZONE": "America/New_York"}

        assert (
            "12 of its next 12 runs come before the month begins in America/New_York, as that"
            in (consequences("Etc/UTC", RESET))
        )
        assert "begun in America/New_York too" in consequences("America/New_York", RESET)

    def test_of_summer_time_name_the_minute_that_is_left_out(self):
        assert consequences("America/New_York", EXPIRY).endswith(
            "On 2027-03-14 the clock leaves that minute out: cron runs it when the clock has moved"
            " on, at 2027-03-14 07:00 UTC."
        )

    def test_of_summer_time_name_the_minute_that_comes_twice(self):
        assert (
            "On 2027-10-31 the clock shows that minute twice: Debian's cron runs it once, and a"
            " second run would find nothing to do."
        ) in consequences("Europe/Berlin", EXPIRY)

    def test_of_what_runs_all_day_are_not_worth_a_word(self):
        assert consequences("Asia/Kathmandu", SENDING, DUE_CHECK) == ""
