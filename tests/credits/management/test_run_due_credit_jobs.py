"""manage.py run_due_credit_jobs: what it prints, and with which exit code it ends."""

import json
import re
import signal

import pytest
from django.db import DatabaseError

from credits.jobs.pausing import pause_job
from credits.models import JobPause, JobRun
from tests.books import all_tables
from tests.factories import MARCH, make_professional, make_run, make_user

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("no_counting", "no_seals"),
]

NOON = MARCH.replace(hour=12, minute=0)


@pytest.fixture(autouse=True)
def at_noon(clock, settings) -> None:
    clock(NOON)
    settings.CREDITS = {**settings.CREDITS, "SEND_WINDOW": ["00:00", "23:59:59.999999"]}


def run_numbers_gone(text: str) -> str:
    return re.sub(r"[Rr]un \d+", "run N", text)


class TestRunDue:
    def test_prints_a_line_for_each_thing_done(self, manage):
        make_professional(free=30)
        first = make_run(period="2026-01", as_of=MARCH.replace(month=1))
        JobRun.objects.filter(pk=first.pk).update(started_at=MARCH.replace(month=1))

        answer = manage("run_due_credit_jobs")

        assert (answer.code, answer.err) == (0, "")
        assert run_numbers_gone(answer.out) == (
            "reset_monthly_credits: 2026-02 missed."
            " The month passed without a reset that succeeded.\n"
            "reset_monthly_credits: run N: total 1, succeeded 1, failed 0, credits +70.\n"
            "expire_credits: run N: total 0, succeeded 0, failed 0, credits +0.\n"
            "send_credit_notices: Sent 1, failed 0, parked 0 notices.\n"
        )

    def test_says_what_is_next_where_nothing_is_due(self, manage, clock):
        manage("run_due_credit_jobs")
        clock(NOON.replace(minute=10))

        answer = manage("run_due_credit_jobs", "-v2")

        assert (answer.code, answer.err) == (0, "")
        assert answer.out == (
            "Nothing is due; next: send_credit_notices at 2026-03-01 12:15 UTC.\n"
            "  reset_monthly_credits: next at 2026-04-01 00:01 UTC\n"
            "  expire_credits: next at 2026-03-02 02:00 UTC\n"
            "  send_credit_notices: next at 2026-03-01 12:15 UTC\n"
        )

    def test_says_what_is_paused(self, manage):
        manage("run_due_credit_jobs")
        pause_job(JobPause.Job.EXPIRY, reason="x", actor_id=make_user().pk, at=MARCH)

        answer = manage("run_due_credit_jobs")

        assert answer.out == (
            "expire_credits is paused since 2026-03-01 00:01 UTC.\n"
            "Nothing is due; next: send_credit_notices at 2026-03-01 12:15 UTC.\n"
        )

    def test_is_a_document_for_a_machine(self, manage):
        make_professional(free=30)

        answer = manage("run_due_credit_jobs", "--json", "-v0")

        document = json.loads(answer.out)
        reset, expiry = JobRun.objects.order_by("pk")
        assert (answer.code, answer.err) == (0, "")
        assert document["done"][0] == {
            "job": "reset_monthly_credits",
            "ending": "succeeded",
            "run": reset.pk,
            "message": f"Run {reset.pk}: total 1, succeeded 1, failed 0, credits +70.",
        }
        assert [item["run"] for item in document["done"]] == [reset.pk, expiry.pk, None]
        assert document["jobs"][0] == {
            "job": "reset_monthly_credits",
            "is_due": False,
            "next_at": "2026-04-01T00:01:00+00:00",
            "tries": 0,
            "is_paused": False,
        }
        assert {key: document[key] for key in ("version", "dry_run", "recorded", "late")} == {
            "version": 1,
            "dry_run": False,
            "recorded": [],
            "late": [],
        }
        assert (document["as_of"], document["exit_code"]) == ("2026-03-01T12:00:00+00:00", 0)


