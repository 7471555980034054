"""credits.notices.handing_over: one mail through any backend, and what became of it."""

import smtplib
from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from credits.notices.composing import Message
from credits.notices.handing_over import Mailer, idempotency_key
from credits.notices.outcomes import Again, Misconfigured, Refused, Sent, Unclear
from credits.notices.recipients import Recipient
from proof.mail_ledger import CLIENT_TIMEOUT, Ledger
from proof.mail_services import mail_service
from tests.factories import MARCH, make_professional, promise
from tests.threads import TIMEOUT

pytestmark = pytest.mark.django_db

NOON = MARCH.replace(hour=12)


def message(*, address="aisha@example.com", subject="Your credits"):
    return Message(
        recipient=Recipient(address, "Aisha", "ar", ZoneInfo("Asia/Dubai")),
        subject=subject,
        text="Text\n",
        html="<p>HTML</p>\n",
        headers={"Content-Language": "ar"},
        tags=["credits-reset", "another"],
        metadata={"notice": "1", "kind": "reset"},
    )


class Backend(BaseEmailBackend):
    """Does what a test says, and keeps what it was asked."""

    script: list = []
    calls: list = []

    def open(self):
        self.calls.append("open")

    def close(self):
        self.calls.append("close")

    def send_messages(self, messages):
        self.calls.append("send")
        step = self.script.pop(0) if self.script else 1
        if isinstance(step, Exception):
            raise step
        if callable(step):
            return step(messages[0])
        return step


@pytest.fixture
def backend(settings):
    settings.EMAIL_BACKEND = f"{__name__}.Backend"
    Backend.script, Backend.calls = [], []
    return Backend


@pytest.fixture
def notice():
    return promise(make_professional())


def hand_over(notice, **changes):
    with Mailer() as mailer:
        return mailer.hand_over(notice, message(**changes), now=NOON)


class TestMail:
    def test_goes_to_one_person_whole(self, notice):
        outcome = hand_over(notice)

        (sent,) = mail.outbox
        key = idempotency_key(notice)
        assert outcome == Sent(f"<{key}@homezy.example>")
        assert (sent.to, sent.cc, sent.bcc) == (["aisha@example.com"], [], [])
        assert sent.extra_headers == {
            "Content-Language": "ar",
            "Message-ID": f"<{key}@homezy.example>",
        }
        assert sent.alternatives[0].content == "<p>HTML</p>\n"
        assert not hasattr(sent, "metadata")
        assert not hasattr(sent, "idempotency_key")

    def test_through_anymail_carries_metadata_and_one_tag(self, settings, notice):
        settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"

        outcome = hand_over(notice)

        (sent,) = mail.outbox
        assert sent.metadata == {"notice": "1", "kind": "reset"}
        assert sent.tags == ["credits-reset"]
        assert "Message-ID" not in sent.extra_headers
        assert outcome == Sent(str(sent.anymail_status.message_id))

    @pytest.mark.parametrize(
        "address",
        ["a@example.com, b@example.com", "a@example.com\nBcc: b@example.com", "nobody", ""],
    )
    def test_to_anything_but_one_address_is_refused(self, notice, address):
        assert isinstance(hand_over(notice, address=address), Refused)
        assert mail.outbox == []

    def test_with_a_newline_in_its_subject_is_refused_alone(self, notice):
        with Mailer() as mailer:
            bad = mailer.hand_over(notice, message(subject="a\nBcc: x@example.com"), now=NOON)
            good = mailer.hand_over(notice, message(), now=NOON)

        assert isinstance(bad, Refused)
        assert "Header values" in bad.reason
        assert isinstance(good, Sent)


class TestIdempotencyKey:
    def test_is_the_notice_s_for_ever(self, notice):
        before = idempotency_key(notice)
        notice.refresh_from_db()

        assert idempotency_key(notice) == before
        assert idempotency_key(promise(make_professional())) != before


