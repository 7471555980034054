"""credits.jobs.named: the jobs by name, for whoever starts them from elsewhere."""

from dataclasses import fields

import pytest
from django.db import DatabaseError

from credits.exceptions import RunAlreadyActive, RunFailed
from credits.jobs import named
from credits.jobs.named import Ending, JobName, run_job
from credits.jobs.notices import SendReport
from credits.jobs.pausing import pause_job
from credits.jobs.reset import NOBODY
from credits.jobs.running import Watch
from credits.models import JobPause, JobRun
from tests.factories import AUGUST, JULY_15, MARCH, make_professional, make_run
from tests.tampering import poison

pytestmark = pytest.mark.django_db(transaction=True)


class TestRunJob:
    def test_does_the_job_and_names_its_run(self):
        make_professional(free=30)

        outcome = run_job(JobName.RESET, as_of=MARCH, trigger="http")

        run = JobRun.objects.get()
        assert (outcome.ending, outcome.run_id, run.trigger) == (Ending.SUCCEEDED, run.pk, "http")
        assert outcome.message == f"Run {run.pk}: total 1, succeeded 1, failed 0, credits +70."

    def test_a_repeated_call_does_what_is_left(self):
        make_professional(paid=5)

        first, second = (run_job(JobName.EXPIRY, as_of=AUGUST, trigger="http") for _ in range(2))

        assert "credits -5" in first.message
        assert "credits +0" in second.message

    def test_says_that_another_run_is_active(self):
        under_way = JobRun.objects.create(
            job=JobRun.Job.EXPIRY,
            status=JobRun.Status.RUNNING,
            as_of=JULY_15,
            started_at=JULY_15,
            heartbeat_at=JULY_15.replace(year=2100),
            host="elsewhere",
            process_id=1,
        )

        outcome = run_job(JobName.EXPIRY, as_of=AUGUST, trigger="http")

        assert (outcome.ending, outcome.run_id) == (Ending.ALREADY_ACTIVE, under_way.pk)

    def test_says_why_it_failed(self, settings):
        settings.CREDITS = {}

        outcome = run_job(JobName.RESET, as_of=MARCH, trigger="http")

        assert outcome.ending == Ending.FAILED
        assert "ELIGIBLE_PROFESSIONALS" in outcome.message

    def test_keeps_to_one_line_of_what_the_database_said(self, monkeypatch):
        def refuse(**arguments: object) -> None:
            raise DatabaseError("gone\nDETAIL: not for everybody")

        monkeypatch.setattr(named, "send_notices", refuse)

        outcome = run_job(JobName.SENDING, as_of=MARCH, trigger="http")

        assert (outcome.ending, outcome.message) == (Ending.FAILED, "gone")

    def test_says_that_it_is_paused_and_names_nobody(self):
        aisha = make_professional(email="aisha@example.com")
        pause_job(JobPause.Job.RESET, reason="Aisha's", actor_id=aisha.pk, at=MARCH)

        outcome = run_job(JobName.RESET, as_of=MARCH, trigger="http")

        assert (outcome.job, outcome.ending) == (JobName.RESET, Ending.PAUSED)
        assert outcome.message == "reset_monthly_credits is paused since 2026-03-01 00:01 UTC."

    def test_does_what_is_due_by_the_database_whatever_the_caller_says(self, clock):
        clock(AUGUST)
        make_run(as_of=MARCH, started_at=MARCH, period="2026-06")

        done = run_job(JobName.DUE, as_of=AUGUST.replace(year=2027), trigger="http")
        again = run_job(JobName.DUE, as_of=AUGUST.replace(year=2027), trigger="http")

        assert {run.as_of for run in JobRun.objects.exclude(as_of=MARCH)} == {AUGUST}
        assert (done.job, done.ending) == (JobName.DUE, Ending.SUCCEEDED)
        assert again.ending == Ending.SUCCEEDED
        assert "reset_monthly_credits 2026-07: missed. reset_monthly_credits: Run" in done.message
        assert again.message == (
            "Nothing is due; next: send_credit_notices at 2026-08-01 02:15 UTC."
        )

    @pytest.mark.parametrize("transactions", [0, 1])
    def test_seals_the_day_before_once(self, transactions):
        for _ in range(transactions):
            make_professional(free=5)

        first, second = (run_job(JobName.SEALING, as_of=MARCH, trigger="http") for _ in range(2))

        assert (first.job, first.ending) == (JobName.SEALING, Ending.SUCCEEDED)
        assert first.message == f"Sealed 2026-02-28: {transactions} transactions."
        told = (JobName.SEALING, Ending.SUCCEEDED, "The day before was sealed already.", None)
        assert second == named.Outcome(*told)

    def test_sends_notices(self):
        outcome = run_job(JobName.SENDING, as_of=MARCH, trigger="http")

        assert outcome.ending == Ending.SUCCEEDED
        assert outcome.message == "Sent 0, failed 0, parked 0 notices."


