"""credits.admin.running: a job is forecast, confirmed, started once and watched."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from credits.admin import starting
from credits.jobs import detached
from credits.models import CreditTransaction, JobRun
from homezy.models import User, Verification
from tests.books import all_tables
from tests.factories import APRIL, make_lot_holders, make_professional, make_run, make_user
from tests.processes import database_url
from tests.waiting import waiting_until

pytestmark = pytest.mark.django_db

JOBS = ["reset_monthly_credits", "expire_credits"]
RESET = reverse("admin:credits_jobrun_run", args=["reset_monthly_credits"])
EXPIRY = reverse("admin:credits_jobrun_run", args=["expire_credits"])
TOKEN = "0a1b2c3d"


def broken_rule() -> None:
    raise KeyError("no such flag")


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of what processes say, empty at first."""
    monkeypatch.setattr(detached.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were started; none of them runs."""
    words: list[list[str]] = []

    class Process:
        def wait(self) -> int:
            # Not over before the page has looked.
            time.sleep(3600)
            return 0

    def spawn(command: list[str], *, stderr: int) -> Any:
        words.append(command)
        return Process()

    monkeypatch.setattr(detached, "spawn", spawn)
    return words


def login_with(client: Client, *codenames: str) -> None:
    clerk = make_user(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)


class TestPermission:
    @pytest.mark.parametrize("codenames", [[], ["view_jobrun"], ["run_credit_jobs"]])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_needed_for_every_page(
        self, client: Client, started: list[Any], codenames: list[str], method: str
    ):
        login_with(client, *codenames)
        waiting = reverse("admin:credits_jobrun_started", args=["expire_credits", TOKEN])

        for url in [RESET, EXPIRY, waiting]:
            answer = getattr(client, method)(url, {"step": "start", "token": TOKEN})
            assert answer.status_code == 403
        assert started == []

    @pytest.mark.parametrize("url", [RESET, EXPIRY])
    def test_of_both_kinds_is_enough(self, client: Client, url: str):
        login_with(client, "view_jobrun", "run_credit_jobs")

        assert client.get(url).status_code == 200

    def test_comes_with_a_token_of_the_form(self, started: list[Any]):
        client = Client(enforce_csrf_checks=True)
        login_with(client, "view_jobrun", "run_credit_jobs")

        assert client.post(EXPIRY, {"step": "start", "token": TOKEN}).status_code == 403
        assert started == []

    def test_starts_no_other_command(self, operator: Client, started: list[Any]):
        for job in ["flush", "migrate", "verify_credits"]:
            url = reverse("admin:credits_jobrun_run", args=[job])
            assert operator.post(url, {"step": "start", "token": TOKEN}).status_code == 404
        assert started == []


class TestDryRun:
    def test_shows_what_would_happen_and_writes_nothing(self, operator: Client):
        holders = make_lot_holders(12, lots=(10,), expires_at=APRIL)
        before = all_tables()

        page = operator.post(EXPIRY, {"step": "dry"})

        forecast = page.context["forecast"]
        assert (forecast["found"], forecast["changes"]) == ("12", "12")
        assert "−120" in forecast["net"]
        assert len(forecast["largest"]) == 10
        assert forecast["largest"][0]["name"] in {str(holder) for holder in holders}
        assert all_tables() == before
        assert "Dry run: nothing was written" in page.content.decode()

    def test_counts_whom_the_run_could_not_do(self, operator: Client, settings: Any):
        plan = "tests.plans.none_for_basic"
        settings.CREDITS = {**settings.CREDITS, "MONTHLY_FREE_CREDITS": plan}
        make_professional(verification=Verification.BASIC)
        make_professional(verification=Verification.BASIC)

        page = operator.post(RESET, {"step": "dry"}).content.decode()

        assert "<dt>Would fail</dt><dd>2</dd>" in page
        assert "There is nothing to do." not in page

    def test_is_silent_about_failures_where_there_are_none(self, operator: Client):
        page = operator.post(RESET, {"step": "dry"}).content.decode()

        assert "Would fail" not in page
        assert "There is nothing to do." in page

    def test_looks_at_one_professional(self, operator: Client):
        one, _other = make_lot_holders(2, expires_at=APRIL)

        page = operator.post(EXPIRY, {"step": "dry", "professional": one.email})

        assert page.context["forecast"]["found"] == "1"

    @pytest.mark.parametrize("text", ["405", "x@y", "<b>"])
    def test_says_when_there_is_no_such_professional(self, operator: Client, text: str):
        page = operator.post(EXPIRY, {"step": "dry", "professional": text})

        assert page.context["forecast"] is None
        assert "There is no user" in page.content.decode()
        assert "“<b>”" not in page.content.decode()

    def test_says_when_the_hosts_rule_breaks(
        self, operator: Client, settings: Any, caplog: pytest.LogCaptureFixture
    ):
        rule = f"{__name__}.broken_rule"
        settings.CREDITS = {**settings.CREDITS, "ELIGIBLE_PROFESSIONALS": rule}

        page = operator.post(RESET, {"step": "dry"})

        assert page.context["problem"].endswith("could not be found out: KeyError: 'no such flag'")
        assert "forecast failed job=reset_monthly_credits" in caplog.text

    def test_says_when_nobody_is_eligible_by_rule(self, operator: Client, settings: Any):
        settings.CREDITS = {**settings.CREDITS, "ELIGIBLE_PROFESSIONALS": ""}

        page = operator.post(RESET, {"step": "dry"})

        assert "ELIGIBLE_PROFESSIONALS" in page.context["problem"]

    def test_keeps_names_text(self, operator: Client):
        aisha = make_professional(business_name="<script>alert(1)</script>")

        page = operator.post(RESET, {"step": "dry", "professional": aisha.pk}).content.decode()

        assert "<script>alert" not in page

    @pytest.mark.parametrize("url", [RESET, EXPIRY])
    def test_needs_a_post(self, operator: Client, url: str):
        assert operator.get(url, {"step": "dry"}).context["forecast"] is None


class TestRunNow:
    def confirmed(self, client: Client, url: str = EXPIRY, **data: Any) -> Any:
        return client.post(url, {"step": "start", "token": TOKEN, "of": 3, **data})

    def test_asks_first(self, operator: Client, started: list[Any]):
        make_lot_holders(3, expires_at=APRIL)

        page = operator.post(EXPIRY, {"step": "confirm"})

        assert started == []
        assert page.context["is_confirming"]
        assert 'name="of" value="3"' in page.content.decode()
        assert detached.is_token(page.context["token"])

    def test_starts_the_command_and_waits_for_its_run(
        self, operator: Client, started: list[list[str]]
    ):
        answer = self.confirmed(operator)

        user = User.objects.get()
        assert started == [
            ["expire_credits", f"--trigger=admin:{user.pk}:{TOKEN}", "--verbosity=0"]
        ]
        waiting = reverse("admin:credits_jobrun_started", args=["expire_credits", TOKEN])
        assert answer.url.startswith(f"{waiting}?of=3&begun=")
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_repr) == (user, "expire_credits")
        assert entry.change_message == f"run now: expire_credits, trigger admin:{user.pk}:{TOKEN}"
        page = operator.get(answer.url).content.decode()
        assert "The process is starting" in page
        assert "data-poll=" in page

    def test_names_one_professional_by_id(self, operator: Client, started: list[list[str]]):
        aisha = make_professional(email="aisha@example.com")

        self.confirmed(operator, professional="aisha@example.com")

        assert started[0][-1] == f"--professional={aisha.pk}"

    def test_starts_once_for_one_form(self, operator: Client, started: list[list[str]]):
        first, second = self.confirmed(operator), self.confirmed(operator)

        assert LogEntry.objects.count() == 1

        assert len(started) == 1
        assert first.url.partition("?")[0] == second.url.partition("?")[0]

    def test_starts_nothing_for_a_form_whose_run_is_over(
        self, operator: Client, started: list[list[str]]
    ):
        run = make_run(
            job=JobRun.Job.EXPIRY, trigger=starting.trigger_of(User.objects.get().pk, TOKEN)
        )

        answer = operator.get(self.confirmed(operator).url)

        assert started == []
        assert answer.url.startswith(reverse("admin:credits_jobrun_change", args=[run.pk]))

    @pytest.mark.parametrize("step", ["confirm", "start"])
    def test_says_when_another_is_active(
        self, operator: Client, started: list[list[str]], step: str
    ):
        run = make_run(
            job=JobRun.Job.EXPIRY, status=JobRun.Status.RUNNING, heartbeat_at=timezone.now()
        )

        page = operator.post(EXPIRY, {"step": step, "token": TOKEN})

        assert page.context["problem"].startswith(f"Run {run.pk} of this job is active on")
        assert started == []

    @pytest.mark.parametrize("token", ["", "../../x", "0A1B2C3D", "0a1b2c3d0"])
    def test_takes_no_other_token(self, operator: Client, started: list[Any], token: str):
        answer = operator.post(EXPIRY, {"step": "start", "token": token})

        assert answer.status_code == 403
        assert started == []

    def test_needs_a_post(self, operator: Client, started: list[Any]):
        operator.get(EXPIRY, {"step": "start", "token": TOKEN})

        assert started == []


class TestWaiting:
    URL = reverse("admin:credits_jobrun_started", args=["expire_credits", TOKEN])

    def test_goes_on_to_the_run(self, operator: Client):
        trigger = starting.trigger_of(User.objects.get().pk, TOKEN)
        run = make_run(job=JobRun.Job.EXPIRY, status=JobRun.Status.RUNNING, trigger=trigger)
        target = f"{reverse('admin:credits_jobrun_change', args=[run.pk])}?of=7"

        assert operator.get(self.URL, {"of": 7}).url == target
        piece = operator.get(self.URL, {"of": 7, "fragment": 1}).content.decode()
        assert f'data-finished="{target}"' in piece

    def test_finds_no_run_of_somebody_else(self, operator: Client):
        make_run(job=JobRun.Job.EXPIRY, trigger=starting.trigger_of(make_user().pk, TOKEN))

        assert operator.get(self.URL).status_code == 200

    def test_gives_up_after_a_while(self, operator: Client):
        page = operator.get(self.URL, {"begun": "1"}).content.decode()

        assert "No run has begun within a minute." in page
        assert "data-poll" not in page

    def test_tells_the_last_words_of_a_process_that_died(
        self, operator: Client, monkeypatch: pytest.MonkeyPatch
    ):
        def spawn(words: list[str], *, stderr: int) -> subprocess.Popen[bytes]:
            script = "import sys; sys.exit('Warning: old\\nCommandError: <b>No</b> database.')"
            return subprocess.Popen([sys.executable, "-c", script], stderr=stderr)

        monkeypatch.setattr(detached, "spawn", spawn)
        operator.post(EXPIRY, {"step": "start", "token": TOKEN})
        for _ in waiting_until(lambda: detached.last_words(TOKEN) is not None):
            pass

        page = operator.get(self.URL).content.decode()

        assert "The run did not begin:" in page
        assert "&lt;b&gt;No&lt;/b&gt; database." in page
        assert "CommandError" not in page

    def test_tells_why_no_process_could_be_started(
        self, operator: Client, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(detached, "_python", lambda: "/nowhere/python")

        operator.post(EXPIRY, {"step": "start", "token": TOKEN})

        assert "No such file or directory" in operator.get(self.URL).content.decode()


class TestTrigger:
    def test_fits_its_column_and_names_the_user(self, monkeypatch: pytest.MonkeyPatch):
        trigger = starting.trigger_of(2**31 - 1, TOKEN)

        assert len(trigger) <= 32
        assert starting.actor_key(trigger) == 2**31 - 1

    def test_shortens_a_uuid(self):
        trigger = starting.trigger_of(UUID(int=2**128 - 1), TOKEN)

        assert len(trigger) == 32

    @pytest.mark.parametrize("trigger", ["command", "cron", "admin", "admin::x", "admin:x:y"])
    def test_of_others_names_nobody(self, trigger: str):
        assert starting.actor_key(trigger) is None


class TestInEarnest:
    @pytest.mark.django_db(transaction=True)
    def test_a_click_runs_the_job_in_a_process_that_names_who_clicked(
        self, operator: Client, monkeypatch: pytest.MonkeyPatch, own_directory: Path
    ):
        holders = make_lot_holders(3, expires_at=APRIL)
        monkeypatch.setenv("DATABASE_URL", database_url())
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings.testing")
        token = operator.post(EXPIRY, {"step": "confirm"}).context["token"]

        answer = operator.post(EXPIRY, {"step": "start", "token": token, "of": 3})
        runs = JobRun.objects.exclude(status=JobRun.Status.RUNNING)
        for _ in waiting_until(runs.exists):
            assert detached.last_words(token) is None

        run = runs.get()
        assert run.status == JobRun.Status.SUCCEEDED
        assert CreditTransaction.objects.filter(run=run).count() == len(holders)
        page = operator.get(answer.url, follow=True).content.decode()
        assert "by operator@example.com in the admin" in page
        # The process's own file goes with it.
        for _ in waiting_until(lambda: not list(own_directory.iterdir())):
            pass