class TestMailer:
    def test_opens_one_connection_for_many(self, backend, notice):
        with Mailer() as mailer:
            for _ in range(3):
                mailer.hand_over(notice, message(), now=NOON)

        assert backend.calls == ["open", "send", "send", "send", "close"]

    def test_opens_another_when_it_broke(self, backend, notice):
        backend.script = [1, OSError("reset"), 1]
        with Mailer() as mailer:
            outcomes = [mailer.hand_over(notice, message(), now=NOON) for _ in range(3)]

        assert [type(outcome) for outcome in outcomes] == [Sent, Unclear, Sent]
        assert backend.calls == ["open", "send", "send", "close", "open", "send", "close"]

    def test_tries_at_once_again_where_the_server_had_hung_up(self, backend, notice):
        backend.script = [1, smtplib.SMTPServerDisconnected("idle"), 1]
        with Mailer() as mailer:
            outcomes = [mailer.hand_over(notice, message(), now=NOON) for _ in range(2)]

        assert [type(outcome) for outcome in outcomes] == [Sent, Sent]

    def test_tries_a_fresh_connection_only_once(self, backend, notice):
        backend.script = [smtplib.SMTPServerDisconnected("no")]

        assert isinstance(hand_over(notice), Again)
        assert backend.calls == ["open", "send", "close"]

    def test_takes_nothing_sent_for_a_refusal(self, backend, notice):
        backend.script = [0]

        assert isinstance(hand_over(notice), Refused)

    def test_takes_no_count_for_sent(self, backend, notice):
        backend.script = [None]

        assert isinstance(hand_over(notice), Sent)

    def test_knows_it_was_sent_though_a_receiver_raised(self, backend, notice):
        def take(mail):
            mail.anymail_status = SimpleNamespace(message_id="abc")
            raise KeyError("a receiver of post_send")

        backend.script = [take]

        assert hand_over(notice) == Sent("abc")

    @pytest.mark.parametrize(
        "changes",
        [
            {"EMAIL_BACKEND": "no.such.Backend"},
            {"EMAIL_BACKEND": "anymail.backends.mailgun.EmailBackend", "ANYMAIL": {}},
            {
                "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
                "EMAIL_USE_TLS": True,
                "EMAIL_USE_SSL": True,
            },
        ],
        ids=["no backend", "no key", "contradiction"],
    )
    def test_says_when_the_settings_are_wrong(self, settings, notice, changes):
        for name, value in changes.items():
            setattr(settings, name, value)

        with Mailer() as mailer:
            assert mailer.remembers_keys_for is None
            assert isinstance(mailer.hand_over(notice, message(), now=NOON), Misconfigured)

    def test_says_again_where_no_server_listens(self, settings, notice):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

        assert isinstance(hand_over(notice), Again)

    def test_knows_how_long_a_service_remembers(self, settings):
        settings.ANYMAIL = {"RESEND_API_KEY": "key"}
        settings.EMAIL_BACKEND = "credits.notices.backends.ResendBackend"

        assert Mailer().remembers_keys_for == timedelta(hours=24)


# A service's fault, and what a sender may conclude: over a real socket.
FAULTS = {
    "busy": Again,
    "broken": Again,
    "silent": Unclear,
    "reset": Unclear,
    "taken, then silent": Unclear,
    "taken, then reset": Unclear,
    "": Sent,
}


# Nothing of it is in the database.
@pytest.mark.engine("postgresql")
@pytest.mark.parametrize(
    "service", ["smtp", "mailgun", "postmark", "amazon_ses", "resend", "brevo"]
)
def test_each_fault_of_each_service_is_told_apart(settings, notice, service):
    ledger = Ledger(seed=1, share_of_faults=0)
    silent = [fault for fault in FAULTS if fault.endswith("silent")]
    answered = [fault for fault in FAULTS if fault not in silent]
    seen = {}
    # Who waits for an answer that comes, waits however busy the machine is.
    for patience, faults in ((CLIENT_TIMEOUT, silent), (TIMEOUT, answered)):
        drawn = iter(faults)
        ledger.draw = lambda drawn=drawn: next(drawn)
        with mail_service(service, ledger, patience=patience) as reached, Mailer() as mailer:
            for name, value in reached.items():
                setattr(settings, name, value)
            for fault in faults:
                told = message(address=f"{len(seen)}@example.com")
                seen[fault] = type(mailer.hand_over(notice, told, now=NOON))

    # The same key under another address: Resend and Brevo know they have seen it.
    once = service in {"resend", "brevo"}
    assert seen == FAULTS
    assert ledger.taken.total() == (1 if once else 3)
