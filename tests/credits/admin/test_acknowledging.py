"""credits.admin.acknowledging: somebody takes note of a missed month, and nothing tells of it."""

from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from credits.jobs.passing import acknowledge_missed
from credits.models import JobRun
from tests.factories import MARCH, make_run, make_user

pytestmark = pytest.mark.django_db

DASHBOARD = reverse("admin:app_list", args=["credits"])
MISSED = "did not happen for 2026-02"


@pytest.fixture
def operator(clock, operator: Client) -> Client:
    clock(MARCH)
    return operator


@pytest.fixture
def missed() -> JobRun:
    return make_run(status="missed", period="2026-02", error_summary="The month passed.")


def address(run: JobRun) -> str:
    return reverse("admin:credits_jobrun_acknowledge", args=[run.pk])


def text(answer) -> str:
    return unescape(answer.content.decode())


class TestAcknowledging:
    def test_asks_why_keeps_who_and_ends_the_banner(self, operator: Client, missed: JobRun):
        before = text(operator.get(DASHBOARD))
        form = text(operator.get(address(missed)))
        reason = {"reason": " We opened  on the <1st> "}
        answer = text(operator.post(address(missed), reason, follow=True))
        after = text(operator.get(DASHBOARD))

        missed.refresh_from_db()
        assert MISSED in before
        assert address(missed) in before
        assert "Acknowledge: 2026-02 was missed" in form
        assert "2026-02 is acknowledged" in answer
        assert MISSED not in after
        assert (missed.status, missed.acknowledged_at) == ("missed", MARCH)
        assert missed.error_summary == ("The month passed. Acknowledged: We opened on the <1st>")
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.user.email) == (str(missed.pk), "operator@example.com")
        assert entry.change_message == "Acknowledged: We opened on the <1st>"

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
    def test_wants_a_reason(self, operator: Client, missed: JobRun, reason: str):
        answer = operator.post(address(missed), {"reason": reason})

        missed.refresh_from_db()
        assert "errorlist" in text(answer)
        assert missed.acknowledged_at is None

    def test_is_offered_on_the_page_of_a_missed_month_until_it_is_done(
        self, operator: Client, missed: JobRun
    ):
        page = reverse("admin:credits_jobrun_change", args=[missed.pk])

        before = text(operator.get(page))
        acknowledge_missed(missed.pk, reason="Known", at=MARCH)
        after = text(operator.get(page))

        assert address(missed) in before
        assert address(missed) not in after
        assert "<dt>Acknowledged</dt>" in after

    @pytest.mark.parametrize("status", ["failed", "skipped", "succeeded"])
    def test_is_for_missed_months_alone(self, operator: Client, status: str):
        run = make_run(status=status, period="2026-02")

        answer = operator.post(address(run), {"reason": "Known"}, follow=True)

        run.refresh_from_db()
        assert "There is nothing to acknowledge." in text(answer)
        assert run.acknowledged_at is None

    def test_knows_no_other_run(self, operator: Client):
        url = reverse("admin:credits_jobrun_acknowledge", args=[405])

        assert operator.get(url).status_code == 404

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_for_who_may_run_jobs(self, client: Client, clock, missed: JobRun, method: str):
        clock(MARCH)
        clerk = make_user(is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(codename="view_jobrun"))
        client.force_login(clerk)

        answer = getattr(client, method)(address(missed), {"reason": "Known"})

        assert answer.status_code == 403
        assert address(missed) not in text(client.get(DASHBOARD))
