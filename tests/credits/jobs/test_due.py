"""credits.jobs.due: the runs in the database say what is due, and what is late."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from credits.jobs.due import PAUSES, judge_expiry, judge_reset, late_jobs
from credits.jobs.pausing import pause_job
from credits.models import JobRun
from tests.factories import LEASE, make_professional, make_run, make_user

pytestmark = pytest.mark.django_db

RESET, EXPIRY = JobRun.Job.RESET, JobRun.Job.EXPIRY
MARCH_1 = datetime(2026, 3, 1, tzinfo=UTC)
RESET_AT = MARCH_1 + timedelta(minutes=1)
MARCH_10 = datetime(2026, 3, 10, tzinfo=UTC)
EXPIRE_AT = MARCH_10 + timedelta(hours=2)
APRIL_RESET_AT = datetime(2026, 4, 1, 0, 1, tzinfo=UTC)
LONG_AGO = datetime(2025, 1, 15, tzinfo=UTC)
WRONG_CLOCK = timedelta(days=9)
"""How far ahead the clock of the host is whose runs these are."""

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def ran(job: JobRun.Job, as_of: datetime, status: str = "succeeded", **fields: Any) -> JobRun:
    """Make a run that took two minutes by its own host's clock, which is wrong by days."""
    started = as_of + WRONG_CLOCK
    fields = {"period": f"{as_of:%Y-%m}" if job == RESET else ""} | fields
    return make_run(
        job=job,
        as_of=as_of,
        status=status,
        started_at=started,
        heartbeat_at=started,
        finished_at=None if status == "running" else started + 2 * MINUTE,
        **fields,
    )


class TestJudgeReset:
    @pytest.mark.parametrize(
        ("as_of", "is_due", "next_at"),
        [
            pytest.param(MARCH_1, False, RESET_AT, id="not in the month's first minute"),
            pytest.param(RESET_AT, True, RESET_AT, id="at 00:01"),
            pytest.param(MARCH_10, True, RESET_AT, id="later in the month"),
            pytest.param(APRIL_RESET_AT - 2 * MINUTE, True, RESET_AT, id="on its last minute"),
        ],
    )
    def test_is_due_in_its_month(self, as_of: datetime, is_due: bool, next_at: datetime):
        verdict = judge_reset(as_of=as_of)

        assert (verdict.job, verdict.tries) == (RESET, 0)
        assert (verdict.is_due, verdict.next_at) == (is_due, next_at)

    @pytest.mark.parametrize(
        ("fields", "is_due"),
        [
            pytest.param({}, False, id="a whole run"),
            pytest.param({"trigger": "admin:7:0a1b2c3d"}, False, id="somebody's run by hand"),
            pytest.param({"is_whole": False}, True, id="not one for some"),
            pytest.param({"period": "2026-02"}, True, id="not one of another month"),
            pytest.param({"status": "running"}, True, id="not one under way, perhaps dead"),
        ],
    )
    def test_is_done_by(self, fields: dict[str, Any], is_due: bool):
        ran(RESET, RESET_AT, **fields)

        assert judge_reset(as_of=MARCH_10).is_due == is_due

    def test_is_next_due_a_month_later(self):
        ran(RESET, RESET_AT)

        verdict = judge_reset(as_of=MARCH_10)

        assert (verdict.job, verdict.next_at, verdict.tries) == (RESET, APRIL_RESET_AT, 0)


class TestJudgeExpiry:
    def test_is_due_from_two_o_clock_on(self):
        ran(EXPIRY, EXPIRE_AT - DAY)

        assert judge_expiry(as_of=EXPIRE_AT - MINUTE).next_at == EXPIRE_AT
        assert not judge_expiry(as_of=EXPIRE_AT - MINUTE).is_due
        assert judge_expiry(as_of=EXPIRE_AT).is_due

    def test_of_yesterday_is_made_good_before_two_o_clock(self):
        ran(EXPIRY, EXPIRE_AT - 2 * DAY)

        assert judge_expiry(as_of=EXPIRE_AT - MINUTE).is_due

    @pytest.mark.parametrize(
        ("as_of", "is_due"),
        [
            pytest.param(EXPIRE_AT, False, id="that of two o'clock"),
            pytest.param(EXPIRE_AT + HOUR, False, id="one after it"),
            pytest.param(EXPIRE_AT - MINUTE, True, id="not one as of a moment before"),
        ],
    )
    def test_is_done_by(self, as_of: datetime, is_due: bool):
        ran(EXPIRY, as_of)

        # Not on the hour: no check is.
        odd = timedelta(minutes=7, seconds=30, microseconds=5)
        assert judge_expiry(as_of=EXPIRE_AT + 2 * HOUR + odd).is_due == is_due

    def test_is_done_by_no_other_job(self):
        ran(RESET, EXPIRE_AT)

        assert judge_expiry(as_of=EXPIRE_AT + HOUR).is_due

    def test_is_next_due_a_day_later(self):
        ran(EXPIRY, EXPIRE_AT)

        verdict = judge_expiry(as_of=EXPIRE_AT + HOUR)

        assert (verdict.job, verdict.next_at, verdict.tries) == (EXPIRY, EXPIRE_AT + DAY, 0)


