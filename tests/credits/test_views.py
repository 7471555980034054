"""credits.views: the page behind the link that stops notices."""

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from credits.models import NoticeOptOut
from credits.notices.unsubscribing import make_token, unsubscribe_url
from homezy.models import User
from tests.factories import make_professional

pytestmark = pytest.mark.django_db

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def aisha() -> User:
    return make_professional(email="aisha@example.com", business_name="<script>Cool Air</script>")


@pytest.fixture
def stranger() -> Client:
    """A mail provider: no cookie, no session."""
    return Client(enforce_csrf_checks=True)


def link(professional: User, kind: str = "expiry_warning") -> str:
    return reverse("credits:unsubscribe", args=[make_token(professional.pk, kind)])


def undo_link(professional: User, kind: str = "expiry_warning") -> str:
    return reverse("credits:subscribe", args=[make_token(professional.pk, kind)])


def declined(professional: User) -> list[str]:
    rows = NoticeOptOut.objects.filter(professional=professional)
    return sorted(rows.values_list("kind", flat=True))


def text(response: HttpResponse) -> str:
    return response.content.decode()


class TestGet:
    @pytest.mark.parametrize(
        ("kind", "sentence"),
        [
            (
                "reset",
                "Homezy e-mails you when your free credits are renewed for the month.",
            ),
            ("expiry_warning", "Homezy e-mails you before credits that you bought expire."),
        ],
    )
    def test_says_what_it_stops(self, client: Client, aisha: User, kind: str, sentence: str):
        page = client.get(link(aisha, kind))

        assert page.status_code == 200
        assert sentence in text(page)
        assert "Stop these e-mails?" in text(page)
        assert f'action="{link(aisha, kind)}"' in text(page)

    @pytest.mark.parametrize("method", ["get", "head"])
    def test_changes_nothing(self, client: Client, aisha: User, method: str):
        for _ in range(2):
            getattr(client, method)(link(aisha))
            client.get(undo_link(aisha))

        assert declined(aisha) == []

    def test_is_reached_by_the_link_in_the_mail(self, client: Client, aisha: User):
        url = unsubscribe_url(professional_id=aisha.pk, kind="reset")

        assert url.endswith(link(aisha, "reset"))
        assert client.get(link(aisha, "reset")).status_code == 200

    def test_names_nobody_and_runs_nothing(self, client: Client, aisha: User, settings: Any):
        settings.DEFAULT_FROM_EMAIL = '"<b>Home & zy</b>" <credits@homezy.example>'

        page = text(client.get(link(aisha)))

        assert "aisha" not in page
        assert "Cool Air" not in page
        assert "<b>" not in page
        assert "&lt;b&gt;Home &amp; zy&lt;/b&gt; e-mails you" in page
        # What `default-src 'self'` lets through, and nothing else.
        assert not re.search(r"<script|<style|style=|javascript:|\son\w+=", page)
        assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["/static/credits/unsubscribe.css"]

    def test_has_a_style_of_its_own(self):
        assert finders.find("credits/unsubscribe.css")

    def test_is_kept_out_of_indexes_caches_and_referrers(self, client: Client, aisha: User):
        page = client.get(link(aisha))

        assert "noindex" in page["X-Robots-Tag"]
        assert '<meta name="robots" content="noindex' in text(page)
        assert "no-store" in page["Cache-Control"]
        assert page["Referrer-Policy"] == "no-referrer"

    def test_uses_the_host_name_where_the_marketplace_has_no_other(
        self, client: Client, aisha: User, settings: Any
    ):
        settings.DEFAULT_FROM_EMAIL = "credits@homezy.example"

        assert "testserver e-mails you" in text(client.get(link(aisha)))

    def test_asks_for_no_login_where_all_else_does(
        self, client: Client, aisha: User, settings: Any
    ):
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]

        assert client.get(link(aisha)).status_code == 200
        assert client.post(link(aisha)).status_code == 200
        assert client.post(undo_link(aisha)).status_code == 200


