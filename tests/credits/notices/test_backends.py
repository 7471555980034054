"""credits.notices.backends and .ses: what they add to anymail's, in the request itself."""

import json

import pytest
from anymail.exceptions import AnymailRequestsAPIError
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string

from credits.notices.backends import ResendBackend
from credits.notices.configured import new_connection
from credits.notices.handing_over import OnceOnly
from proof.mail_ledger import Ledger
from proof.mail_services import mail_service

KEY = "6f1c0f0e-5a0a-5b5e-8a53-0c7a8f3f2c11"


def mail(*, body="Hello", key=KEY):
    message = EmailMultiAlternatives("Hi", body, to=["a@example.com"])
    message.attach_alternative(f"<p>{body}</p>", "text/html")
    if key:
        message.idempotency_key = key
    return message


@pytest.fixture
def ledger():
    return Ledger(seed=1, share_of_faults=0)


@pytest.mark.parametrize("service", ["resend", "brevo"])
class TestOnceOnly:
    def test_a_key_is_sent_once(self, settings, ledger, service):
        with mail_service(service, ledger) as reached:
            for name, value in reached.items():
                setattr(settings, name, value)
            connection = new_connection()
            connection.send_messages([mail()])

            with pytest.raises(AnymailRequestsAPIError) as refused:
                connection.send_messages([mail(body="Other words")])

        assert connection.was_sent_before(refused.value)
        assert isinstance(connection, OnceOnly)
        assert ledger.taken == {"a@example.com": 1}

    def test_without_a_key_nothing_is_added(self, settings, ledger, service):
        with mail_service(service, ledger) as reached:
            for name, value in reached.items():
                setattr(settings, name, value)
            for _ in range(2):
                new_connection().send_messages([mail(key="")])

        assert ledger.taken == {"a@example.com": 2}
        assert ledger.known == {}


class TestResend:
    def test_the_same_words_get_the_same_answer(self, settings, ledger):
        with mail_service("resend", ledger) as reached:
            for name, value in reached.items():
                setattr(settings, name, value)
            first, second = mail(), mail()
            new_connection().send_messages([first])
            new_connection().send_messages([second])

        assert first.anymail_status.message_id == second.anymail_status.message_id
        assert ledger.taken == {"a@example.com": 1}

    @pytest.mark.parametrize(
        ("status", "name", "expected"),
        [
            (409, "invalid_idempotent_request", True),
            (409, "concurrent_idempotent_requests", False),
            (422, "invalid_idempotent_request", False),
        ],
    )
    def test_knows_its_own_word(self, settings, ledger, status, name, expected):
        settings.ANYMAIL = {"RESEND_API_KEY": "key"}
        connection = ResendBackend()
        error = Exception()
        error.response = type(
            "Response", (), {"status_code": status, "json": lambda self: {"name": name}}
        )()

        assert connection.was_sent_before(error) is expected

    @pytest.mark.parametrize("body", ["", "[]", json.dumps("x")])
    def test_an_answer_without_a_word_is_no_answer(self, settings, body):
        settings.ANYMAIL = {"RESEND_API_KEY": "key"}
        connection = ResendBackend()
        error = Exception()
        error.response = type(
            "Response", (), {"status_code": 409, "json": lambda self: json.loads(body)}
        )()

        assert connection.was_sent_before(error) is False
        assert connection.was_sent_before(ValueError()) is False


class TestAmazonSES:
    def test_asks_once_where_boto3_alone_asks_again(self, settings):
        asked = {}
        for backend in ("anymail.backends.amazon_ses", "credits.notices.ses"):
            ledger = Ledger(seed=1, share_of_faults=1.1)
            ledger.draw = lambda ledger=ledger: _count(ledger)
            with mail_service("amazon_ses", ledger) as reached:
                settings.ANYMAIL = reached["ANYMAIL"]
                name = "AmazonSESBackend" if backend.startswith("credits") else "EmailBackend"
                connection = import_string(f"{backend}.{name}")()
                with pytest.raises(Exception, match="Connection was closed|reset|closed"):
                    connection.send_messages([mail()])
            asked[backend] = ledger.taken["a@example.com"]

        assert asked["credits.notices.ses"] == 1
        assert asked["anymail.backends.amazon_ses"] > 1


def _count(ledger):
    ledger.requests += 1
    return "taken, then reset"
