"""credits.admin.pausing: a job is paused for a reason, shown loudly, and resumed."""

from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from credits.jobs.pausing import pause_job, pause_of
from credits.models import JobPause, JobRun
from tests.factories import MARCH, make_user

pytestmark = pytest.mark.django_db

RUNS = reverse("admin:credits_jobrun_changelist")
DASHBOARD = reverse("admin:app_list", args=["credits"])
PAUSE = reverse("admin:credits_jobrun_pause", args=["send_credit_notices"])
SENDING = JobPause.Job.SENDING


@pytest.fixture
def operator(clock, operator: Client) -> Client:
    clock(MARCH)
    return operator


@pytest.fixture
def paused() -> JobPause:
    aisha = make_user(email="aisha@example.com")
    return pause_job(SENDING, reason="Wrong <b>links</b>", actor_id=aisha.pk, at=MARCH)


def text(answer) -> str:
    return unescape(answer.content.decode())


class TestPausing:
    def test_asks_why_and_keeps_who(self, operator: Client):
        form = operator.get(PAUSE)
        answer = operator.post(PAUSE, {"act": "pause", "reason": " Wrong  links "}, follow=True)

        pause = JobPause.objects.get()
        assert "Pause: sending of notices" in text(form)
        assert answer.redirect_chain == [(RUNS, 302)]
        assert "Sending of notices is paused." in text(answer)
        assert (pause.job, pause.reason, pause.paused_at) == (SENDING, "Wrong links", MARCH)
        assert pause.paused_by.email == "operator@example.com"
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.change_message) == (str(pause.pk), "Paused: Wrong links")

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
    def test_wants_a_reason(self, operator: Client, reason: str):
        answer = operator.post(PAUSE, {"act": "pause", "reason": reason})

        assert answer.status_code == 200
        assert "errorlist" in text(answer)
        assert not JobPause.objects.exists()

    def test_says_that_somebody_else_was_faster(self, operator: Client, paused: JobPause):
        answer = operator.post(PAUSE, {"act": "pause", "reason": "Mine"})

        assert "Somebody else has paused it meanwhile" in text(answer)
        assert "Resume it now" in text(answer)
        assert JobPause.objects.get() == paused

    def test_knows_no_other_jobs(self, operator: Client):
        url = reverse("admin:credits_jobrun_pause", args=["everything"])

        assert operator.get(url).status_code == 404


class TestResuming:
    def test_ends_the_pause_and_keeps_who(self, operator: Client, paused: JobPause):
        page = operator.get(PAUSE)
        answer = operator.post(PAUSE, {"act": "resume"}, follow=True)

        paused.refresh_from_db()
        assert "Sending of notices is paused by aisha@example.com since" in text(page)
        assert "Sending of notices is resumed" in text(answer)
        assert paused.resumed_by.email == "operator@example.com"
        assert LogEntry.objects.get().change_message == "Resumed."

    def test_says_that_it_was_resumed_before(self, operator: Client):
        answer = operator.post(PAUSE, {"act": "resume"}, follow=True)

        assert "It was not paused any more." in text(answer)


class TestAPausedJob:
    @pytest.mark.parametrize("url", [RUNS, DASHBOARD])
    def test_is_shown_with_who_and_why(self, operator: Client, paused: JobPause, url: str):
        html = operator.get(url).content.decode()

        assert "Sending of notices is paused by" in html
        assert "Wrong &lt;b&gt;links&lt;/b&gt;" in html
        assert f'href="{PAUSE}"' in html

    def test_is_not_offered_to_who_may_only_look(self, client: Client, paused: JobPause):
        clerk = make_user(is_staff=True)
        clerk.user_permissions.add(Permission.objects.get(codename="view_jobrun"))
        client.force_login(clerk)

        for url in (RUNS, DASHBOARD):
            html = client.get(url).content.decode()
            assert "Sending of notices is paused by" in html
            assert PAUSE not in html
        assert client.post(PAUSE, {"act": "resume"}).status_code == 403
        assert pause_of(SENDING) is not None

    def test_cannot_be_run_now(self, operator: Client):
        pause_job(JobPause.Job.RESET, reason="Later", actor_id=make_user().pk, at=MARCH)
        run = reverse("admin:credits_jobrun_run", args=["reset_monthly_credits"])

        refused = operator.post(run, {"step": "confirm"})
        dry = operator.post(run, {"step": "dry"})

        assert "reset_monthly_credits is paused by" in text(refused)
        assert "Dry run: nothing was written" in text(dry)
        assert f'href="{run}"' not in operator.get(RUNS).content.decode()

    def test_stands_in_a_list_with_the_pauses_before(self, operator: Client, paused: JobPause):
        html = text(operator.get(reverse("admin:credits_jobpause_changelist")))

        assert "aisha@example.com" in html

    def test_is_a_banner_beside_a_missed_month(self, operator: Client):
        JobRun.objects.create(
            job=JobRun.Job.RESET,
            period="2026-02",
            status="missed",
            as_of=MARCH,
            started_at=MARCH,
            heartbeat_at=MARCH,
            finished_at=MARCH,
            process_id=1,
        )

        html = text(operator.get(DASHBOARD))

        assert "did not happen for 2026-02, and that month has passed." in html
        assert "A reset is not back-filled: nothing mends it." in html
