"""credits.notices.tracking: what mail services report, once or often, in any order."""

import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from django.db import OperationalError, connections
from django.test import Client

from credits.models import Notice, NoticeEvent, NoticeOptOut, SuppressedAddress
from credits.notices.tracking import missed_events, receive
from tests import mail_services
from tests.factories import MARCH, make_notice, make_professional

pytestmark = [
    pytest.mark.django_db,
    # Brevo and Postmark have no signature of their own: WEBHOOK_SECRET guards them.
    pytest.mark.usefixtures("guarded"),
]

Status = Notice.Status


@pytest.fixture
def guarded(settings: Any) -> None:
    settings.ANYMAIL = mail_services.ANYMAIL


@pytest.fixture
def notice() -> Notice:
    return make_notice(make_professional(email="aisha@example.com"))


def event_about(notice: Notice, event_type: str, **more: Any) -> AnymailTrackingEvent:
    said = {
        "event_id": None,
        "timestamp": MARCH,
        "message_id": notice.message_id,
        "recipient": notice.address,
        "metadata": {"notice": str(notice.pk)},
        "esp_event": {},
    } | more
    return AnymailTrackingEvent(event_type=event_type, **said)


def tell(*events: AnymailTrackingEvent, service: str = "Test") -> None:
    for event in events:
        tracking.send(sender=None, event=event, esp_name=service)


def status_of(notice: Notice) -> str:
    notice.refresh_from_db()
    return notice.status


def suppressed() -> dict[str, str]:
    return dict(SuppressedAddress.objects.values_list("address", "reason"))


