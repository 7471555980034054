"""credits.triggering.views: start a job by a request, and ask what became of it."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from credits.jobs import detached
from credits.jobs.named import JobName
from credits.models import JobRun
from credits.triggering import starting
from tests.credits.triggering.conftest import SECRET, Sign
from tests.factories import make_lot_holders, make_run
from tests.google_issuer import ACCOUNT, AUDIENCE
from tests.processes import database_url
from tests.waiting import waiting_until

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_for_all")]

JOB = JobName.EXPIRY.value
TRIGGER = reverse("credits:trigger", args=[JOB])
STATUS = reverse("credits:job", args=[JOB])
ADDRESSES = [("post", TRIGGER), ("get", STATUS)]


@pytest.fixture
def stranger() -> Client:
    """A scheduler: no cookie, no session."""
    return Client(enforce_csrf_checks=True)


class TestDoor:
    @pytest.mark.parametrize(("method", "address"), ADDRESSES)
    @pytest.mark.parametrize("secret", ["", SECRET[:31]], ids=["no secret", "a short one"])
    def test_is_not_there_without_a_key(
        self, stranger: Client, sign: Sign, settings: Any, method: str, address: str, secret: str
    ):
        settings.CREDITS = settings.CREDITS | {"TRIGGER_SECRET": secret}

        answer = getattr(stranger, method)(address, headers=sign(JOB, method.upper()))

        assert answer.status_code == 404
        assert "WWW-Authenticate" not in answer

    @pytest.mark.parametrize("job", [JOB, "no_such_job", "flush"])
    @pytest.mark.parametrize(
        "header", [None, "", "Bearer", "Bearer x", f"Bearer {SECRET}", "Basic Y3JlZGl0czp4"]
    )
    def test_tells_a_stranger_nothing(
        self, stranger: Client, started: list[Any], job: str, header: str | None
    ):
        headers = {} if header is None else {"Authorization": header}

        answers = [
            stranger.post(reverse("credits:trigger", args=[job]), headers=headers),
            stranger.get(reverse("credits:job", args=[job]), headers=headers),
        ]

        for answer in answers:
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"] == 'Bearer realm="credits"'
            assert answer.json() == {"error": "A key is asked for."}
        assert started == []

    def test_refuses_a_key_of_ten_minutes_ago(
        self, stranger: Client, sign: Sign, started: list[Any]
    ):
        old = timezone.now() - timedelta(minutes=10)

        assert stranger.post(TRIGGER, headers=sign(JOB, at=old)).status_code == 401
        assert started == []

    @pytest.mark.parametrize(
        ("method", "address", "allowed"),
        [
            ("get", TRIGGER, "POST"),
            ("put", TRIGGER, "POST"),
            ("delete", TRIGGER, "POST"),
            ("post", STATUS, "GET"),
        ],
    )
    def test_takes_one_method(self, stranger: Client, method: str, address: str, allowed: str):
        answer = getattr(stranger, method)(address)

        assert (answer.status_code, answer["Allow"]) == (405, allowed)

    @pytest.mark.parametrize("job", ["no_such_job", "flush", JobName.RESET.value])
    def test_knows_no_job_that_is_not_on_the_list(
        self, stranger: Client, sign: Sign, started: list[Any], settings: Any, job: str
    ):
        settings.CREDITS = settings.CREDITS | {"TRIGGER_JOBS": [JOB, "flush"]}

        answer = stranger.post(reverse("credits:trigger", args=[job]), headers=sign(job))

        assert answer.status_code == 404
        assert "TRIGGER_JOBS" in answer.json()["error"]
        assert started == []

    def test_opens_to_what_is_due_alone_unless_told_otherwise(
        self, stranger: Client, sign: Sign, settings: Any
    ):
        del settings.CREDITS["TRIGGER_JOBS"]
        settings.CREDITS = dict(settings.CREDITS)

        assert stranger.post(TRIGGER, headers=sign(JOB)).status_code == 404

    def test_takes_no_long_body(self, stranger: Client, sign: Sign, started: list[Any]):
        answer = stranger.post(TRIGGER, {"x": "y" * 5_000}, headers=sign(JOB))

        assert answer.status_code == 413
        assert started == []

    def test_opens_where_all_else_asks_for_a_login(
        self, stranger: Client, sign: Sign, started: list[Any], settings: Any
    ):
        login = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, login]

        assert stranger.post(TRIGGER, headers=sign(JOB)).status_code == 202
        assert stranger.get(STATUS, headers=sign(JOB, "GET")).status_code == 200

    def test_takes_a_token_of_google(
        self,
        stranger: Client,
        started: list[list[str]],
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
    ):
        settings.CREDITS = settings.CREDITS | {
            "TRIGGER_SECRET": "",
            "TRIGGER_GOOGLE_AUDIENCE": AUDIENCE,
            "TRIGGER_GOOGLE_ACCOUNT": ACCOUNT,
        }
        monkeypatch.setattr("credits.triggering.google.is_from_google", "a.b.c".__eq__)

        answer = stranger.post(TRIGGER, headers={"Authorization": "Bearer a.b.c"})

        assert answer.status_code == 202
        assert started[0][1].startswith("--trigger=google:")

    def test_keeps_keys_out_of_caches_and_logs(
        self, stranger: Client, sign: Sign, started: list[Any], caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.DEBUG)
        key = sign(JOB)

        answers = [stranger.post(TRIGGER, headers=key) for _ in range(2)]
        refused = stranger.post(reverse("credits:trigger", args=["flush"]), headers=key)

        assert [answer.status_code for answer in [*answers, refused]] == [202, 429, 401]
        assert all("no-store" in answer["Cache-Control"] for answer in answers)
        assert key["Authorization"].partition(" ")[2] not in caplog.text


class TestTrigger:
    @pytest.mark.parametrize("job", list(JobName))
    def test_starts_each_job_and_says_where_to_ask(
        self, stranger: Client, sign: Sign, started: list[list[str]], job: str
    ):
        answer = stranger.post(reverse("credits:trigger", args=[job]), headers=sign(job))

        content = answer.json()
        assert answer.status_code == 202
        assert content["job"] == job
        assert content["trigger"].startswith("http:")
        assert answer["Location"] == content["status"] == reverse("credits:job", args=[job])
        assert started == [[job, *starting.options_of(JobName(job), content["trigger"])]]

    def test_is_refused_a_second_time_within_moments(
        self, stranger: Client, sign: Sign, started: list[Any]
    ):
        first, second = (stranger.post(TRIGGER, headers=sign(JOB)) for _ in range(2))

        assert (first.status_code, second.status_code) == (202, 429)
        assert 28 <= int(second["Retry-After"]) <= 30
        assert len(started) == 1

    def test_is_refused_while_a_run_is_active(
        self, stranger: Client, sign: Sign, started: list[Any]
    ):
        run = make_run(
            job=JobRun.Job.EXPIRY,
            status=JobRun.Status.RUNNING,
            heartbeat_at=timezone.now(),
        )

        answer = stranger.post(TRIGGER, headers=sign(JOB))

        assert answer.status_code == 409
        assert answer.json()["run"] == run.pk
        assert answer.json()["error"].startswith(f"Run {run.pk} of {JOB} is active on web-1")
        assert started == []

    def test_says_that_no_process_could_be_started(
        self, stranger: Client, sign: Sign, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ):
        monkeypatch.setattr(detached.tempfile, "gettempdir", lambda: str(tmp_path))
        monkeypatch.setattr(detached, "_python", lambda: "/nowhere/python")

        answer = stranger.post(TRIGGER, headers=sign(JOB))

        assert answer.status_code == 503
        assert "/nowhere/python" in answer.json()["error"]


class TestJob:
    def test_tells_of_a_job_that_was_never_started(self, stranger: Client, sign: Sign):
        answer = stranger.get(STATUS, headers=sign(JOB, "GET"))

        assert answer.json() == {"job": JOB, "start": None, "problem": None, "runs": []}

    def test_tells_of_the_start_and_of_the_runs_it_led_to(
        self, stranger: Client, sign: Sign, started: list[Any]
    ):
        trigger = stranger.post(TRIGGER, headers=sign(JOB)).json()["trigger"]
        make_run(job=JobRun.Job.RESET, trigger="cron")
        by_it = make_run(job=JobRun.Job.RESET, trigger=trigger)
        own = make_run(job=JobRun.Job.EXPIRY, trigger="cron", credits_expired=12)

        content = stranger.get(STATUS, headers=sign(JOB, "GET")).json()

        assert content["start"]["trigger"] == trigger
        assert [run["id"] for run in content["runs"]] == [own.pk, by_it.pk]
        assert content["runs"][0]["status"] == "succeeded"
        assert content["runs"][0]["credits_expired"] == 12


class TestInEarnest:
    @pytest.mark.django_db(transaction=True)
    def test_a_request_runs_the_job_in_a_process_that_outlives_it(
        self, stranger: Client, sign: Sign, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ):
        make_lot_holders(3, expires_at=timezone.now() - timedelta(days=1))
        monkeypatch.setattr(detached.tempfile, "gettempdir", lambda: str(tmp_path))
        monkeypatch.setenv("DATABASE_URL", database_url())
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings.testing")

        trigger = stranger.post(TRIGGER, headers=sign(JOB)).json()["trigger"]

        def runs() -> list[dict[str, Any]]:
            content = stranger.get(STATUS, headers=sign(JOB, "GET")).json()
            assert content["problem"] is None
            return [run for run in content["runs"] if run["finished_at"]]

        for _ in waiting_until(runs):
            pass
        (run,) = runs()
        assert (run["trigger"], run["status"], run["succeeded"]) == (trigger, "succeeded", 3)
        # The process's own file goes with it.
        for _ in waiting_until(lambda: not list(tmp_path.iterdir())):
            pass