class TestLanguage:
    def test_is_the_professionals_not_the_browsers(self, client: Client):
        page = client.get(link(make_professional(language="en")), headers={"Accept-Language": "ar"})

        assert '<html lang="en" dir="ltr">' in text(page)
        assert page["Content-Language"] == "en"

    def test_arabic_is_read_from_the_right(self, client: Client):
        page = client.get(link(make_professional(language="ar")))

        assert '<html lang="ar" dir="rtl">' in text(page)
        assert page["Content-Language"] == "ar"
        assert "Stop these e-mails" not in text(page)
        assert "e-mails you" not in text(page)
        assert "\u2068Homezy\u2069" in text(page)


class TestPost:
    @pytest.mark.parametrize("body", [ONE_CLICK, {}], ids=["provider", "button"])
    def test_declines_once_without_a_cookie(
        self, stranger: Client, aisha: User, body: dict[str, str]
    ):
        pages = [stranger.post(link(aisha), body) for _ in range(2)]

        assert [page.status_code for page in pages] == [200, 200]
        assert declined(aisha) == ["expiry_warning"]
        assert "You will not get these e-mails any more" in text(pages[0])
        assert f'action="{undo_link(aisha)}"' in text(pages[0])
        assert not pages[0].cookies

    def test_takes_a_form_in_parts_as_some_providers_send_it(self, stranger: Client, aisha: User):
        # The test client's own default, spelled out: RFC 8058 allows both.
        kinds = {"content_type": "application/x-www-form-urlencoded"}

        page = stranger.post(link(aisha), "List-Unsubscribe=One-Click", **kinds)

        assert page.status_code == 200
        assert declined(aisha) == ["expiry_warning"]

    def test_stops_nothing_else_and_nobody_elses(self, stranger: Client, aisha: User):
        omar = make_professional()

        stranger.post(link(aisha, "reset"), ONE_CLICK)

        assert declined(aisha) == ["reset"]
        assert declined(omar) == []

    def test_can_be_taken_back(self, stranger: Client, aisha: User):
        stranger.post(link(aisha), ONE_CLICK)

        pages = [stranger.post(undo_link(aisha)) for _ in range(2)]

        assert [page.status_code for page in pages] == [200, 200]
        assert declined(aisha) == []
        assert "You will get these e-mails again" in text(pages[0])
        assert f'action="{link(aisha)}"' in text(pages[0])

    def test_is_remembered_by_the_page(self, client: Client, aisha: User):
        client.post(link(aisha), ONE_CLICK)

        page = text(client.get(link(aisha)))

        assert "You will not get these e-mails any more" in page
        assert "Get them again" in page

    @pytest.mark.parametrize("method", ["put", "delete", "patch"])
    def test_nothing_else_is_taken(self, client: Client, aisha: User, method: str):
        assert getattr(client, method)(link(aisha)).status_code == 405


class TestBrokenLink:
    @pytest.mark.parametrize(
        ("name", "method"), [("unsubscribe", "get"), ("unsubscribe", "post"), ("subscribe", "post")]
    )
    @pytest.mark.parametrize("token", ["x", "WyI3IiwicmVzZXQiXQ:forged", "a" * 3000, "٣"])
    def test_is_one_sentence(self, client: Client, method: str, name: str, token: str):
        page = getattr(client, method)(reverse(f"credits:{name}", args=[token]))

        assert page.status_code == 404
        assert "This link is not complete" in text(page)
        assert "<form" not in text(page)

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_that_of_somebody_who_left(self, client: Client, aisha: User, method: str):
        address = link(aisha)
        aisha.delete()

        assert getattr(client, method)(address).status_code == 404
        assert not NoticeOptOut.objects.exists()

    def test_is_told_in_the_browsers_language(self, client: Client):
        page = client.get(
            reverse("credits:unsubscribe", args=["x"]), headers={"Accept-Language": "ar"}
        )

        assert '<html lang="ar" dir="rtl">' in text(page)