def reports(table: dict[str, mail_services.Reporter]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("report", table.values(), ids=table.keys())


class TestWebhook:
    @reports(mail_services.DELIVERED)
    def test_delivers(self, client: Client, notice: Notice, report: mail_services.Reporter):
        response = report(notice).post(client)

        assert response.status_code == 200
        assert status_of(notice) == Status.DELIVERED
        assert notice.events.get().event_type == "delivered"
        assert suppressed() == {}

    @reports(mail_services.HARD_BOUNCE)
    def test_suppresses_after_a_hard_bounce(
        self, client: Client, notice: Notice, report: mail_services.Reporter
    ):
        report(notice).post(client)

        assert status_of(notice) in {Status.BOUNCED, Status.FAILED}
        assert notice.reason
        assert suppressed() == {"aisha@example.com": "bounced"}
        assert SuppressedAddress.objects.get().notice == notice

    @reports(mail_services.SOFT_BOUNCE)
    def test_suppresses_nobody_after_a_soft_bounce(
        self, client: Client, notice: Notice, report: mail_services.Reporter
    ):
        report(notice).post(client)

        assert notice.events.exists()
        assert suppressed() == {}

    @reports(mail_services.COMPLAINT)
    def test_suppresses_after_a_complaint(
        self, client: Client, notice: Notice, report: mail_services.Reporter
    ):
        report(notice).post(client)

        assert status_of(notice) == Status.COMPLAINED
        assert suppressed() == {"aisha@example.com": "complained"}

    @reports(mail_services.UNSUBSCRIBED)
    def test_declines_what_can_be_declined(
        self, client: Client, notice: Notice, report: mail_services.Reporter
    ):
        report(notice).post(client)

        declined = NoticeOptOut.objects.filter(professional=notice.professional)
        assert set(declined.values_list("kind", flat=True)) == {"reset", "expiry_warning"}
        assert status_of(notice) == Status.SENT

    @reports(mail_services.DELIVERED | {"a bounce": mail_services.HARD_BOUNCE["Postmark"]})
    def test_told_twice_is_told_once(
        self, client: Client, notice: Notice, report: mail_services.Reporter
    ):
        told = report(notice)

        statuses = [told.post(client).status_code for _ in range(3)]

        assert statuses == [200, 200, 200]
        assert notice.events.count() == 1

    def test_tells_a_bounce_and_a_complaint_of_one_number_apart(
        self, client: Client, notice: Notice
    ):
        mail_services.postmark(notice, "Bounce").post(client)
        mail_services.postmark(notice, "SpamComplaint").post(client)

        assert notice.events.count() == 2
        assert suppressed() == {"aisha@example.com": "complained"}

    def test_passes_over_the_hosts_other_mail(self, client: Client, notice: Notice):
        stranger = Notice(pk=notice.pk, address="omar@example.com", message_id="other-1")
        report = mail_services.brevo(stranger, "hard_bounce")
        report.document["X-Mailin-custom"] = "{}"

        response = report.post(client)

        assert response.status_code == 200
        assert not NoticeEvent.objects.exists()
        assert suppressed() == {}


class TestOrder:
    EVENTS = ("queued", "sent", "deferred", "delivered", "opened", "bounced", "complained")

    # Which event outranks which is Python's to say; any two are told on every engine.
    @pytest.mark.engine("sqlite")
    @pytest.mark.parametrize(
        ("told", "end"),
        [
            (("queued", "sent", "deferred"), Status.SENT),
            (("queued", "sent", "rejected"), Status.FAILED),
            (("queued", "sent", "failed", "delivered"), Status.DELIVERED),
            (("deferred", "delivered", "opened", "clicked"), Status.DELIVERED),
            (("sent", "delivered", "autoresponded", "unknown"), Status.DELIVERED),
            (("sent", "delivered", "opened", "bounced"), Status.BOUNCED),
            (("sent", "delivered", "bounced", "complained"), Status.COMPLAINED),
            (("sent", "delivered", "unsubscribed", "subscribed"), Status.DELIVERED),
        ],
    )
    @pytest.mark.parametrize("before", [Status.SENT, Status.SENDING, Status.PARKED, Status.PENDING])
    def test_does_not_matter(self, notice: Notice, told: tuple[str, ...], end: str, before: str):
        seen = set()
        for order in itertools.permutations(told):
            SuppressedAddress.objects.all().delete()
            NoticeEvent.objects.all().delete()
            NoticeOptOut.objects.all().delete()
            Notice.objects.update(status=before, reason="", sent_at=None)

            tell(*(event_about(notice, event, reject_reason="bounced") for event in order))

            seen.add((status_of(notice), tuple(suppressed().items()), NoticeOptOut.objects.count()))

        assert len(seen) == 1
        assert seen.pop()[0] == end

    @pytest.mark.parametrize("first", EVENTS)
    @pytest.mark.parametrize("second", EVENTS)
    def test_does_not_matter_for_any_two(self, notice: Notice, first: str, second: str):
        ends = set()
        for order in ((first, second), (second, first)):
            NoticeEvent.objects.all().delete()
            Notice.objects.update(status=Status.SENT)
            tell(*(event_about(notice, event) for event in order))
            ends.add(status_of(notice))

        assert len(ends) == 1

    def test_settles_an_unclear_answer(self):
        parked = make_notice(
            make_professional(), status=Status.PARKED, reason="killed", message_id="", sent_at=None
        )

        tell(event_about(parked, "delivered", message_id="late-1"))

        assert status_of(parked) == Status.DELIVERED
        assert (parked.message_id, parked.sent_at, parked.reason) == ("late-1", MARCH, "")

    def test_leaves_a_suppressed_address_that_was_cleared(self, notice: Notice):
        bounce = event_about(notice, "bounced", reject_reason="bounced")
        tell(bounce)
        SuppressedAddress.objects.all().delete()

        tell(bounce)

        assert suppressed() == {}


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_the_same_and_other_events_end_as_one_after_the_other(self, notice: Notice):
        told = [
            event_about(notice, event, event_id=f"evt-{event}", reject_reason="bounced")
            for event in ("sent", "delivered", "bounced", "complained", "unsubscribed")
        ]

        def tell_in_a_thread(event: AnymailTrackingEvent) -> None:
            try:
                tell(event)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(tell_in_a_thread, told * 4))

        assert status_of(notice) == Status.COMPLAINED
        assert notice.events.count() == len(told)
        assert suppressed() == {"aisha@example.com": "complained"}
        assert NoticeOptOut.objects.count() == 2


