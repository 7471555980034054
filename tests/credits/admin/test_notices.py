"""credits.admin.notices: what an operator sees and decides."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.models import Notice, NoticeEvent, NoticeOptOut, SuppressedAddress
from credits.notices.suppression import decline, suppress
from homezy.models import User
from tests.factories import MARCH, make_notice, make_professional, make_user

pytestmark = pytest.mark.django_db

Status = Notice.Status
LIST = reverse("admin:credits_notice_changelist")
MODELS = ["notice", "suppressedaddress", "noticeoptout"]


@pytest.fixture
def aisha() -> User:
    """A professional with a row of every kind the pages show."""
    aisha = make_professional(email="aisha@example.com")
    notice = make_notice(aisha, reason="<b>550</b>")
    NoticeEvent.objects.create(
        notice=notice,
        event_id="Postmark:bounced:1",
        event_type="bounced",
        description="<i>no such user</i>",
        occurred_at=MARCH,
    )
    suppress(aisha.email, SuppressedAddress.Reason.BOUNCED, notice, MARCH)
    decline(professional_id=aisha.pk, kind="reset", at=MARCH)
    return aisha


def ask(client: Client, action: str, *notices: Notice) -> HttpResponse:
    data = {"action": action, "_selected_action": [notice.pk for notice in notices]}
    return client.post(LIST, data, follow=True)


def act(client: Client, action: str, *notices: Notice) -> HttpResponse:
    data = {"action": action, "_selected_action": [notice.pk for notice in notices]}
    return client.post(LIST, data | {"confirmed": "yes"}, follow=True)


def said(response: HttpResponse) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def status_of(notice: Notice) -> str:
    notice.refresh_from_db()
    return notice.status


def login_with(client: Client, *codenames: str) -> None:
    clerk = make_user(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)


class TestLists:
    @pytest.mark.parametrize("model", MODELS)
    def test_ask_no_more_for_more_rows(self, operator: Client, aisha: User, model: str):
        url = reverse(f"admin:credits_{model}_changelist")
        assert operator.get(url).context["cl"].result_count == 1
        with CaptureQueriesContext(connection) as few:
            operator.get(url)
        for _ in range(10):
            other = make_professional()
            notice = make_notice(other)
            make_notice(kind=Notice.Kind.RUN_SUMMARY)
            suppress(other.email, SuppressedAddress.Reason.COMPLAINED, notice, MARCH)
            decline(professional_id=other.pk, kind="reset", at=MARCH)

        with CaptureQueriesContext(connection) as many:
            operator.get(url)

        assert len(many) == len(few)

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({}, ["b", "a", "c"]),
            ({"kind__exact": "reset"}, ["c", "b", "a"]),
            ({"status__exact": "sent"}, ["a", "c", "b"]),
            ({"status__exact": "sent", "kind__exact": "reset"}, ["c", "b", "a"]),
        ],
        ids=str,
    )
    def test_are_in_the_order_of_the_index_that_leads_to_them(
        self, operator: Client, asked: dict[str, str], expected: list[str]
    ):
        for name, created, attempted in (("c", 3, 2), ("a", 1, 3), ("b", 2, 1)):
            make_notice(
                address=name,
                kind=Notice.Kind.RESET,
                created_at=MARCH + timedelta(days=created),
                next_attempt_at=MARCH + timedelta(days=attempted),
            )

        listed = operator.get(LIST, asked).context["cl"].result_list

        assert [notice.address for notice in listed] == expected

    def test_show_whom_a_notice_is_for(self, operator: Client, aisha: User):
        make_notice(kind=Notice.Kind.RUN_SUMMARY, address="ops@example.com")

        page = operator.get(LIST).content.decode()

        assert "aisha@example.com" in page
        assert "ops@example.com" in page

    @pytest.mark.parametrize("address", ["Aisha@example.com", "former@example.com"])
    def test_find_a_notice_by_where_it_went_or_who_it_is_for(
        self, operator: Client, aisha: User, address: str
    ):
        Notice.objects.update(address="former@example.com")
        make_notice(make_professional())

        page = operator.get(LIST, {"q": address})

        assert [notice.professional for notice in page.context["cl"].result_list] == [aisha]

    def test_are_narrowed_by_kind_and_status(self, operator: Client, aisha: User):
        make_notice(kind=Notice.Kind.RUN_FAILURE, status=Status.FAILED)

        page = operator.get(LIST, {"kind__exact": "run_failure", "status__exact": "failed"})

        assert page.context["cl"].result_count == 1

    @pytest.mark.parametrize("model", ["suppressedaddress", "noticeoptout"])
    def test_find_a_person(self, operator: Client, aisha: User, model: str):
        url = reverse(f"admin:credits_{model}_changelist")

        assert operator.get(url, {"q": "aisha@example.com"}).context["cl"].result_count == 1
        assert operator.get(url, {"q": "aisha"}).context["cl"].result_count == 0


class TestPage:
    def test_shows_the_events_as_text(self, operator: Client, aisha: User):
        notice = Notice.objects.get()

        page = operator.get(reverse("admin:credits_notice_change", args=[notice.pk]))

        assert "&lt;i&gt;no such user&lt;/i&gt;" in page.content.decode()
        assert "&lt;b&gt;550&lt;/b&gt;" in page.content.decode()

    @pytest.mark.parametrize("model", MODELS)
    def test_changes_nothing(self, operator: Client, aisha: User, model: str):
        row = operator.get(reverse(f"admin:credits_{model}_changelist")).context["cl"].queryset[0]
        change = reverse(f"admin:credits_{model}_change", args=[row.pk])

        assert operator.get(change).status_code == 200
        assert operator.post(change, {"status": "sent", "kind": "reset"}).status_code == 403
        assert operator.get(reverse(f"admin:credits_{model}_add")).status_code == 403

    @pytest.mark.parametrize(
        ("status", "actions"),
        [
            (Status.FAILED, ["retry"]),
            (Status.PARKED, ["call_arrived", "send_again"]),
            (Status.SENT, []),
        ],
    )
    def test_offers_what_fits(self, operator: Client, status: str, actions: list[str]):
        notice = make_notice(status=status)

        page = operator.get(reverse("admin:credits_notice_change", args=[notice.pk]))

        assert [action for action, _label in page.context["acts"]] == actions

    def test_offers_nothing_to_who_may_only_look(self, client: Client):
        login_with(client, "view_notice")
        notice = make_notice(status=Status.FAILED)

        page = client.get(reverse("admin:credits_notice_change", args=[notice.pk]))

        assert page.context["acts"] == []

    def test_a_notice_is_kept(self, operator: Client, aisha: User):
        url = reverse("admin:credits_notice_delete", args=[Notice.objects.get().pk])

        assert operator.post(url, {"post": "yes"}).status_code == 403


class TestActions:
    @pytest.mark.parametrize(
        ("action", "before", "after", "told"),
        [
            ("retry", Status.FAILED, Status.PENDING, "1 notice will be tried again."),
            ("send_again", Status.PARKED, Status.PENDING, "1 notice will be sent again."),
            ("call_arrived", Status.PARKED, Status.SENT, "1 notice now counts as sent."),
        ],
    )
    def test_move_what_they_are_for(
        self, operator: Client, action: str, before: str, after: str, told: str
    ):
        fitting = make_notice(status=before, attempts=8)
        other = make_notice(status=Status.DELIVERED)
        unchosen = make_notice(status=before)

        page = act(operator, action, fitting, other)

        assert said(page) == [told]
        assert status_of(fitting) == after
        assert status_of(other) == Status.DELIVERED
        assert status_of(unchosen) == before

    @pytest.mark.parametrize("action", ["retry", "send_again", "call_arrived"])
    def test_ask_before_they_act(self, operator: Client, action: str):
        failed, parked = make_notice(status=Status.FAILED), make_notice(status=Status.PARKED)

        page = ask(operator, action, failed, parked)

        assert page.context["count"] == "1"
        assert page.context["passed_over"] == "1"
        assert (status_of(failed), status_of(parked)) == (Status.FAILED, Status.PARKED)

    def test_ask_about_all_that_a_filter_leaves(self, operator: Client):
        for _ in range(3):
            make_notice(status=Status.FAILED)
        other = make_notice(status=Status.FAILED, kind=Notice.Kind.RUN_LATE)
        data = {"action": "retry", "_selected_action": 1, "select_across": 1}

        page = operator.post(f"{LIST}?kind__exact=reset", data)
        assert page.context["count"] == "3"
        operator.post(f"{LIST}?kind__exact=reset", data | {"confirmed": "yes"})

        assert Notice.objects.filter(status=Status.PENDING).count() == 3
        assert status_of(other) == Status.FAILED

    def test_are_written_down(self, operator: Client):
        failed, sent = make_notice(status=Status.FAILED), make_notice(status=Status.SENT)

        act(operator, "retry", failed, sent)

        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.user.email) == (str(failed.pk), "operator@example.com")
        assert entry.get_change_message() == "To be tried again."

    def test_show_reasons_as_text(self, operator: Client):
        failed = make_notice(status=Status.FAILED, reason="<script>alert(1)</script>")

        page = ask(operator, "retry", failed).content.decode()

        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page

    def test_say_when_there_was_nothing_to_do(self, operator: Client):
        page = act(operator, "retry", make_notice(status=Status.SENT))

        assert said(page) == ["0 notices will be tried again."]

    def test_are_not_for_who_may_only_look(self, client: Client):
        login_with(client, "view_notice")
        failed = make_notice(status=Status.FAILED)

        page = act(client, "retry", failed)

        assert "retry" not in page.content.decode()
        assert status_of(failed) == Status.FAILED

    def test_are_for_who_may_send(self, client: Client):
        login_with(client, "view_notice", "send_notices")
        failed = make_notice(status=Status.FAILED)

        act(client, "retry", failed)

        assert status_of(failed) == Status.PENDING

    @pytest.mark.parametrize("action", ["retry", "send_again", "call_arrived"])
    def test_need_a_post(self, operator: Client, action: str):
        notices = [make_notice(status=Status.FAILED), make_notice(status=Status.PARKED)]

        operator.get(LIST, {"action": action, "_selected_action": [row.pk for row in notices]})

        assert [status_of(notice) for notice in notices] == [Status.FAILED, Status.PARKED]


class TestClearing:
    @pytest.mark.parametrize(
        ("model", "rows"),
        [("suppressedaddress", SuppressedAddress), ("noticeoptout", NoticeOptOut)],
    )
    @pytest.mark.parametrize("way", ["page", "list"])
    def test_takes_a_row_off_after_asking(
        self, operator: Client, aisha: User, model: str, rows: Any, way: str
    ):
        row = rows.objects.get()
        url = reverse(f"admin:credits_{model}_delete", args=[row.pk])
        data = {"post": "yes"}
        if way == "list":
            url = reverse(f"admin:credits_{model}_changelist")
            data |= {"action": "delete_selected", "_selected_action": row.pk}

        asked = operator.post(url, {key: data[key] for key in data if key != "post"})
        assert asked.status_code == 200
        assert rows.objects.exists()
        operator.post(url, data)

        assert not rows.objects.exists()
        assert Notice.objects.exists()

    def test_of_an_address_is_for_who_may_send_and_is_written_down(
        self, client: Client, aisha: User
    ):
        login_with(client, "view_suppressedaddress", "send_notices")
        url = reverse("admin:credits_suppressedaddress_delete", args=[aisha.email])

        client.post(url, {"post": "yes"})

        assert not SuppressedAddress.objects.exists()
        assert LogEntry.objects.get().object_repr == aisha.email

    @pytest.mark.parametrize("model", ["suppressedaddress", "noticeoptout"])
    def test_needs_the_permission(self, client: Client, aisha: User, model: str):
        login_with(client, f"view_{model}")
        row = client.get(reverse(f"admin:credits_{model}_changelist")).context["cl"].queryset[0]

        url = reverse(f"admin:credits_{model}_delete", args=[row.pk])

        assert client.post(url, {"post": "yes"}).status_code == 403
