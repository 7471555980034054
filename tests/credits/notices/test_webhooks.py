"""credits.notices.webhooks: who may report, and where nobody may."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credits.models import Notice
from credits.notices.webhooks import is_guarded, service_in_use, webhook_patterns
from tests import mail_services
from tests.factories import make_notice, make_professional

pytestmark = pytest.mark.django_db


@pytest.fixture
def notice() -> Notice:
    return make_notice(make_professional())


class TestGuard:
    @pytest.mark.parametrize(
        ("secret", "status"),
        [(None, 400), ("mail:wrong", 400), ("", 400), (mail_services.SECRET, 200)],
        ids=["none", "wrong", "empty", "right"],
    )
    @pytest.mark.parametrize(
        "report", mail_services.DELIVERED.values(), ids=mail_services.DELIVERED.keys()
    )
    def test_asks_for_the_secret(
        self,
        client: Client,
        settings: Any,
        notice: Notice,
        report: mail_services.Reporter,
        secret: str | None,
        status: int,
    ):
        settings.ANYMAIL = mail_services.ANYMAIL
        told = report(notice)
        if told.service == "amazon_ses" and secret is None:
            status = 401  # Amazon sends the secret only when asked for it.

        response = told.post(client, secret=secret)

        notice.refresh_from_db()
        assert response.status_code == status
        assert notice.status == ("delivered" if status == 200 else "sent")

    @pytest.mark.parametrize("secret", [{}, {"WEBHOOK_SECRET": ""}, {"WEBHOOK_SECRET": []}])
    @pytest.mark.parametrize(
        "report", mail_services.DELIVERED.values(), ids=mail_services.DELIVERED.keys()
    )
    def test_closes_the_address_without_one(
        self,
        client: Client,
        settings: Any,
        notice: Notice,
        report: mail_services.Reporter,
        secret: dict[str, Any],
    ):
        settings.ANYMAIL = secret

        assert report(notice).post(client).status_code == 404

    def test_opens_no_other_service_by_the_key_of_one(
        self, client: Client, settings: Any, notice: Notice
    ):
        settings.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": mail_services.SIGNING_KEY}

        mailgun = mail_services.mailgun(notice, "delivered").post(client, secret=None)
        postmark = mail_services.postmark(notice, "SpamComplaint").post(client, secret=None)

        assert (mailgun.status_code, postmark.status_code) == (200, 404)

    def test_refuses_a_wrong_signature(self, client: Client, settings: Any, notice: Notice):
        settings.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": "another key"}

        response = mail_services.mailgun(notice, "delivered").post(client, secret=None)

        assert response.status_code == 400

    def test_takes_posts_without_a_cookie(self, settings: Any, notice: Notice):
        settings.ANYMAIL = mail_services.ANYMAIL

        response = mail_services.brevo(notice, "delivered").post(Client(enforce_csrf_checks=True))

        assert response.status_code == 200

    def test_reads_a_setting_of_its_own_too(self, settings: Any):
        settings.ANYMAIL = {}
        settings.ANYMAIL_WEBHOOK_SECRET = mail_services.SECRET

        assert is_guarded("postmark")


class TestAddresses:
    def test_take_no_inbound_mail(self):
        names = [pattern.name for pattern in webhook_patterns()]

        assert "postmark_tracking_webhook" in names
        assert not [name for name in names if "inbound" in name]

    def test_stand_under_credits(self):
        address = reverse("credits:anymail:postmark_tracking_webhook")

        assert address == "/credits/anymail/postmark/tracking/"

    def test_are_none_without_anymail(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("credits.notices.webhooks.find_spec", lambda name: None)

        assert webhook_patterns() == []
        assert service_in_use() == ""


class TestServiceInUse:
    @pytest.mark.parametrize(
        ("backend", "service"),
        [
            ("anymail.backends.postmark.EmailBackend", "postmark"),
            ("anymail.backends.unisender_go.EmailBackend", "unisender_go"),
            ("anymail.backends.test.EmailBackend", ""),
            ("django.core.mail.backends.smtp.EmailBackend", ""),
            ("no.such.Backend", ""),
        ],
    )
    def test_is_the_one_behind(self, settings: Any, backend: str, service: str):
        settings.EMAIL_BACKEND = backend

        assert service_in_use() == service
