"""deploy/gcp: Cloud Scheduler sends a request to a function, or to the site."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import flask
import pytest
from django.utils import timezone

from credits.jobs.named import Ending, JobName, Outcome
from credits.models import JobRun
from deploy.gcp import main
from settings import schedule
from tests.deploy.steps import follow
from tests.factories import make_lot_holders, make_run
from tests.google_issuer import ACCOUNT, AUDIENCE, Issuer, google_issuer, new_signer
from tests.processes import database_url

PRODUCTION = """\
DJANGO_ALLOWED_HOSTS: homezy.example
SITE_URL: https://homezy.example
EMAIL_SERVICE: smtp
DEFAULT_FROM_EMAIL: Homezy <credits@homezy.example>
"""

SECRETS = {
    "DATABASE_URL": "postgresql://credits:secret@db.example/credits",
    "DJANGO_SECRET_KEY": "correct-horse-battery-staple-0123456789-abcdefghijklmnop",
}

# Where a function asks for Google's certificates is Google's address, whatever its environment
# says: this alone turns it, in the process that the test starts.
TURNED = """\
from google.oauth2 import id_token

id_token._GOOGLE_OAUTH2_CERTS_URL = "{url}"
"""


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """What the README's steps make, and what they tell gcloud."""
    directory = tmp_path_factory.mktemp("gcp")
    (directory / "production.yaml").write_text(PRODUCTION)
    told = follow("deploy/gcp/README.md", directory, "gcloud", environment=SECRETS)
    return directory / "build", told


def options(words: list[str]) -> dict[str, str]:
    pairs = (word.removeprefix("--").partition("=") for word in words if word.startswith("--"))
    return {name: value for name, _, value in pairs}


class TestSteps:
    def test_schedule_each_job_at_cron_s_very_moments(self, steps: tuple[Path, list[list[str]]]):
        made = [
            words for words in steps[1] if words[1:5] == ["scheduler", "jobs", "create", "http"]
        ]

        assert [(words[5], options(words)["schedule"]) for words in made] == [
            (job[2][0], job[0]) for job in schedule.CRONJOBS
        ]
        for words in made:
            told = options(words)
            assert json.loads(told["message-body"]) == {"job": JobName(words[5])}
            assert told["time-zone"] == "Etc/UTC"
            assert told["http-method"] == "POST"
            assert told["uri"] == "told"
            assert int(told["max-retry-attempts"]) > 0

    def test_sign_for_what_the_function_looks_for(self, steps: tuple[Path, list[list[str]]]):
        (deploy,) = [words for words in steps[1] if words[1:3] == ["functions", "deploy"]]
        one, *_ = [
            words for words in steps[1] if words[1:5] == ["scheduler", "jobs", "create", "http"]
        ]

        variables = variables_of(steps[0])
        assert options(one)["oidc-token-audience"] == variables["TRIGGER_GOOGLE_AUDIENCE"]
        assert options(one)["oidc-service-account-email"] == variables["TRIGGER_GOOGLE_ACCOUNT"]
        # Told in seconds and in minutes, one within the other.
        assert options(deploy)["timeout"] == "1740s"
        assert options(one)["attempt-deadline"] == "30m"
        assert int(variables["RUN_SECONDS"]) + 60 == 1740


def variables_of(directory: Path) -> dict[str, str]:
    lines = (directory / "gcp.yaml").read_text().splitlines()
    pairs = (line.partition(": ") for line in lines)
    return {name: value.strip("'") for name, _, value in pairs}


