"""credits.admin.previews: a mail is seen before anybody gets it."""

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse

from credits.admin.previews import darkened, lightened
from credits.models import Notice
from tests.factories import make_professional, make_user

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:credits_notice_preview")
FRAME = reverse("admin:credits_notice_preview_html")


def login_with(client: Client, *codenames: str, email: str = "clerk@example.com") -> None:
    clerk = make_user(is_staff=True, email=email)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)


class TestPage:
    @pytest.mark.parametrize("kind", Notice.Kind.values)
    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_shows_every_kind_in_every_language(self, operator: Client, kind: str, language: str):
        page = operator.get(PAGE, {"kind": kind, "language": language})

        message = page.context["message"]
        assert message.recipient.language == language
        assert message.metadata["kind"] == kind
        assert f"kind={kind}" in page.context["frame_url"]
        assert 'sandbox=""' in page.content.decode()

    def test_tells_from_a_professionals_books(self, operator: Client):
        aisha = make_professional(email="aisha@example.com", paid=20)

        page = operator.get(PAGE, {"kind": "reset", "professional": "Aisha@example.com"})

        assert page.context["message"].recipient.address == aisha.email

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            ({"kind": "reset", "professional": "405"}, "There is no user “405”"),
            ({"kind": "reset", "professional": "<b>@x"}, "There is no user “&lt;b&gt;@x”"),
            ({"kind": "none"}, "none is not one of the available choices"),
            ({"kind": "reset", "language": "xx"}, "xx is not one of the available choices"),
        ],
    )
    def test_says_what_is_wrong(self, operator: Client, query: dict[str, str], sentence: str):
        page = operator.get(PAGE, query)

        assert sentence in page.content.decode()
        assert page.context["message"] is None
        assert operator.get(FRAME, query).status_code == 200

    def test_says_when_there_is_nothing_to_tell(self, operator: Client):
        professional = make_professional()

        page = operator.get(PAGE, {"kind": "expiry_receipt", "professional": professional.pk})

        assert "No credits of theirs have expired so far." in page.content.decode()

    @pytest.mark.usefixtures("broken_template")
    def test_says_that_a_template_of_the_project_is_broken(self, operator: Client):
        page = operator.get(PAGE, {"kind": "reset"})

        assert "A template of credits/notices/reset.* cannot be used" in page.content.decode()

    def test_shows_the_text_as_text(self, operator: Client):
        aisha = make_professional(first_name="<script>alert(1)</script>", paid=20)

        page = operator.get(PAGE, {"kind": "reset", "professional": aisha.pk, "show": "text"})

        assert "<script>alert" not in page.content.decode()
        assert "<pre" in page.content.decode()

    @pytest.mark.parametrize("url", [PAGE, FRAME])
    def test_is_for_who_may_look(self, client: Client, url: str):
        login_with(client, "view_jobrun")
        assert client.get(url).status_code == 403
        login_with(client, "view_notice", email="other@example.com")
        assert client.get(url).status_code == 200


class TestFrame:
    def test_may_run_nothing_and_stand_on_our_pages_alone(self, operator: Client):
        response = operator.get(FRAME, {"kind": "reset"})

        policy = response["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
        assert "; sandbox;" in policy
        assert "frame-ancestors 'self'" in policy
        assert response["X-Frame-Options"] == "SAMEORIGIN"

    def test_needs_it_where_a_reason_is_shown_too(self, operator: Client):
        response = operator.get(FRAME, {"kind": "reset", "professional": "<b>"})

        assert response["Content-Type"].startswith("text/plain")
        assert "sandbox" in response["Content-Security-Policy"]

    def test_is_dark_when_asked(self, operator: Client):
        light = operator.get(FRAME, {"kind": "reset"}).content.decode()
        dark = operator.get(FRAME, {"kind": "reset", "dark": "1"}).content.decode()

        assert "prefers-color-scheme" not in light + dark
        assert "@media all {\n  .page { background-color: #0b1220" in dark
        assert "@media not all {\n  .page { background-color: #0b1220" in light
        assert "color-scheme: dark;" in dark

    def test_escapes_names(self, operator: Client):
        aisha = make_professional(first_name="<img src=x>", paid=20)

        html = operator.get(FRAME, {"kind": "reset", "professional": aisha.pk}).content.decode()

        assert "<img src=x>" not in html


def test_a_light_rule_of_a_hosts_template_is_turned_round():
    html = "@media (prefers-color-scheme:light) {}"

    assert darkened(html) == "@media not all {}"
    assert lightened(html) == "@media all {}"


class TestSendToMe:
    def test_sends_this_preview_to_who_asks(self, operator: Client):
        page = operator.post(f"{PAGE}?kind=reset&language=ar", follow=True)

        (sent,) = mail.outbox
        assert sent.to == ["operator@example.com"]
        assert sent.subject.startswith("[Preview] ")
        assert sent.extra_headers["Content-Language"] == "ar"
        assert "List-Unsubscribe" not in sent.extra_headers
        assert not Notice.objects.exists()
        assert [str(told) for told in page.context["messages"]] == [
            "The preview was sent to operator@example.com."
        ]

    def test_reaches_nobody_else(self, operator: Client):
        make_professional(email="aisha@example.com", paid=20)

        operator.post(f"{PAGE}?kind=reset&professional=aisha@example.com&address=x@example.com")

        assert [sent.recipients() for sent in mail.outbox] == [["operator@example.com"]]

    @pytest.mark.parametrize("codenames", [["view_notice"], ["send_notices"]])
    def test_needs_both_permissions(self, client: Client, codenames: list[str]):
        login_with(client, *codenames)

        assert client.post(f"{PAGE}?kind=reset").status_code == 403
        assert mail.outbox == []

    def test_needs_a_token(self):
        client = Client(enforce_csrf_checks=True)
        login_with(client, "view_notice", "send_notices")

        assert client.post(f"{PAGE}?kind=reset").status_code == 403
        assert mail.outbox == []

    @override_settings(EMAIL_BACKEND="nowhere.Backend")
    def test_says_that_the_settings_do_not_work(self, operator: Client):
        page = operator.post(f"{PAGE}?kind=reset", follow=True)

        (told,) = [str(message) for message in page.context["messages"]]
        assert told.startswith("The mail settings do not work: ")

    def test_says_that_there_is_no_address(self, client: Client):
        login_with(client, "view_notice", "send_notices", email="")

        page = client.post(f"{PAGE}?kind=reset", follow=True)

        assert "Your account has no e-mail address" in page.content.decode()
        assert mail.outbox == []