@pytest.mark.django_db
class TestWhatBecameOfARun:
    def test_is_told_with_its_warning(self):
        outcome = run_job(JobName.RESET, as_of=MARCH, trigger="http")

        assert outcome.ending == Ending.SUCCEEDED
        assert outcome.message.endswith(f"total 0, succeeded 0, failed 0, credits +0. {NOBODY}")

    def test_is_told_without_what_the_database_said_of_a_row(self):
        poison(make_professional())

        outcome = run_job(JobName.RESET, as_of=MARCH, trigger="http")

        assert outcome.ending == Ending.PARTIAL
        assert outcome.message.endswith("total 1, succeeded 0, failed 1, credits +0.")


def send_report(**counts):
    """Return what a call that sent 1,200 notices says of itself."""
    none = {field.name: 0 for field in fields(SendReport)}
    return SendReport(**none | {"sent": 1_200, "was_stopped": False, "given_up": ""} | counts)


class TestWhatAJobIsAsked:
    @pytest.mark.parametrize(
        ("name", "function", "asked"),
        [
            (JobName.RESET, "reset_monthly_credits", {"trigger": "http"}),
            (JobName.EXPIRY, "expire_credits", {"trigger": "http"}),
            (JobName.SENDING, "send_notices", {}),
        ],
    )
    def test_is_what_the_caller_said(self, monkeypatch, name, function, asked):
        heard = []

        def refuse(**arguments):
            heard.append(arguments)
            raise DatabaseError

        monkeypatch.setattr(named, function, refuse)
        watch = Watch()

        outcome = run_job(name, as_of=MARCH, trigger="http", watch=watch)

        assert heard == [{"as_of": MARCH, "watch": watch, **asked}]
        assert heard[0]["watch"] is watch
        assert (outcome.job, outcome.message) == (name, "DatabaseError")

    def test_is_what_the_caller_said_but_for_the_moment(self, monkeypatch, clock):
        clock(AUGUST)
        heard = []

        def refuse(**arguments):
            heard.append(arguments)
            raise DatabaseError

        monkeypatch.setattr(named, "run_due_credit_jobs", refuse)
        watch = Watch()

        run_job(JobName.DUE, as_of=MARCH, trigger="http", watch=watch)

        assert heard == [{"as_of": AUGUST, "trigger": "http", "watch": watch}]
        assert heard[0]["watch"] is watch

    def test_is_watched_by_nobody_unless_somebody_does(self, monkeypatch):
        heard = []

        def hear(**arguments):
            heard.append(arguments["watch"])
            return send_report()

        monkeypatch.setattr(named, "send_notices", hear)

        run_job(JobName.SENDING, as_of=MARCH, trigger="http")

        assert isinstance(heard[0], Watch)


class TestWhatARunRefused:
    @pytest.mark.parametrize(
        ("error", "ending"),
        [
            (RunFailed(job="expiry", run_id=7, error="gone"), Ending.FAILED),
            (
                RunAlreadyActive(job="expiry", run_id=7, host="elsewhere", heartbeat_at=MARCH),
                Ending.ALREADY_ACTIVE,
            ),
        ],
        ids=["failed", "active"],
    )
    def test_is_told_with_the_run(self, monkeypatch, error, ending):
        def refuse(**arguments):
            raise error

        monkeypatch.setattr(named, "expire_credits", refuse)

        outcome = run_job(JobName.EXPIRY, as_of=MARCH, trigger="http")

        assert outcome == named.Outcome(JobName.EXPIRY, ending, str(error), 7)

    def test_is_told_of_the_job_that_ended_well(self):
        make_professional(paid=5)

        names = [JobName.RESET, JobName.EXPIRY, JobName.SENDING]

        outcomes = [run_job(name, as_of=AUGUST, trigger="http") for name in names]

        assert [outcome.job for outcome in outcomes] == names


class TestWhatBecameOfSending:
    @pytest.mark.parametrize(
        ("counts", "ending", "message"),
        [
            ({}, "succeeded", "Sent 1,200, failed 0, parked 0 notices."),
            ({"failed": 1_300}, "partial", "Sent 1,200, failed 1,300, parked 0 notices."),
            ({"parked": 1_400}, "partial", "Sent 1,200, failed 0, parked 1,400 notices."),
            (
                {"was_stopped": True, "failed": 1},
                "interrupted",
                "Sent 1,200, failed 1, parked 0 notices.",
            ),
            ({"given_up": "Mail is down.", "was_stopped": True}, "failed", "Mail is down."),
        ],
        ids=["all", "failed", "parked", "stopped", "given up"],
    )
    def test_is_told(self, monkeypatch, counts, ending, message):
        monkeypatch.setattr(named, "send_notices", lambda **_: send_report(**counts))

        outcome = run_job(JobName.SENDING, as_of=MARCH, trigger="http")

        assert (outcome.job, outcome.ending, outcome.message) == (JobName.SENDING, ending, message)
        assert outcome.run_id is None
