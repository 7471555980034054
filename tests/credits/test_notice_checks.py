"""credits.checks: whether mail leaves, is reported on, and can be stopped."""

import sys
from typing import Any

import pytest
from django.core.checks import run_checks

from credits.checks import check_links, check_mail


def ids_of(messages: list[Any]) -> list[str]:
    return [message.id for message in messages]


@pytest.fixture
def mail(settings: Any) -> Any:
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": "mail:0123456789abcdef"}
    return settings


class TestCheckMail:
    def test_is_content_with_a_guarded_service(self, mail: Any):
        assert check_mail() == []

    @pytest.mark.parametrize("debug", [True, False])
    @pytest.mark.parametrize("secret", [{}, {"WEBHOOK_SECRET": ""}])
    def test_says_that_nobody_hears_of_bounces(
        self, mail: Any, debug: bool, secret: dict[str, str]
    ):
        mail.DEBUG = debug
        mail.ANYMAIL = secret

        (message,) = check_mail()

        assert message.id == "credits.W001"
        assert "postmark" in message.msg
        assert 'ANYMAIL["WEBHOOK_SECRET"]' in message.hint
        assert "/anymail/postmark/tracking/" in message.hint

    @pytest.mark.parametrize(
        ("service", "key"),
        [("mailgun", "MAILGUN_WEBHOOK_SIGNING_KEY"), ("resend", "RESEND_SIGNING_SECRET")],
    )
    def test_names_the_services_own_key_and_takes_it(self, mail: Any, service: str, key: str):
        mail.EMAIL_BACKEND = f"anymail.backends.{service}.EmailBackend"
        mail.ANYMAIL = {}
        assert f'ANYMAIL["{key}"]' in check_mail()[0].hint

        mail.ANYMAIL = {key: "0123456789abcdef"}

        assert check_mail() == []

    @pytest.mark.parametrize("name", ["console", "dummy", "locmem", "filebased"])
    def test_says_that_mail_reaches_nobody(self, mail: Any, name: str):
        mail.EMAIL_BACKEND = f"django.core.mail.backends.{name}.EmailBackend"

        (message,) = check_mail()

        assert message.id == "credits.W002"
        assert name in message.msg

    def test_lets_a_developer_print_mail(self, mail: Any):
        mail.DEBUG = True
        mail.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

        assert check_mail() == []

    def test_says_that_the_backends_package_is_missing(
        self, mail: Any, monkeypatch: pytest.MonkeyPatch
    ):
        mail.EMAIL_BACKEND = "credits.notices.backends.ResendBackend"
        monkeypatch.delitem(sys.modules, "credits.notices.backends", raising=False)
        # As it is where the extra was not installed.
        for name in [name for name in sys.modules if name.partition(".")[0] == "anymail"]:
            monkeypatch.setitem(sys.modules, name, None)

        message = check_mail()[-1]

        assert message.id == "credits.E028"
        assert "credits.notices.backends.ResendBackend cannot be imported" in message.msg
        assert "[anymail]" in message.hint

    @pytest.mark.parametrize(
        "path",
        ["django.core.mail.backends.smtp.EmailBackened", "shop.mail.EmailBackend", "EmailBackend"],
    )
    def test_says_that_a_backend_is_not_there(self, mail: Any, path: str):
        mail.EMAIL_BACKEND = path

        (message,) = check_mail()

        assert message.id == "credits.E028"
        assert path in message.msg
        assert "EMAIL_BACKEND" in message.hint

    def test_is_content_with_smtp(self, mail: Any):
        mail.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        mail.ANYMAIL = {}

        assert check_mail() == []


class TestCheckLinks:
    def test_is_content_with_the_project(self):
        assert check_links() == []

    def test_asks_for_a_site(self, settings: Any):
        settings.CREDITS = {"SITE_URL": ""}

        (message,) = check_links()

        assert message.id == "credits.W003"
        assert "https://" in message.hint

    def test_does_not_ask_a_developer(self, settings: Any):
        settings.DEBUG = True
        settings.CREDITS = {}

        assert check_links() == []

    @pytest.mark.urls("django.contrib.auth.urls")
    def test_asks_for_the_urls(self):
        (message,) = check_links()

        assert message.id == "credits.W004"
        assert 'include("credits.urls")' in message.hint

    def test_is_registered_with_the_rest(self, settings: Any):
        settings.CREDITS = settings.CREDITS | {"SITE_URL": ""}

        assert {"credits.W002", "credits.W003"} <= set(ids_of(run_checks()))
