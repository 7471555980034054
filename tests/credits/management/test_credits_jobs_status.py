"""manage.py credits_jobs_status: the table, the document and the exit code."""

import json
from datetime import timedelta

import pytest

from credits.jobs.pausing import pause_job
from credits.models import JobClaim, JobPause, JobRun
from tests.factories import MARCH, make_professional, make_run, make_user, promise

pytestmark = pytest.mark.django_db

NOON = MARCH.replace(hour=12, minute=0)
RESET, EXPIRY = JobRun.Job.RESET, JobRun.Job.EXPIRY


@pytest.fixture(autouse=True)
def at_noon(clock) -> None:
    clock(NOON)


def ran(job: JobRun.Job, status: str = "succeeded", **fields) -> JobRun:
    at = MARCH if job == RESET else MARCH.replace(hour=2, minute=0)
    moments = {"as_of": at, "started_at": at, "heartbeat_at": at, "finished_at": at}
    return make_run(
        job=job, status=status, period="2026-03" if job == RESET else "", **(moments | fields)
    )


class TestStatus:
    def test_is_a_line_for_each_job(self, manage):
        reset, expiry = ran(RESET), ran(EXPIRY)
        JobClaim.objects.create(job="send_credit_notices", done_at=NOON)

        answer = manage("credits_jobs_status")

        number = max(len(str(reset.pk)), len(str(expiry.pk)))
        gap = " " * (len("run , 2026-03-01 00:01 UTC, succeeded") + number - len("last run"))
        assert (answer.code, answer.err) == (0, "")
        assert answer.out == (
            "The jobs at 2026-03-01 12:00 UTC, by the database's clock:\n"
            f"job                    state  last run{gap}  last success          next\n"
            f"reset_monthly_credits  ok     run {reset.pk:<{number}}, 2026-03-01 00:01 UTC,"
            " succeeded  2026-03-01 00:01 UTC  2026-04-01 00:01 UTC\n"
            f"expire_credits         ok     run {expiry.pk}, 2026-03-01 02:00 UTC, succeeded"
            "  2026-03-01 02:00 UTC  2026-03-02 02:00 UTC\n"
            f"send_credit_notices    ok     –{' ' * (len(gap) + 7)}"
            "  2026-03-01 12:00 UTC  2026-03-01 12:15 UTC\n"
            "Notices: none waits to be sent.\n"
        )

    def test_of_a_fresh_installation_is_well(self, manage):
        answer = manage("credits_jobs_status")

        assert answer.code == 0
        assert "reset_monthly_credits  never ran  –         –             now\n" in answer.out

    def test_is_exit_1_when_something_is_late_or_failed(self, manage):
        make_professional(free=5)
        ran(RESET, "failed")
        promise(make_professional(), next_attempt_at=NOON - timedelta(hours=2))

        answer = manage("credits_jobs_status")

        assert answer.code == 1
        assert answer.err == (
            "CommandError: reset_monthly_credits has failed. expire_credits is late."
            " send_credit_notices is late.\n"
        )
        assert "now (try 2)" in answer.out
        assert "LATE    expire_credits for 2026-03-01; run it with: manage.py" in answer.out
        assert answer.out.endswith(
            "Notices: 1 due since 2026-03-01 10:00 UTC, 1 for over an hour.\n"
        )

    def test_tells_loudly_of_a_pause_and_of_a_missed_month(self, manage):
        ran(RESET), ran(EXPIRY)
        make_run(period="2026-02", status="missed", as_of=NOON, started_at=NOON)
        clerk = make_user(email="aisha@example.com").pk
        pause_job(JobPause.Job.EXPIRY, reason="Wrong dates", actor_id=clerk, at=MARCH)

        answer = manage("credits_jobs_status")

        assert answer.code == 0
        assert (
            "PAUSED  expire_credits by aisha@example.com since 2026-03-01 00:01 UTC: Wrong dates\n"
            "MISSED  2026-02 passed without a reset; it is not back-filled.\n"
        ) in answer.out

    def test_is_one_document_for_a_monitor(self, manage):
        reset = ran(RESET, "partial", total_count=1, error_count=1, error_summary="1 failed")
        ran(EXPIRY)
        clerk = make_user(email="aisha@example.com").pk
        pause_job(JobPause.Job.EXPIRY, reason="Wrong dates", actor_id=clerk, at=MARCH)

        answer = manage("credits_jobs_status", "--json")

        document = json.loads(answer.out)
        assert answer.code == 1
        assert answer.err == "CommandError: reset_monthly_credits has failed.\n"
        assert document["jobs"][0] == {
            "job": "reset_monthly_credits",
            "state": "failed",
            "is_due": True,
            "next_at": "2026-03-01T00:06:00+00:00",
            "tries": 1,
            "last_run": {
                "run": reset.pk,
                "status": "partial",
                "period": "2026-03",
                "as_of": "2026-03-01T00:01:00+00:00",
                "started_at": "2026-03-01T00:01:00+00:00",
                "finished_at": "2026-03-01T00:01:00+00:00",
                "failed": 1,
                "error": "1 failed",
            },
            "last_success": None,
            "pause": None,
            "late": None,
        }
        assert document["jobs"][1]["state"] == "paused"
        assert document["jobs"][1]["pause"] == {
            "by": "aisha@example.com",
            "since": "2026-03-01T00:01:00+00:00",
            "reason": "Wrong dates",
        }
        del document["jobs"]
        assert document == {
            "version": 1,
            "job": "credits_jobs_status",
            "as_of": "2026-03-01T12:00:00+00:00",
            "is_well": False,
            "missed": [],
            "notices": {"due": 0, "overdue": 0, "oldest": None},
            "message": "reset_monthly_credits has failed.",
            "exit_code": 1,
        }

    def test_knows_what_is_under_way(self, manage):
        make_professional(free=5)
        ran(EXPIRY)
        ran(RESET, "running", heartbeat_at=NOON, finished_at=None)
        JobClaim.objects.create(job="send_credit_notices", held_until=NOON + timedelta(minutes=4))

        document = json.loads(manage("credits_jobs_status", "--json").out)

        assert [item["state"] for item in document["jobs"]] == ["running", "ok", "running"]
        assert document["is_well"]

    def test_asks_no_more_with_many_runs(self, manage, django_assert_max_num_queries):
        for day in range(1, 20):
            ran(EXPIRY, as_of=MARCH - timedelta(days=day), started_at=MARCH - timedelta(days=day))

        with django_assert_max_num_queries(30):
            manage("credits_jobs_status")

    def test_of_a_database_without_tables_is_one_sentence(self, real_manage):
        answer = real_manage("credits_jobs_status")

        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith("CommandError: The database refused: ")