class TestFailures:
    @pytest.fixture
    def broken_reset(self, monkeypatch) -> None:
        def refuse(*args, **kwargs):
            raise DatabaseError("no room")

        monkeypatch.setattr("credits.engine.reset.MonthlyReset.reset_chunk", refuse)

    @pytest.mark.usefixtures("broken_reset")
    def test_are_exit_1_with_the_moment_of_the_next_try(self, manage):
        make_professional(free=30)

        answer = manage("run_due_credit_jobs", "-v0")

        run = JobRun.objects.get(job=JobRun.Job.RESET)
        assert (answer.code, answer.out) == (1, "")
        assert answer.err == (
            f"CommandError: reset_monthly_credits: Run {run.pk} of reset_monthly_credits failed:"
            " no room. Tried again at 2026-03-01 12:05 UTC.\n"
        )

    def test_of_some_professionals_are_exit_3(self, manage, monkeypatch):
        def end_partial(**options):
            return make_run(status="partial", total_count=2, success_count=1, error_count=1)

        monkeypatch.setattr("credits.jobs.run_due.expire_credits", end_partial)

        answer = manage("run_due_credit_jobs", "-v0")

        assert answer.code == 3
        assert "total 2, succeeded 1, failed 1" in answer.err

    def test_without_a_run_are_tried_again_by_the_next_call(self, manage, settings):
        settings.CREDITS = {}

        answer = manage("run_due_credit_jobs", "-v0")

        assert answer.code == 1
        assert answer.err.endswith("are reset. Tried again at the next call.\n")
        assert JobRun.objects.get().job == JobRun.Job.EXPIRY

    def test_of_the_trigger_are_exit_2(self, manage):
        before = all_tables()

        answer = manage("run_due_credit_jobs", "--json", "--trigger", "two words")

        assert answer.code == 2
        assert json.loads(answer.out)["exit_code"] == 2
        assert answer.err.startswith("CommandError: --trigger: “two words” is not a word")
        assert all_tables() == before

    def test_of_the_database_are_one_sentence(self, real_manage):
        answer = real_manage("run_due_credit_jobs")

        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith("CommandError: The database refused: ")

    def test_are_none_where_ctrl_c_only_interrupts(self, manage, monkeypatch):
        def interrupt(**options):
            signal.raise_signal(signal.SIGINT)
            return make_run(status="interrupted")

        monkeypatch.setattr("credits.jobs.run_due.reset_monthly_credits", interrupt)

        answer = manage("run_due_credit_jobs")

        assert answer.code == 130
        assert answer.err == (
            "CommandError: Interrupted; what was done stays."
            " Go on with: manage.py run_due_credit_jobs\n"
        )
        assert not JobRun.objects.filter(job=JobRun.Job.EXPIRY).exists()


class TestDryRun:
    def test_says_what_it_would_do_and_writes_nothing(self, manage):
        make_run(period="2026-01", as_of=MARCH.replace(month=1))
        JobRun.objects.update(started_at=MARCH.replace(month=1))
        make_run(
            job=JobRun.Job.EXPIRY, status="failed", as_of=NOON.replace(hour=3), finished_at=MARCH
        )
        before = all_tables()

        answer = manage("run_due_credit_jobs", "--dry-run")

        assert (answer.code, answer.err) == (0, "")
        assert answer.out == (
            "Would record that 2026-02 passed without a reset.\n"
            "Would run reset_monthly_credits, due since 2026-03-01 00:01 UTC.\n"
            "Would run expire_credits, due since 2026-03-01 03:05 UTC, try 2.\n"
            "Would run send_credit_notices, due since 2026-03-01 12:00 UTC.\n"
        )
        assert all_tables() == before

    def test_is_a_document_for_a_machine(self, manage):
        answer = manage("run_due_credit_jobs", "--dry-run", "--json", "-v0")

        document = json.loads(answer.out)
        assert (document["dry_run"], document["would_record"]) == (True, [])
        assert [item["is_due"] for item in document["jobs"]] == [True, True, True]