class TestRetries:
    @pytest.mark.parametrize("status", ["failed", "partial", "interrupted"])
    def test_wait_longer_each_time_whatever_the_host_clock_says(self, status: str):
        ended, waited = RESET_AT, []
        for _ in range(7):
            run = ran(RESET, ended, status)
            ended = run.as_of + 2 * MINUTE
            verdict = judge_reset(as_of=ended)
            assert not verdict.is_due
            assert not judge_reset(as_of=verdict.next_at - MINUTE).is_due
            assert judge_reset(as_of=verdict.next_at).is_due
            waited.append(verdict.next_at - ended)
            ended = verdict.next_at

        assert waited == [*PAUSES, 12 * HOUR, 12 * HOUR]
        assert waited[:5] == [5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR]

    def test_count_what_was_tried(self):
        ran(RESET, RESET_AT, "failed")
        ran(RESET, RESET_AT + HOUR, "partial", trigger="command")
        ran(RESET, RESET_AT + 2 * HOUR, "failed", is_whole=False)

        assert judge_reset(as_of=MARCH_10).tries == 2

    def test_begin_anew_with_what_is_due_next(self):
        for hours in range(6):
            ran(EXPIRY, EXPIRE_AT + hours * HOUR, "failed")
        ran(EXPIRY, EXPIRE_AT + 20 * HOUR, "failed")

        assert judge_expiry(as_of=EXPIRE_AT + 23 * HOUR).next_at == EXPIRE_AT + DAY
        assert judge_expiry(as_of=EXPIRE_AT + DAY).is_due


class TestAPausedJob:
    @pytest.mark.parametrize("is_done", [False, True], ids=["waiting", "done"])
    def test_is_not_due_but_says_why(self, is_done: bool):
        if is_done:
            ran(RESET, RESET_AT)
        pause_job(RESET, reason="Wrong amounts", actor_id=make_user().pk, at=MARCH_1)

        verdict = judge_reset(as_of=MARCH_10)

        assert not verdict.is_due
        assert verdict.pause is not None
        assert verdict.pause.reason == "Wrong amounts"

    def test_is_not_late(self):
        ran(RESET, LONG_AGO)
        pause_job(RESET, reason="Wrong amounts", actor_id=make_user().pk, at=MARCH_1)

        assert [late.job for late in late_jobs(as_of=MARCH_10)] == [EXPIRY]


class TestLateJobs:
    def test_are_none_where_nothing_ever_happened(self):
        assert late_jobs(as_of=MARCH_10) == []

    def test_are_both_where_credits_are_held_and_nothing_ran(self):
        make_professional(free=5, at=LONG_AGO)

        assert [(late.job, late.about, late.command) for late in late_jobs(as_of=MARCH_10)] == [
            (RESET, "2026-03", "manage.py reset_monthly_credits --period 2026-03"),
            (EXPIRY, "2026-03-10", "manage.py expire_credits"),
        ]

    @pytest.mark.parametrize(
        ("hours", "late"), [(5, []), (6, [RESET]), (25, [RESET]), (26, [RESET, EXPIRY])]
    )
    def test_have_a_grace_from_the_first_transaction_on(self, hours: int, late: list[str]):
        make_professional(free=5, at=MARCH_10)

        assert [item.job for item in late_jobs(as_of=MARCH_10 + hours * HOUR)] == late

    def test_have_it_from_the_earliest_though_it_was_brought_in_later(self):
        make_professional(free=5, at=MARCH_10)
        make_professional(free=5, at=LONG_AGO)

        assert [item.job for item in late_jobs(as_of=MARCH_10)] == [RESET, EXPIRY]

    @pytest.mark.parametrize(("minutes", "late"), [(359, []), (360, [RESET])])
    def test_have_a_grace_from_the_start_of_the_month_on(self, minutes: int, late: list[str]):
        make_professional(free=5, at=LONG_AGO)
        ran(EXPIRY, MARCH_1)

        assert [item.job for item in late_jobs(as_of=MARCH_1 + minutes * MINUTE)] == late

    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({"status": "failed"}, id="one that failed"),
            pytest.param({"is_whole": False}, id="one for some"),
            pytest.param({"as_of": LONG_AGO}, id="one of another time"),
        ],
    )
    def test_are_those_too_that_had(self, fields: dict[str, Any]):
        make_professional(free=5, at=LONG_AGO)
        for job in (RESET, EXPIRY):
            ran(job, **{"as_of": EXPIRE_AT} | fields)

        assert [item.job for item in late_jobs(as_of=EXPIRE_AT + HOUR)] == [RESET, EXPIRY]

    @pytest.mark.parametrize(
        ("age", "late"),
        [
            pytest.param(LEASE - MINUTE, [], id="show signs of life"),
            pytest.param(LEASE, [RESET, EXPIRY], id="show none any more"),
        ],
    )
    def test_are_not_late_while_they(self, age: timedelta, late: list[str]):
        make_professional(free=5, at=LONG_AGO)
        for job in (RESET, EXPIRY):
            make_run(job=job, status="running", as_of=MARCH_10, heartbeat_at=MARCH_10 - age)

        assert [item.job for item in late_jobs(as_of=MARCH_10)] == late

    def test_are_late_though_another_run_ended_a_moment_ago(self):
        make_professional(free=5, at=LONG_AGO)
        make_run(job=RESET, status="failed", as_of=MARCH_10, heartbeat_at=MARCH_10)
        make_run(job=EXPIRY, status="running", as_of=MARCH_10, heartbeat_at=MARCH_10)

        assert [item.job for item in late_jobs(as_of=MARCH_10)] == [RESET]

    def test_are_not_those_that_ended_partial(self):
        ran(RESET, RESET_AT, "partial")
        ran(EXPIRY, EXPIRE_AT, "partial")

        assert late_jobs(as_of=EXPIRE_AT + HOUR) == []

    def test_that_ran_need_no_excuse(self, django_assert_num_queries):
        ran(RESET, RESET_AT)
        ran(EXPIRY, EXPIRE_AT)

        with django_assert_num_queries(2):
            assert late_jobs(as_of=EXPIRE_AT + HOUR) == []
