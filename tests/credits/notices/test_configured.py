"""credits.notices.configured: the backend of a host with ``MAILERS``, and of one without."""

import pytest
from django.core import mail

from credits.checks import check_mail
from credits.notices.composing import Message
from credits.notices.configured import backend_path, new_connection
from credits.notices.handing_over import Mailer
from credits.notices.outcomes import Misconfigured, Sent
from credits.notices.recipients import Recipient
from credits.notices.webhooks import service_in_use
from tests.factories import MARCH

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
POSTMARK = "anymail.backends.postmark.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def hand_over():
    message = Message(
        recipient=Recipient("aisha@example.com", "Aisha", "en", MARCH.tzinfo),
        subject="Your credits",
        text="Text\n",
        html="<p>HTML</p>\n",
        headers={},
        tags=[],
        metadata={},
    )
    with Mailer() as mailer:
        return mailer.hand_over_preview(message, address="amal@example.com", now=MARCH)


class TestEmailBackend:
    def test_is_what_the_setting_says(self, settings):
        settings.EMAIL_BACKEND = POSTMARK
        settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "token"}

        assert backend_path() == POSTMARK
        assert new_connection().esp_name == "Postmark"


@pytest.mark.skipif(not hasattr(mail, "mailers"), reason="Django has no MAILERS before 6.1")
class TestMailers:
    def test_default_is_the_one(self, settings):
        settings.MAILERS = {"default": {"BACKEND": LOCMEM}, "other": {"BACKEND": POSTMARK}}

        assert backend_path() == LOCMEM
        assert isinstance(hand_over(), Sent)
        assert [sent.to for sent in mail.outbox] == [["amal@example.com"]]

    def test_default_without_a_backend_is_smtp(self, settings):
        settings.MAILERS = {"default": {"OPTIONS": {"host": "127.0.0.1"}}}

        assert backend_path() == SMTP
        assert check_mail() == []

    def test_default_is_the_service_that_reports_back(self, settings):
        settings.MAILERS = {"default": {"BACKEND": POSTMARK}}
        settings.ANYMAIL = {"WEBHOOK_SECRET": "mail:0123456789abcdef"}

        assert service_in_use() == "postmark"

    def test_without_a_default_reach_nobody(self, settings):
        settings.MAILERS = {"other": {"BACKEND": LOCMEM}}

        (warning,) = check_mail()

        assert warning.id == "credits.W002"
        assert "not set" in warning.msg
        assert isinstance(hand_over(), Misconfigured)
