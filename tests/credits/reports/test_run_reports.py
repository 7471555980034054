"""credits.reports.run_history and alarms: how the jobs went, and what needs a person."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from credits.models import JobRun
from credits.reports.alarms import Trouble, alarms
from credits.reports.run_history import percentile, run_history
from tests.factories import FEBRUARY, MARCH, make_run

pytestmark = pytest.mark.django_db

RESET, EXPIRY = JobRun.Job.RESET, JobRun.Job.EXPIRY
NOON = MARCH.replace(hour=12)


def ran(job: JobRun.Job, at: datetime, seconds: float = 10, **fields: Any) -> JobRun:
    fields.setdefault("period", "2026-03" if job == RESET else "")
    finished = at + timedelta(seconds=seconds)
    moments = {"as_of": at, "started_at": at, "heartbeat_at": at, "finished_at": finished}
    return make_run(job=job, **(moments | fields))


@pytest.fixture
def all_is_well() -> None:
    ran(RESET, MARCH)
    ran(EXPIRY, MARCH)


def trouble(as_of: datetime = NOON) -> list[tuple[Trouble, str]]:
    runs = [run for job in JobRun.Job for run in run_history(job, as_of=as_of).runs]
    return [(alarm.trouble, alarm.command) for alarm in alarms(runs, as_of=as_of)]


class TestRunHistory:
    def test_rates_and_times_the_whole_runs_of_thirty_days(self):
        for day, seconds in enumerate([1, 2, 3, 4, 100], 1):
            status = "failed" if seconds == 100 else "succeeded"
            ran(EXPIRY, MARCH - timedelta(days=day), seconds, status=status)
        ran(EXPIRY, MARCH - timedelta(days=40), 999)
        ran(EXPIRY, MARCH - timedelta(days=6), 999, is_whole=False)

        found = run_history(EXPIRY, as_of=MARCH)

        assert (found.succeeded, found.ended, found.median, found.p95) == (4, 5, 3.0, 100.0)
        assert len(found.runs) == 7

    def test_has_no_figures_without_runs(self):
        found = run_history(EXPIRY, as_of=MARCH)

        assert (found.runs, found.ended, found.median, found.p95) == ((), 0, None, None)

    def test_looks_at_sixty_runs(self):
        for day in range(61):
            ran(EXPIRY, MARCH - timedelta(days=day))

        found = run_history(EXPIRY, as_of=MARCH)

        assert len(found.runs) == 60
        assert found.runs[0].started_at == MARCH

    def test_takes_a_percentile_that_was_measured(self):
        assert percentile(list(range(1, 101)), 95) == 95
        assert percentile([7.0], 95) == 7.0


@pytest.mark.usefixtures("all_is_well")
class TestAlarms:
    def test_are_silent_when_all_is_well(self):
        assert trouble() == []

    @pytest.mark.parametrize("status", ["failed", "partial", "interrupted"])
    def test_tell_how_a_run_went_wrong_and_what_mends_it(self, status: str):
        ran(RESET, MARCH + timedelta(hours=1), status=status)

        assert trouble() == [(Trouble(status), "manage.py reset_monthly_credits --period 2026-03")]

    def test_are_silent_once_a_whole_run_made_it_good(self):
        ran(EXPIRY, MARCH + timedelta(hours=1), status="failed")
        ran(EXPIRY, MARCH + timedelta(hours=2))

        assert trouble() == []

    def test_do_not_take_a_run_for_one_professional_as_having_made_it_good(self):
        ran(EXPIRY, MARCH + timedelta(hours=1), status="partial")
        ran(EXPIRY, MARCH + timedelta(hours=2), is_whole=False)

        assert trouble() == [(Trouble.PARTIAL, "manage.py expire_credits")]

    def test_do_not_take_the_reset_of_a_month_before_as_having_made_it_good(self):
        ran(RESET, MARCH + timedelta(hours=1), status="partial")
        ran(RESET, MARCH + timedelta(hours=2), period="2026-02")

        assert trouble() == [(Trouble.PARTIAL, "manage.py reset_monthly_credits --period 2026-03")]

    def test_tell_of_a_missed_month_until_the_reset_after_the_one_that_found_it(self):
        ran(RESET, NOON - timedelta(hours=1), status="missed", period="2026-02")
        ran(RESET, NOON)
        april = NOON.replace(month=4)

        assert trouble() == [(Trouble.MISSED, "")]
        ran(RESET, april, period="2026-04")
        ran(EXPIRY, april)
        assert trouble(april) == []

    def test_are_silent_about_a_missed_month_that_somebody_reset_by_hand(self):
        ran(RESET, NOON - timedelta(hours=1), status="missed", period="2026-02")
        ran(RESET, NOON, period="2026-02")

        assert trouble() == []

    def test_are_silent_about_a_missed_month_that_somebody_took_note_of(self):
        begun = NOON - timedelta(hours=1)
        ran(RESET, begun, status="missed", period="2026-02", acknowledged_at=NOON)
        ran(RESET, NOON)

        assert trouble() == []

    def test_tell_of_a_run_without_a_sign_of_life(self):
        ran(EXPIRY, MARCH + timedelta(hours=1), status="running", finished_at=None)

        assert trouble() == [(Trouble.LIFELESS, "manage.py expire_credits")]

    def test_leave_a_run_under_way_alone(self):
        begun = NOON - timedelta(minutes=1)
        ran(EXPIRY, begun, status="running", finished_at=None)

        assert trouble() == []


class TestLateJobs:
    def test_are_alarms(self):
        ran(EXPIRY, FEBRUARY)
        ran(RESET, FEBRUARY, period="2026-02")

        assert trouble() == [
            (Trouble.LATE, "manage.py reset_monthly_credits --period 2026-03"),
            (Trouble.LATE, "manage.py expire_credits"),
        ]

    def test_are_not_told_twice_when_a_run_failed(self):
        ran(EXPIRY, MARCH, status="failed")
        ran(RESET, MARCH)

        assert trouble() == [(Trouble.FAILED, "manage.py expire_credits")]