@dataclass(frozen=True)
class Function:
    """The function, served by the functions framework."""

    issuer: Issuer
    url: str

    def call(
        self, body: object, *, token: str | None = None, method: str = "POST"
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Send a request as Cloud Scheduler does; return status, content and headers."""
        request = Request(self.url, json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer), dict(answer.headers)
        except HTTPError as error:
            with error:
                return error.code, json.load(error), dict(error.headers)


@pytest.fixture(scope="module")
def function(
    steps: tuple[Path, list[list[str]]],
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
) -> Iterator[Function]:
    """The functions framework with what the steps made, and no variable but theirs."""
    environment = variables_of(steps[0]) | SECRETS | {"DATABASE_URL": database_url()}
    environment |= {"TRIGGER_GOOGLE_AUDIENCE": AUDIENCE, "TRIGGER_GOOGLE_ACCOUNT": ACCOUNT}
    turned = tmp_path_factory.mktemp("turned")
    with google_issuer() as issuer:
        (turned / "sitecustomize.py").write_text(TURNED.format(url=issuer.certificates_url))
        port = free_port()
        framework = subprocess.Popen(
            [
                Path(sys.executable).with_name("functions-framework"),
                "--target=run",
                "--host=127.0.0.1",
                f"--port={port}",
            ],
            cwd=steps[0] / "gcp",
            env=environment
            | {"PYTHONPATH": str(turned), "PATH": "/usr/bin:/bin", "HOME": str(turned)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_for(framework, port)
            yield Function(issuer, f"http://127.0.0.1:{port}/")
        finally:
            framework.terminate()
            framework.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def wait_for(process: "subprocess.Popen[str]", port: int) -> None:
    """Wait until somebody listens; fail after a minute, or when the process ends."""
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, "The functions framework does not listen."
            time.sleep(0.05)
        else:
            return


@pytest.mark.django_db(transaction=True)
class TestFunction:
    def test_does_the_job_for_our_scheduler(self, function: Function):
        make_lot_holders(3, expires_at=timezone.now() - timedelta(days=1))

        status, content, _ = function.call({"job": "expire_credits"}, token=function.issuer.token())

        run = JobRun.objects.get()
        assert (status, content["ending"], content["run"]) == (200, "succeeded", run.pk)
        assert (run.success_count, run.trigger) == (3, "google")

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "https://elsewhere.example"},
            {"email": "somebody@homezy.iam.gserviceaccount.com"},
            {"iss": "https://accounts.example.com"},
            {"email_verified": False},
            {"exp": 1_700_000_000, "iat": 1_699_999_000},
            {"signer": new_signer("forger")},
        ],
        ids=["audience", "account", "issuer", "unverified", "run out", "forged"],
    )
    def test_does_nothing_for_others(self, function: Function, claims: dict[str, Any]):
        token = function.issuer.token(**claims)

        status, content, headers = function.call({"job": "expire_credits"}, token=token)

        assert (status, content) == (401, {"error": "A key is asked for."})
        assert headers["WWW-Authenticate"] == 'Bearer realm="credits"'
        assert not JobRun.objects.exists()

    def test_does_nothing_for_strangers(self, function: Function):
        assert function.call({"job": "expire_credits"})[0] == 401
        assert not JobRun.objects.exists()

    @pytest.mark.parametrize(
        "body", [{}, [], "expire_credits", {"job": "flush"}, {"job": []}], ids=str
    )
    def test_says_what_to_send(self, function: Function, body: object):
        status, content, _ = function.call(body, token=function.issuer.token())

        assert status == 400
        assert content["error"].startswith('Send {"job": "NAME"}, where NAME is reset_')

    def test_takes_no_other_method(self, function: Function):
        status, _, headers = function.call({}, token=function.issuer.token(), method="PUT")

        assert (status, headers["Allow"]) == (405, "POST")

    def test_is_content_where_another_run_is_at_work(self, function: Function):
        active = make_run(
            job=JobRun.Job.EXPIRY,
            status=JobRun.Status.RUNNING,
            heartbeat_at=timezone.now(),
            host="elsewhere",
        )

        status, content, _ = function.call({"job": "expire_credits"}, token=function.issuer.token())

        assert (status, content["ending"], content["run"]) == (200, "already_active", active.pk)


@pytest.mark.django_db(transaction=True)
class TestRun:
    """The same function in this process."""

    @pytest.fixture(autouse=True)
    def open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(main, "is_from_google", "token".__eq__)

    def ask(self, job: str) -> tuple[dict[str, Any], int, dict[str, str]]:
        headers = {"Authorization": "Bearer token"}
        return main.run(
            flask.Request.from_values(method="POST", json={"job": job}, headers=headers)
        )

    def test_stops_in_time_and_the_next_call_goes_on(self, monkeypatch: pytest.MonkeyPatch):
        make_lot_holders(3, expires_at=timezone.now() - timedelta(days=1))
        monkeypatch.setattr(main, "RUN_SECONDS", -1)

        content, status, _ = self.ask("expire_credits")
        monkeypatch.setattr(main, "RUN_SECONDS", 240)
        again, status_again, _ = self.ask("expire_credits")

        assert (status, content["ending"]) == (500, "interrupted")
        assert (status_again, again["ending"]) == (200, "succeeded")
        assert "succeeded 3" in again["message"]

    @pytest.mark.parametrize("ending", Ending)
    def test_asks_to_be_called_again_while_something_is_left(
        self, monkeypatch: pytest.MonkeyPatch, ending: Ending
    ):
        job = JobName.SENDING
        outcome = Outcome(job, ending, "A sentence.", 7)
        monkeypatch.setattr(main, "run_job", lambda name, **given: outcome)

        content, status, _ = self.ask(job)

        assert status == (500 if ending in {"partial", "interrupted", "failed"} else 200)
        assert content == {"job": job, "ending": ending, "message": "A sentence.", "run": 7}
