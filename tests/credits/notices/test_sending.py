"""credits.notices.sending: who gets what, once, and what remains of it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.exceptions import MailMisconfigured
from credits.models import Notice, SuppressedAddress
from credits.notices import claiming
from credits.notices.handing_over import Mailer
from credits.notices.outcomes import Again, Misconfigured, Refused, Sent, Unclear
from credits.notices.pacing import MOST_ATTEMPTS, Pace
from credits.notices.recipients import Recipient, recipient_of
from credits.notices.sending import HOPELESS_AFTER, TROUBLE_IN_A_ROW, Sender
from tests.factories import MARCH, give_lot, make_professional, promise

pytestmark = pytest.mark.django_db

NOON = MARCH.replace(hour=12)
NIGHT = MARCH.replace(hour=22)
Status = Notice.Status


class Scripted(Mailer):
    """A mailer that answers as told, and sends for good where it was told nothing."""

    def __init__(self, *outcomes, remembers=None):
        super().__init__()
        self.outcomes = list(outcomes)
        self.remembers = remembers
        self.asked = []

    @property
    def remembers_keys_for(self):
        return self.remembers

    def hand_over(self, notice, message, *, now):
        row = Notice.objects.get(pk=notice.pk)
        assert row.status == Status.SENDING
        self.asked.append(notice.pk)
        return self.outcomes.pop(0) if self.outcomes else Sent("id")


def sender(mailer=None, *, at=NOON, **options):
    pace = Pace(1, monotonic=lambda: 0, sleep=lambda seconds: None)
    return Sender(mailer or Mailer(), clock=lambda: at, pace=pace, using="default", **options)


def send(mailer=None, *, at=NOON, limit=None, **options):
    it = sender(mailer, at=at, **options)
    it.send_due(limit=limit)
    return it


def warn(professional, day, *, lead=7, **fields):
    return promise(
        professional,
        kind=Notice.Kind.EXPIRY_WARNING,
        context={"day": day, "lead": lead, "credits": 10},
        **fields,
    )


class TestSend:
    def test_marks_and_sends_each_by_itself(self):
        aisha, omar = make_professional(), make_professional()
        first, second = promise(aisha), promise(omar)

        counts = send().counts

        assert [sent.to for sent in mail.outbox] == [[aisha.email], [omar.email]]
        assert counts.sent == 2
        for notice in (first, second):
            notice.refresh_from_db()
            assert (notice.status, notice.attempts, notice.sent_at) == (Status.SENT, 1, NOON)
            assert notice.message_id.endswith("@homezy.example>")
            assert notice.address == notice.professional.email

    def test_a_second_sender_finds_nothing(self):
        promise(make_professional())
        send()

        assert send().counts.sent == 0
        assert len(mail.outbox) == 1

    def test_sends_at_most_the_limit_longest_due_first(self):
        late = promise(make_professional())
        early = promise(make_professional(), next_attempt_at=NOON - timedelta(hours=1))
        mailer = Scripted()

        send(mailer, limit=1)

        assert mailer.asked == [early.pk]
        late.refresh_from_db()
        assert (late.status, late.next_attempt_at) == (Status.PENDING, NOON)

    def test_goes_to_operators_at_any_hour(self):
        promise(
            kind=Notice.Kind.RUN_LATE,
            address="ops@example.com",
            context={"job": "expire_credits", "about": "2026-03-01", "command": "manage.py x"},
        )

        send(at=NIGHT)

        assert mail.outbox[0].to == ["ops@example.com"]

    def test_waits_for_the_morning_of_a_professional(self):
        notice = promise(make_professional())

        counts = send(at=NIGHT).counts

        notice.refresh_from_db()
        assert (counts.postponed, mail.outbox) == (1, [])
        assert (notice.status, notice.attempts) == (Status.PENDING, 0)
        assert notice.next_attempt_at == MARCH.replace(day=2, hour=4, minute=0)

    def test_sends_nothing_to_a_suppressed_address(self):
        notice = promise(make_professional(email="gone@example.com"))
        SuppressedAddress.objects.create(
            address="gone@example.com", reason="bounced", created_at=NOON
        )

        counts = send().counts

        notice.refresh_from_db()
        assert counts.suppressed == 1
        assert (notice.status, notice.reason) == (
            Status.SUPPRESSED,
            "address suppressed: bounced",
        )

    def test_sends_nothing_when_the_credits_were_spent(self):
        notice = warn(make_professional(), "2026-03-05")

        counts = send().counts

        notice.refresh_from_db()
        assert (counts.suppressed, mail.outbox) == (1, [])
        assert notice.reason.startswith("No credits expire any more")

    def test_a_fault_of_the_host_s_function_harms_one_notice(self, settings):
        settings.CREDITS = {**settings.CREDITS, "RECIPIENT": f"{__name__}.faulty_recipient"}
        bad = promise(make_professional(email="bad@example.com"))
        good = promise(make_professional())

        counts = send().counts

        assert (counts.retried, counts.sent) == (1, 1)
        bad.refresh_from_db()
        good.refresh_from_db()
        assert (bad.status, bad.attempts, bad.reason) == (Status.PENDING, 1, "KeyError: 'zone'")
        assert good.status == Status.SENT

    def test_stops_between_two_notices_when_told(self):
        first, second = promise(make_professional()), promise(make_professional())
        mailer = Scripted()

        it = send(mailer, should_stop=lambda: bool(mailer.asked))

        second.refresh_from_db()
        assert it.was_stopped
        assert mailer.asked == [first.pk]
        assert (second.status, second.next_attempt_at) == (Status.PENDING, NOON)

    def test_asks_a_fixed_number_of_questions_for_each(self):
        def cost(count):
            for _ in range(count):
                promise(make_professional())
            with CaptureQueriesContext(connection) as captured:
                send()
            return len(captured)

        assert cost(5) - cost(4) == cost(6) - cost(5)


def faulty_recipient(user):
    if user.email.startswith("bad"):
        raise KeyError("zone")
    return recipient_of(user)


class TestOutcomes:
    def only(self, outcome, **options):
        notice = promise(make_professional())
        it = send(Scripted(outcome, **options))
        notice.refresh_from_db()
        return notice, it.counts

    def test_a_refusal_fails_that_notice_alone(self):
        refused, kept = promise(make_professional()), promise(make_professional())

        counts = send(Scripted(Refused("no such box"))).counts

        refused.refresh_from_db()
        kept.refresh_from_db()
        assert (counts.failed, counts.sent) == (1, 1)
        assert (refused.status, refused.reason, refused.sent_at) == (
            Status.FAILED,
            "no such box",
            None,
        )
        assert kept.status == Status.SENT

    def test_what_was_not_taken_waits(self):
        notice, counts = self.only(Again("busy", after=timedelta(hours=2)))

        assert counts.retried == 1
        assert (notice.status, notice.attempts, notice.sent_at) == (Status.PENDING, 1, None)
        assert notice.next_attempt_at == NOON + timedelta(hours=2)

    def test_what_was_never_taken_fails_in_the_end(self):
        notice = promise(make_professional(), attempts=MOST_ATTEMPTS - 1)

        counts = send(Scripted(Again("busy"))).counts

        notice.refresh_from_db()
        assert counts.failed == 1
        assert (notice.status, notice.attempts) == (Status.FAILED, MOST_ATTEMPTS)

    def test_what_may_have_been_taken_is_parked(self):
        notice, counts = self.only(Unclear("timeout"))

        assert counts.parked == 1
        assert (notice.status, notice.reason, notice.sent_at) == (Status.PARKED, "timeout", NOON)

    def test_what_may_have_been_taken_goes_again_with_its_key(self):
        notice, counts = self.only(Unclear("timeout"), remembers=timedelta(hours=24))

        assert (counts.retried, counts.sent) == (1, 1)
        assert (notice.status, notice.attempts) == (Status.SENT, 2)

    def test_what_is_never_answered_for_is_parked_though_it_has_a_key(self):
        notice = promise(make_professional())
        outcomes = [Unclear("timeout")] * MOST_ATTEMPTS

        counts = send(Scripted(*outcomes, remembers=timedelta(hours=24))).counts

        notice.refresh_from_db()
        assert (notice.status, notice.attempts) == (Status.PARKED, MOST_ATTEMPTS)
        assert counts.parked == 1

    def test_a_key_that_the_service_forgot_is_not_used(self):
        notice = promise(
            make_professional(), sent_at=NOON - timedelta(minutes=15), reason="timeout"
        )
        mailer = Scripted(remembers=timedelta(minutes=15))

        counts = send(mailer).counts

        notice.refresh_from_db()
        assert (mailer.asked, counts.parked) == ([], 1)
        assert (notice.status, notice.reason) == (Status.PARKED, "timeout")

    def test_busy_after_unclear_is_still_unclear_in_the_end(self):
        notice = promise(
            make_professional(), attempts=MOST_ATTEMPTS - 1, sent_at=NOON - timedelta(hours=1)
        )

        send(Scripted(Again("busy"), remembers=timedelta(hours=24)))

        notice.refresh_from_db()
        assert (notice.status, notice.sent_at) == (Status.PARKED, NOON - timedelta(hours=1))

    def test_wrong_settings_stop_at_once_and_count_nothing(self):
        notices = [promise(make_professional()) for _ in range(3)]
        mailer = Scripted(Misconfigured("no key"))

        with pytest.raises(MailMisconfigured, match="^The mail settings do not work: no key$"):
            send(mailer)

        assert len(mailer.asked) == 1
        for notice in notices:
            notice.refresh_from_db()
            assert (notice.status, notice.attempts, notice.sent_at, notice.next_attempt_at) == (
                Status.PENDING,
                0,
                None,
                NOON,
            )

    def test_a_service_that_is_down_is_left_alone(self):
        for _ in range(TROUBLE_IN_A_ROW + 5):
            promise(make_professional())
        mailer = Scripted(*[Again("503")] * (TROUBLE_IN_A_ROW + 5))

        it = send(mailer)

        assert len(mailer.asked) == TROUBLE_IN_A_ROW
        assert it.given_up.startswith("10 notices in a row could not be sent; the last: 503.")
        assert Notice.objects.due(NOON).count() == 5

    def test_refusing_everybody_is_nobody_s_fault(self):
        for _ in range(HOPELESS_AFTER + 5):
            promise(make_professional())

        it = send(Scripted(*[Refused("sender unknown")] * (HOPELESS_AFTER + 5)))

        assert it.given_up.startswith("20 notices were refused and none sent")
        assert Notice.objects.due(NOON).count() == 5

    def test_a_webhook_that_came_first_is_not_undone(self):
        notice = promise(make_professional())

        class Early(Scripted):
            def hand_over(self, notice, message, *, now):
                Notice.objects.filter(pk=notice.pk).update(status=Status.DELIVERED)
                return Sent("id")

        send(Early())

        notice.refresh_from_db()
        assert (notice.status, notice.message_id) == (Status.DELIVERED, "id")


class TestMerging:
    def test_several_warnings_are_one_mail_until_the_last_day(self):
        aisha = make_professional()
        for day in (3, 5, 6):
            give_lot(aisha, 10, expires_at=MARCH.replace(day=day))
        first = warn(aisha, "2026-03-05")
        second = warn(aisha, "2026-03-03")
        third = warn(aisha, "2026-03-06", next_attempt_at=NOON + timedelta(hours=1))
        stranger = warn(make_professional(), "2026-03-05")

        counts = send().counts

        for notice in (first, second, third, stranger):
            notice.refresh_from_db()
        assert (counts.sent, counts.merged, len(mail.outbox)) == (1, 2, 1)
        assert first.context["until"] == "2026-03-06"
        told = (Status.SUPPRESSED, f"told with notice {first.pk}")
        assert (first.status, second.status, second.reason) == (Status.SENT, *told)
        assert (third.status, third.reason) == told
        assert "30" in mail.outbox[0].body

    def test_a_merged_mail_that_must_wait_still_tells_it_all(self):
        aisha = make_professional()
        for day in (3, 6):
            give_lot(aisha, 10, expires_at=MARCH.replace(day=day))
        first = warn(aisha, "2026-03-03")
        warn(aisha, "2026-03-06")

        send(Scripted(Again("busy", after=timedelta(minutes=1))))
        send(at=NOON + timedelta(hours=1))

        first.refresh_from_db()
        assert (first.status, first.attempts) == (Status.SENT, 2)
        assert len(mail.outbox) == 1
        assert "20" in mail.outbox[0].body

    def test_what_was_handed_over_once_takes_nothing_in(self):
        aisha = make_professional()
        for day in (3, 6):
            give_lot(aisha, 10, expires_at=MARCH.replace(day=day))
        warn(aisha, "2026-03-03", sent_at=NOON - timedelta(minutes=5))
        warn(aisha, "2026-03-06")
        mailer = Scripted(remembers=timedelta(hours=24))

        counts = send(mailer).counts

        assert (counts.sent, counts.merged) == (2, 0)


class TestClaiming:
    def test_what_one_has_another_passes_over(self):
        promise(make_professional())
        (mine,) = claiming.claim(NOON, size=10, using="default")

        assert claiming.claim(NOON, size=10, using="default") == []
        assert mine.next_attempt_at == NOON + claiming.LEASE

    def test_a_lease_runs_out_and_its_holder_notices(self):
        notice = promise(make_professional())
        (slow,) = claiming.claim(NOON, size=10, using="default")
        later = NOON + claiming.LEASE
        (quick,) = claiming.claim(later, size=10, using="default")
        recipient = Recipient("a@example.com", "", "en", ZoneInfo("UTC"))

        assert claiming.begin(quick, recipient, [], now=later, using="default") == 0
        assert claiming.begin(slow, recipient, [], now=later, using="default") is None
        notice.refresh_from_db()
        assert notice.attempts == 1

    @pytest.mark.parametrize(
        ("remembers", "status"),
        [(None, Status.PARKED), (timedelta(minutes=5), Status.PARKED), (timedelta(1), Status.SENT)],
        ids=["no key", "key forgotten", "key known"],
    )
    def test_a_killed_sender_s_notice_is_judged(self, remembers, status):
        notice = promise(
            make_professional(),
            status=Status.SENDING,
            attempts=1,
            sent_at=NOON - claiming.LEASE,
        )

        send(Scripted(remembers=remembers))

        notice.refresh_from_db()
        assert notice.status == status

    def test_a_live_sender_s_notice_is_left_alone(self):
        notice = promise(
            make_professional(),
            status=Status.SENDING,
            attempts=1,
            sent_at=NOON,
            next_attempt_at=NOON + timedelta(seconds=1),
        )

        send(Scripted())

        notice.refresh_from_db()
        assert notice.status == Status.SENDING

    def test_an_answer_after_all_is_believed(self):
        notice = promise(make_professional())

        class Slow(Scripted):
            def hand_over(self, notice, message, *, now):
                Notice.objects.filter(pk=notice.pk).update(
                    status=Status.PARKED, next_attempt_at=now
                )
                return Sent("id")

        send(Slow())

        notice.refresh_from_db()
        assert (notice.status, notice.message_id, notice.reason) == (Status.SENT, "id", "")