class TestMatching:
    def test_finds_the_notice_by_message_id_with_or_without_brackets(self, notice: Notice):
        tell(event_about(notice, "delivered", metadata={}, message_id=f"<{notice.message_id}>"))

        assert status_of(notice) == Status.DELIVERED

    @pytest.mark.parametrize(
        "metadata", [None, [], {"notice": None}, {"notice": "x1"}, {"notice": "٣"}]
    )
    def test_falls_back_to_the_message_id(self, notice: Notice, metadata: Any):
        tell(event_about(notice, "delivered", metadata=metadata))

        assert status_of(notice) == Status.DELIVERED

    @pytest.mark.parametrize(
        "claim",
        [
            pytest.param({"recipient": "omar@example.com"}, id="other recipient"),
            pytest.param({"recipient": None, "message_id": "other-1"}, id="other message"),
            pytest.param({"recipient": None, "message_id": None}, id="nothing to agree"),
        ],
    )
    def test_refuses_what_does_not_agree(
        self, notice: Notice, claim: dict[str, Any], caplog: pytest.LogCaptureFixture
    ):
        tell(event_about(notice, "complained", **claim))

        assert status_of(notice) == Status.SENT
        assert suppressed() == {}
        assert caplog.messages == [f"tracking event disagrees notice={notice.pk} type=complained"]

    def test_takes_the_word_of_an_earlier_attempt(self, notice: Notice):
        tell(event_about(notice, "delivered", message_id="first-attempt"))

        assert status_of(notice) == Status.DELIVERED
        assert notice.message_id != "first-attempt"

    def test_knows_the_recipient_whatever_the_case(self, notice: Notice):
        tell(event_about(notice, "complained", recipient="Aisha@Example.COM"))

        assert suppressed() == {"aisha@example.com": "complained"}

    def test_tells_different_events_without_an_id_apart(self, notice: Notice):
        later = MARCH + timedelta(hours=1)

        tell(event_about(notice, "opened"), event_about(notice, "opened", timestamp=later))

        assert notice.events.count() == 2

    def test_keeps_the_address_out_of_the_events_id(self, notice: Notice):
        tell(event_about(notice, "opened", event_id="aisha@example.com/1"))

        assert "aisha" not in notice.events.get().event_id

    def test_operators_cannot_unsubscribe_by_accident(self):
        summary = make_notice(kind=Notice.Kind.RUN_SUMMARY)

        tell(event_about(summary, "unsubscribed"))

        assert not NoticeOptOut.objects.exists()


class TestFailing:
    def test_never_raises_nor_names_anybody(
        self,
        notice: Notice,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ):
        def fail(*args: Any, **kwargs: Any) -> None:
            raise ValueError("Key (address)=(aisha@example.com)\nis taken")

        monkeypatch.setattr("credits.notices.tracking.suppress", fail)
        complaint = event_about(notice, "complained", event_id="evt\n1")

        with caplog.at_level(logging.DEBUG, logger="credits"):
            tell(complaint)

        (message,) = caplog.messages
        assert message.startswith(f"tracking event lost notice={notice.pk} event=Test:complained:")
        assert message.endswith("error=ValueError")
        assert "\n" not in message
        assert "aisha" not in caplog.text
        # All or nothing: the next time it is told, it is new.
        assert not NoticeEvent.objects.exists()
        assert status_of(notice) == Status.SENT

    def test_does_not_lose_the_rest_of_a_batch(
        self, notice: Notice, monkeypatch: pytest.MonkeyPatch
    ):
        other = make_notice(make_professional())
        monkeypatch.setattr("credits.notices.tracking.suppress", lambda *args: 1 / 0)

        tell(event_about(notice, "complained"), event_about(other, "delivered"))

        assert status_of(other) == Status.DELIVERED

    @pytest.mark.parametrize(
        "event",
        [
            {"description": "a\x00b\ud800", "mta_response": "550 no\r\nlog line=1"},
            {"event_id": "x" * 5000},
            {"event_id": 7, "timestamp": "yesterday"},
            {"message_id": "y" * 5000},
            {"timestamp": None, "esp_event": None},
            {"timestamp": MARCH.replace(tzinfo=None)},
            {"reject_reason": "z" * 500},
        ],
    )
    def test_takes_any_text(self, notice: Notice, event: dict[str, Any]):
        tell(event_about(notice, "bounced", **event))

        assert status_of(notice) == Status.BOUNCED
        assert len(notice.reason) <= 60
        assert notice.events.get().description.isprintable()

    def test_asks_again_for_what_the_database_could_not_take(
        self, client: Client, notice: Notice, monkeypatch: pytest.MonkeyPatch
    ):
        report = mail_services.postmark(notice, "SpamComplaint")

        def fail(*args: Any, **kwargs: Any) -> None:
            error = OperationalError("server closed the connection unexpectedly")
            # As psycopg's errors of a broken connection: no state.
            raise error

        with monkeypatch.context() as broken:
            broken.setattr("credits.notices.tracking.suppress", fail)
            down = report.post(client)
        up = report.post(client)

        assert (down.status_code, up.status_code) == (503, 200)
        assert suppressed() == {"aisha@example.com": "complained"}

    def test_does_not_ask_again_for_what_will_never_do(
        self, client: Client, notice: Notice, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("credits.notices.tracking.suppress", lambda *args: 1 / 0)

        assert mail_services.postmark(notice, "SpamComplaint").post(client).status_code == 200

    def test_counts_what_was_missed(self, notice: Notice, monkeypatch: pytest.MonkeyPatch):
        def fail(*args: Any, **kwargs: Any) -> None:
            raise OperationalError("gone")

        monkeypatch.setattr("credits.notices.tracking.suppress", fail)

        with missed_events() as missed:
            receive(None, event=event_about(notice, "complained"), esp_name="Test")

        assert missed == ["complained"]
