"""credits.admin.professional: the page of one professional."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.models import JobFailure, NoticeEvent, SuppressedAddress
from credits.notices.suppression import decline, suppress
from homezy.models import User
from tests.factories import (
    FEBRUARY,
    MARCH,
    buy,
    correct,
    make_notice,
    make_professional,
    make_run,
    make_user,
    use,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def aisha() -> User:
    """A professional with a row of every kind the page shows."""
    aisha = make_professional(
        free=30, paid=50, email="aisha@example.com", business_name="<i>Aisha</i>"
    )
    use(aisha, 40)
    notice = make_notice(aisha, reason="<b>550</b>")
    NoticeEvent.objects.create(
        notice=notice,
        event_id="event-1",
        event_type="bounced",
        description="<i>no such user</i>",
        occurred_at=MARCH,
    )
    run = make_run(status="partial", total_count=1, error_count=1)
    JobFailure.objects.create(run=run, professional=aisha, error="<script>alert(1)</script>")
    suppress(aisha.email, SuppressedAddress.Reason.BOUNCED, notice, MARCH)
    decline(professional_id=aisha.pk, kind="reset", at=MARCH)
    return aisha


def url_of(professional: User) -> str:
    return reverse("admin:credits_creditbalance_change", args=[professional.pk])


def page_of(client: Client, professional: User, **asked: str) -> str:
    page = client.get(url_of(professional), asked)
    assert page.status_code == 200
    return page.content.decode()


class TestPage:
    def test_shows_every_part(self, operator: Client, aisha: User):
        page = page_of(operator, aisha)

        for words in (
            "aisha@example.com",
            "verified",
            "Balance over time: now 40 credits.",
            "expired, waits to be written off",
            "−30",
            "bounced",
            "The address gets no mail: hard bounce.",
            "reset notice",
            "failed",
        ):
            assert words in page

    def test_keeps_what_people_and_services_said_a_text(self, operator: Client, aisha: User):
        page = page_of(operator, aisha)

        for text in ("<i>Aisha</i>", "<b>550</b>", "<i>no such user</i>", "<script>alert"):
            assert text not in page
        assert "&lt;i&gt;Aisha&lt;/i&gt;" in page

    def test_goes_on_with_older_transactions(self, operator: Client, aisha: User):
        for _ in range(51):
            correct(aisha, 1, "free", at=MARCH)

        first = operator.get(url_of(aisha))
        older = first.context["timeline"].older
        second = operator.get(url_of(aisha), {"before": str(older)})

        assert f"?before={older}#transactions" in first.content.decode()
        keys = [row.pk for row in second.context["timeline"].transactions]
        assert len(keys) == 5
        assert max(keys) < older

    def test_does_not_mind_a_key_that_is_none(self, operator: Client, aisha: User):
        assert page_of(operator, aisha, before="x")
        assert page_of(operator, aisha, before="٣")

    def test_asks_no_more_where_more_happened(self, operator: Client, aisha: User):
        page_of(operator, aisha)
        with CaptureQueriesContext(connection) as few:
            page_of(operator, aisha)
        for _ in range(10):
            buy(aisha, 5)
            make_notice(aisha)
            correct(aisha, 1, "free")

        with CaptureQueriesContext(connection) as many:
            page_of(operator, aisha)

        assert len(many) == len(few)

    def test_takes_no_post(self, operator: Client, aisha: User):
        assert operator.post(url_of(aisha), {"free_credits": 999}).status_code == 403

    def test_has_nothing_inline_that_a_strict_policy_forbids(self, operator: Client, aisha: User):
        page = page_of(operator, aisha)
        ours = page[page.index('<div class="credits"') :]

        assert " style=" not in ours
        assert " onclick" not in ours
        assert "<style" not in ours


class TestBalanceOnADate:
    def test_is_that_at_the_end_of_the_day(self, operator: Client, aisha: User):
        before = page_of(operator, aisha, on="2026-01-31")
        after = page_of(operator, aisha, on=FEBRUARY.date().isoformat())

        assert "<strong>80</strong> in all, 30 free and 50 paid." in before
        assert "<strong>40</strong> in all, 0 free and 40 paid." in after

    @pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "9999-12-31", "<b>", "0001-01-01"])
    def test_is_one_sentence_where_there_is_no_such_day(
        self, operator: Client, aisha: User, text: str
    ):
        page = operator.get(url_of(aisha), {"on": text})

        assert page.status_code == 200
        problem = page.context["on_problem"]
        assert problem.endswith("write it as 2026-11-30.") or text == "0001-01-01"
        assert "<b>" not in problem or "“&lt;b&gt;”" in page.content.decode()


class TestPermission:
    def test_is_that_of_each_part(self, client: Client, aisha: User):
        person = make_user(is_staff=True)
        person.user_permissions.add(Permission.objects.get(codename="view_creditbalance"))
        client.force_login(person)

        page = page_of(client, aisha)

        for words in ("Open lots", "Mails", "Runs", "/credittransaction/", "/grant/"):
            assert words not in page

    def test_is_needed(self, client: Client, aisha: User):
        client.force_login(make_user(is_staff=True))

        assert client.get(url_of(aisha)).status_code == 403
