import re
import unicodedata
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import html5lib
import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from credits.conf import get_settings
from credits.exceptions import NothingToSay
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import grant_bonus
from credits.models import CreditType, JobFailure, JobRun, Notice
from credits.notices import composing
from credits.notices.composing import Message, compose
from credits.notices.previewing import preview
from homezy.models import User, Verification
from tests.factories import (
    JANUARY,
    JULY_15,
    MARCH,
    buy,
    correct,
    give_lot,
    make_professional,
    make_run,
    new_key,
    prolong,
    undo,
    use,
)

pytestmark = pytest.mark.django_db

JULY_9 = datetime(2026, 7, 9, 6, tzinfo=UTC)
"""Six days before what was bought in ``JANUARY`` expires."""

JULY_16_IN_DUBAI = datetime(2026, 7, 15, 20, tzinfo=UTC)
"""The first moment of 16 July in Dubai."""

STOP = "https://homezy.example/stop/?token=a:b"

KINDS = Notice.Kind.values
LANGUAGES = ["en", "ar"]
EVERY_MAIL = [(kind, language) for kind in KINDS for language in LANGUAGES]

SAMPLE_ERROR = "integer out of range"

ISOLATE, END = "\u2068", "\u2069"


@pytest.fixture(autouse=True)
def known_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the link that stops mails be a known one where there is a site to link to."""
    monkeypatch.setattr(
        composing,
        "unsubscribe_url",
        lambda *, professional_id, kind: STOP if get_settings().site_url else "",
    )


def credits_settings(**changed: Any) -> override_settings:
    return override_settings(CREDITS=settings.CREDITS | changed)


def make_notice(kind: str, professional: User | None = None, **fields: Any) -> Notice:
    fields = {"next_attempt_at": JULY_9, "created_at": JULY_9, "key": new_key(kind)} | fields
    return Notice.objects.create(kind=kind, professional=professional, **fields)


def make_warning(professional: User, day: str = "2026-07-15") -> Notice:
    context = {"day": day, "lead": 7, "credits": 50}
    return make_notice("expiry_warning", professional, context=context)


def make_reset(professional: User, *, before: int = 30, after: int = 100) -> Notice:
    context = {"before": before, "after": after, "period": "2026-03"}
    return make_notice("reset", professional, context=context)


def make_aisha(**fields: Any) -> User:
    return make_professional(**({"first_name": "Aisha"} | fields))


def bare(text: str) -> str:
    """Leave out what cannot be seen."""
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cf")


class TestExpiryWarning:
    def test_reads_from_top_to_bottom(self):
        aisha = make_aisha(free=20, paid=50)

        message = compose(make_warning(aisha), at=JULY_9)

        assert message.subject == "50 of your credits expire soon: use them by 15 July, 13:00"
        assert message.text == (
            "50 of your credits expire soon\n"
            "\n"
            "Hi Aisha,\n"
            "\n"
            "You have 70 credits. 50 of them expire soon: use them by 15 July, 13:00."
            " Your 20 free credits are used first, then the credits that expire soonest.\n"
            "\n"
            "Usable until (Dubai time):\n"
            "\n"
            "- Wednesday, 15 July 2026, 13:00: 50 credits (Purchase of 15 January)\n"
            "\n"
            "If you do nothing, your balance will be 20 from 15 July, 13:00.\n"
            "\n"
            "Use your credits: https://homezy.example/leads\n"
            "\n"
            "-- \n"
            "Purchased credits are valid for 6 months."
            " We remind you 7 days before credits of yours expire.\n"
            f"Stop expiry reminders: {STOP}\n"
            "\n"
            "Homezy · https://homezy.example\n"
        )

    def test_says_it_in_arabic_to_who_reads_arabic(self):
        aisha = make_aisha(free=20, paid=50, language="ar", first_name="عائشة")

        message = compose(make_warning(aisha), at=JULY_9)

        assert bare(message.subject) == (
            "ينتهي 50 من أرصدتك قريبًا: استخدمها حتى 15 يوليو، الساعة 13:00"
        )
        assert "مرحبًا عائشة،" in bare(message.text)
        assert "الأربعاء، 15 يوليو 2026، الساعة 13:00: 50 رصيدًا (شراء 15 يناير)" in bare(
            message.text
        )
        assert message.recipient.language == "ar"
        assert message.headers["Content-Language"] == "ar"

    def test_names_the_day_before_when_a_lot_is_gone_at_midnight(self):
        aisha = make_aisha()
        give_lot(aisha, 10, expires_at=JULY_16_IN_DUBAI)

        message = compose(make_warning(aisha), at=JULY_9)

        assert "use them by 15 July" in message.subject
        assert "- Wednesday, 15 July 2026: 10 credits" in message.text
        assert "your balance will be 0 from 16 July." in message.text

    def test_counts_in_the_zone_of_its_reader(self):
        aisha = make_aisha(time_zone="America/New_York")
        give_lot(aisha, 10, expires_at=JULY_16_IN_DUBAI)

        message = compose(make_warning(aisha), at=JULY_9)

        assert "Usable until (New York time):" in message.text
        assert "- Wednesday, 15 July 2026, 16:00: 10 credits" in message.text

    def test_lists_every_lot_until_the_end_of_the_day_and_none_after(self):
        aisha = make_aisha(paid=50)
        give_lot(aisha, 7, expires_at=datetime(2026, 7, 12, 9, tzinfo=UTC))
        give_lot(aisha, 5, expires_at=datetime(2026, 7, 15, 23, 59, tzinfo=UTC))
        give_lot(aisha, 400, expires_at=datetime(2026, 7, 16, tzinfo=UTC))

        message = compose(make_warning(aisha), at=JULY_9)

        assert re.findall(r"(\d+) credits \(", message.text) == ["7", "50", "5"]
        assert message.subject.startswith("62 of your credits")
        assert "the first can be used until 12 July, 13:00" in message.text
        assert "your balance will be 400 from 16 July, 03:59" in message.text

    def test_reaches_to_the_day_its_sender_merges_up_to(self):
        aisha = make_aisha(paid=50)
        give_lot(aisha, 10, expires_at=datetime(2026, 7, 16, 9, tzinfo=UTC))

        message = compose(make_warning(aisha), at=JULY_9, until=date(2026, 7, 16))

        assert message.subject.startswith("60 of your credits")

    def test_tells_an_extension_from_a_bonus(self):
        aisha = make_aisha()
        prolong(buy(aisha, 6), datetime(2026, 9, 1, tzinfo=UTC), at=JULY_9)
        give_lot(aisha, 4, expires_at=datetime(2026, 8, 20, tzinfo=UTC), at=JULY_9)

        message = compose(make_warning(aisha, "2026-09-01"), at=JULY_15)

        assert "4 credits (Bonus of 9 July)" in message.text
        assert "6 credits (Extension of 9 July)" in message.text

    @pytest.mark.parametrize(
        ("origin", "phrase"),
        [
            ("purchase", "Purchase of 15 January"),
            ("bonus", "Bonus of 15 January"),
            ("adjustment", "Adjustment of 15 January"),
        ],
    )
    def test_has_a_phrase_for_each_origin(self, origin: str, phrase: str):
        aisha = make_aisha()
        match origin:
            case "purchase":
                buy(aisha, 5)
            case "bonus":
                give_lot(aisha, 5, expires_at=JULY_15)
            case "adjustment":
                correct(aisha, 5, CreditType.PAID, at=JANUARY)

        message = compose(make_warning(aisha), at=JULY_9)

        assert f"5 credits ({phrase})" in message.text
        assert phrase in bare_html(message)

    def test_explains_how_long_a_refund_lasts(self):
        aisha = make_aisha(paid=10)
        undo(use(aisha, 10, at=JANUARY), at=JULY_15)

        message = compose(make_warning(aisha, "2026-08-14"), at=datetime(2026, 8, 10, tzinfo=UTC))

        assert "10 credits (Refund of 15 July)" in message.text
        assert "Credits refunded after their own expiry are valid for 30 days." in message.text

    def test_counts_the_reset_that_comes_before(self):
        aisha = make_aisha(free=20)
        give_lot(aisha, 10, expires_at=datetime(2026, 8, 2, tzinfo=UTC))

        message = compose(make_warning(aisha, "2026-08-02"), at=datetime(2026, 7, 28, tzinfo=UTC))

        assert "your balance will be 100 from 2 August, 04:00." in message.text
        assert "That counts 100 free credits of the next monthly reset." in message.text

    def test_counts_no_reset_for_who_gets_none(self):
        aisha = make_aisha(free=20, verification=Verification.PENDING)
        give_lot(aisha, 10, expires_at=datetime(2026, 8, 2, tzinfo=UTC))

        message = compose(make_warning(aisha, "2026-08-02"), at=datetime(2026, 7, 28, tzinfo=UTC))

        assert "your balance will be 20 from 2 August, 04:00." in message.text
        assert "next monthly reset" not in message.text

    def test_is_not_sent_when_the_credits_were_spent(self):
        aisha = make_aisha(paid=50)
        use(aisha, 50)

        with pytest.raises(NothingToSay):
            compose(make_warning(aisha), at=JULY_9)

    def test_is_not_sent_when_they_are_gone_already(self):
        aisha = make_aisha(paid=50)

        with pytest.raises(NothingToSay):
            compose(make_warning(aisha), at=JULY_15)

    def test_is_not_sent_when_what_is_left_is_too_little(self):
        aisha = make_aisha(paid=50)
        use(aisha, 46)

        with credits_settings(MIN_CREDITS_TO_WARN=5), pytest.raises(NothingToSay) as quiet:
            compose(make_warning(aisha), at=JULY_9)

        assert quiet.value.reason == "4 credits expire; fewer than 5 are lost without a word."

    def test_is_sent_when_exactly_enough_is_left(self):
        aisha = make_aisha(paid=50)
        use(aisha, 45)

        with credits_settings(MIN_CREDITS_TO_WARN=5):
            message = compose(make_warning(aisha), at=JULY_9)

        assert message.subject.startswith("5 of your credits expire soon")

    def test_names_every_lead(self):
        aisha = make_aisha(paid=50)

        with credits_settings(EXPIRY_WARNING_DAYS=[1, 30, 7]):
            message = compose(make_warning(aisha), at=JULY_9)

        assert "We remind you 30 days, 7 days and 1 day before" in message.text

    def test_asks_as_often_for_many_lots_as_for_one(self, django_assert_num_queries: Any):
        aisha, omar = make_aisha(paid=50), make_aisha()
        for size in range(1, 30):
            give_lot(omar, size, expires_at=JULY_15)
        few, many = make_warning(aisha), make_warning(omar)

        with CaptureQueriesContext(connection) as asked:
            compose(few, at=JULY_9)

        with django_assert_num_queries(len(asked)):
            compose(many, at=JULY_9)
        assert len(asked) == 3


class TestReset:
    def test_tells_of_a_rise(self):
        aisha = make_aisha(free=100, paid=112)

        message = compose(make_reset(aisha, before=30), at=MARCH)

        assert message.subject == "Your 100 free credits for March 2026 are here"
        assert "you had 30 left and now have 100." in message.text
        assert "Purchased credits: 112\nBalance now: 212\n" in message.text

    def test_tells_of_a_fall(self):
        aisha = make_aisha(free=100)

        message = compose(make_reset(aisha, before=120), at=MARCH)

        assert message.subject == "Your free credits for March 2026: 100"
        assert "you had 120 and now have 100." in message.text

    def test_follows_from_the_job(self):
        aisha = make_aisha(free=30)
        reset_monthly_credits(as_of=MARCH)

        message = compose(Notice.objects.get(professional=aisha), at=MARCH)

        assert message.subject == "Your 100 free credits for March 2026 are here"

    def test_takes_its_copy_from_the_rules(self):
        aisha = make_aisha(free=40)

        with credits_settings(MONTHLY_FREE_CREDITS=40, PURCHASE_VALIDITY_MONTHS=3):
            message = compose(make_reset(aisha, before=10, after=40), at=MARCH)

        assert "your free credits are set to 40," in message.text
        assert "valid for 3 months." in message.text
        assert not re.search(r"\b(100|6)\b", message.text)
        assert not re.search(r"\b(100|6 months)\b", bare_html(message))

    def test_has_nothing_to_say_of_no_change(self):
        with pytest.raises(NothingToSay):
            compose(make_reset(make_aisha(), before=100), at=MARCH)


class TestExpiryReceipt:
    @pytest.fixture
    def receipt(self) -> Notice:
        aisha = make_aisha(free=3, paid=50)
        give_lot(aisha, 10, expires_at=datetime(2026, 7, 15, 20, tzinfo=UTC))
        give_lot(aisha, 5, expires_at=datetime(2026, 9, 1, tzinfo=UTC))
        expire_credits(as_of=datetime(2026, 7, 16, 2, tzinfo=UTC))
        return Notice.objects.get(kind="expiry_receipt")

    def test_lists_what_was_lost_and_what_is_left(self, receipt: Notice):
        message = compose(receipt, at=datetime(2026, 7, 16, 6, tzinfo=UTC))

        assert message.subject == "60 of your credits have expired"
        assert "- Wednesday, 15 July 2026, 13:00: 50 credits (Purchase of 15" in message.text
        assert "- Wednesday, 15 July 2026: 10 credits (Bonus of 15 January)" in message.text
        assert "Expired: −60\nPurchased credits left: 5\nBalance now: 8\n" in message.text

    def test_cannot_be_declined(self, receipt: Notice):
        message = compose(receipt, at=datetime(2026, 7, 16, 6, tzinfo=UTC))

        assert not any(name.startswith("List-") for name in message.headers)
        assert STOP not in message.text + message.html

    def test_is_complete_without_its_run(self, receipt: Notice):
        receipt.run = None

        message = compose(receipt, at=datetime(2026, 7, 16, 6, tzinfo=UTC))

        assert "60 credits were not used in time" in message.text
        assert "Usable until" not in message.text


class TestRunMails:
    def test_sum_a_run_up(self):
        run = make_run(
            period="2026-03",
            total_count=1440,
            success_count=1440,
            credits_granted=74_120,
            credits_expired=1_810,
        )
        notice = make_notice("run_summary", run=run, address="ops@example.com", language="en")

        message = compose(notice, at=MARCH)

        assert message.subject == (
            f"Monthly credit reset: 1,440 succeeded, credits +72,310 (run {run.pk})"
        )
        assert "Credits granted: +74,120\nCredits expired: −1,810\n" in message.text
        assert f"/admin/credits/jobrun/{run.pk}/change/" in message.text
        assert "manage.py" not in message.text
        assert message.recipient.address == "ops@example.com"

    def test_list_who_failed_and_what_goes_on(self):
        run = make_run(
            period="2026-03",
            status=JobRun.Status.PARTIAL,
            total_count=25,
            error_count=25,
            error_summary="25 failed",
        )
        for _ in range(25):
            JobFailure.objects.create(run=run, professional=make_professional(), error="too\nlarge")

        message = compose(make_notice("run_failure", run=run, address="ops@example.com"), at=MARCH)

        assert message.subject == f"Monthly credit reset: 25 failed (run {run.pk})"
        assert "    manage.py reset_monthly_credits --period 2026-03\n" in message.text
        assert message.text.count(": too large\n") == 20
        assert "- and 5 more\n" in message.text

    def test_say_how_a_failed_run_is_continued(self):
        run = make_run(
            job=JobRun.Job.EXPIRY, status=JobRun.Status.FAILED, error_summary="disk <full>"
        )

        message = compose(make_notice("run_failure", run=run, address="ops@example.com"), at=MARCH)

        assert message.subject == f"Credit expiry: run {run.pk} failed"
        assert "disk <full>" in message.text
        assert "disk &lt;full&gt;" in message.html
        assert "What it committed stays. Go on with:\n\n    manage.py expire_credits\n" in (
            message.text
        )

    def test_tell_of_a_job_that_did_not_run(self):
        command = "manage.py reset_monthly_credits --period 2026-03"
        context = {"job": "reset_monthly_credits", "about": "2026-03", "command": command}

        message = compose(
            make_notice("run_late", context=context, address="ops@example.com"), at=MARCH
        )

        assert message.subject == "Late: Monthly credit reset for 2026-03 has not run"
        assert f"    {command}\n" in message.text

    def test_tell_of_a_run_after_trouble(self):
        run = make_run(job="expire_credits", success_count=3, total_count=3)

        message = compose(
            make_notice("run_recovered", run=run, address="ops@example.com"), at=MARCH
        )

        assert message.subject == f"Credit expiry works again (run {run.pk})"
        assert "Succeeded: 3\n" in message.text

    def test_have_nothing_to_say_of_a_run_that_is_gone(self):
        with pytest.raises(NothingToSay):
            compose(make_notice("run_summary", address="ops@example.com"), at=MARCH)


class TestHeaders:
    def test_keep_machines_from_answering(self):
        message = compose(make_reset(make_aisha()), at=MARCH)

        assert message.headers == {
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "Content-Language": "en",
            "List-Unsubscribe": f"<{STOP}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def test_have_no_link_without_a_site(self):
        aisha = make_aisha(paid=50)

        with credits_settings(SITE_URL="", ACTION_URL=""):
            message = compose(make_warning(aisha), at=JULY_9)

        assert not any(name.startswith("List-") for name in message.headers)
        assert "http" not in message.text
        assert "href=" not in message.html

    def test_go_with_what_the_mail_service_gives_back(self):
        notice = make_reset(make_aisha())

        message = compose(notice, at=MARCH)

        assert message.tags == ["credits-reset"]
        assert message.metadata == {"notice": str(notice.pk), "kind": "reset"}

    def test_link_a_button_only_where_it_leads_somewhere(self):
        notice = make_reset(make_aisha())

        with credits_settings(ACTION_URL=""):
            message = compose(notice, at=MARCH)

        assert "Use your credits" not in message.html + message.text


class TestWhatPeopleTyped:
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("Aisha\r\nBcc: x", id="newlines"),
            pytest.param("</title><script>alert(1)</script>", id="html"),
            pytest.param("Ai\x00sh\x1b[31ma\x07", id="control characters"),
            pytest.param("\u202eahsiA\u2066\u200f", id="bidi overrides"),
            pytest.param("\ud800Aisha", id="lone surrogate"),
            pytest.param("Aisha\u2028\u2029\x85", id="line separators"),
            pytest.param("\u2069\u2069Aisha", id="end of isolates"),
            pytest.param("عائشة", id="other direction"),
            pytest.param("{{ subject }}{% now 'Y' %} %(n)s", id="template"),
            pytest.param("A" * 500, id="too long"),
        ],
    )
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_breaks_nothing_as_a_name(self, language: str, name: str):
        aisha = make_aisha(paid=50, language=language)
        # A lone surrogate cannot even be stored, but a host's own function may return it.
        notice = make_warning(aisha)
        notice.professional.first_name = name

        message = compose(notice, at=JULY_9)

        check_whole(message)
        assert "<script" not in message.html
        assert "Bcc" not in message.subject
        assert len(message.recipient.name) <= 60

    def test_is_shown_as_it_is_when_it_looks_like_a_formula(self):
        message = compose(make_reset(make_aisha(first_name='=1+1&"x"')), at=MARCH)

        assert 'Hi =1+1&"x",' in message.text
        assert "Hi <bdi>=1+1&amp;&quot;x&quot;</bdi>," in message.html

    @pytest.mark.parametrize("name", ["evil.example", "http://e", "www.evil", "a@b", "Win! t.co/x"])
    def test_makes_no_link_of_a_name(self, name: str):
        message = compose(make_reset(make_aisha(first_name=name)), at=MARCH)

        assert "Hello," in message.text
        assert name not in message.text + message.html
        assert message.recipient.name == ""

    def test_keeps_a_name_that_only_has_points(self):
        message = compose(make_reset(make_aisha(first_name="Dr. A. Khan L.L.C.")), at=MARCH)

        assert "Hi Dr. A. Khan L.L.C.," in message.text

    def test_greets_a_business_that_gave_no_name(self):
        aisha = make_aisha(first_name="", business_name="<b>Cool\nAir</b>")

        message = compose(make_reset(aisha), at=MARCH)

        assert "Hi <b>Cool Air</b>," in message.text
        assert "<b>" not in message.html

    def test_stays_a_note_in_the_list_of_lots(self):
        aisha = make_aisha()
        grant_bonus(
            professional_id=aisha.pk,
            amount=5,
            credit_type=CreditType.PAID,
            at=JANUARY,
            description="<i>Gift</i>\r\n\u202eX",
            idempotency_key="gift",
        )

        message = compose(make_warning(aisha), at=JULY_9)

        assert "(Bonus of 15 January · <i>Gift</i> X)" in message.text
        assert "<i>" not in message.html
        check_whole(message)

    def test_stays_one_line_in_a_failure(self):
        run = make_run(status=JobRun.Status.FAILED, error_summary="bad\n<b>\u202e\x1b[2J" * 99)
        notice = make_notice("run_failure", run=run, address="ops@example.com")

        message = compose(notice, at=MARCH)

        check_whole(message)
        assert "<b>" not in message.html


class TestEveryMail:
    @pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
    def test_is_whole(self, kind: str, language: str):
        check_whole(preview(kind, language=language, at=JULY_9))

    @pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
    def test_is_small_and_valid(self, kind: str, language: str):
        html = preview(kind, language=language, at=JULY_9).html

        assert len(html.encode()) < 20_000
        html5lib.HTMLParser(strict=True).parse(html)

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_is_small_with_many_lots(self, language: str):
        aisha = make_aisha(language=language)
        for size in range(1, 16):
            give_lot(aisha, size, expires_at=JULY_15)

        html = compose(make_warning(aisha), at=JULY_9).html

        assert html.count('class="lot-credits') == 15
        assert len(html.encode()) < 20_000

    @pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
    def test_says_its_language_and_direction_everywhere(self, kind: str, language: str):
        html = preview(kind, language=language, at=JULY_9).html
        direction = "rtl" if language == "ar" else "ltr"

        opened = re.findall(r"<(?:html|body|table)\b[^>]*>", html)

        assert len(opened) >= 4
        for tag in opened:
            assert f'lang="{language}" dir="{direction}"' in tag

    @pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
    def test_has_a_preheader_and_a_dark_side(self, kind: str, language: str):
        html = preview(kind, language=language, at=JULY_9).html

        hidden = re.search(r'<div style="display: none[^>]*>(.*?)</div>', html, re.DOTALL)
        assert hidden is not None
        assert kind in {"run_summary", "run_recovered"} or re.match(r"\s*\w", hidden[1])
        assert '<meta name="color-scheme" content="light dark">' in html
        assert "@media (prefers-color-scheme: dark)" in html
        assert "[data-ogsc]" in html

    @pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
    def test_lays_out_with_tables_that_say_so(self, kind: str, language: str):
        html = preview(kind, language=language, at=JULY_9).html

        for table in re.findall(r"<table\b[^>]*>.*?(?=<table|</table>)", html, re.DOTALL):
            assert 'role="presentation"' in table or "<th " in table

    @pytest.mark.parametrize("kind", KINDS)
    def test_isolates_every_number_in_arabic_text(self, kind: str):
        message = preview(kind, language="ar", at=JULY_9)

        for part in (message.subject, without_links(message.text)):
            outside = re.sub(f"{ISOLATE}[^{ISOLATE}{END}]*{END}", "", part)
            outside = re.sub(f"{ISOLATE}[^{ISOLATE}{END}]*{END}", "", outside)
            assert not re.search(r"\d", outside)

    @pytest.mark.parametrize("kind", KINDS)
    def test_marks_the_direction_of_an_arabic_subject(self, kind: str):
        assert preview(kind, language="ar", at=JULY_9).subject.startswith("\u200f")

    @pytest.mark.parametrize("kind", KINDS)
    def test_has_nothing_invisible_in_english(self, kind: str):
        message = preview(kind, language="en", at=JULY_9)

        assert bare(message.subject) == message.subject
        assert bare(message.text) == message.text

    @pytest.mark.parametrize("kind", KINDS)
    def test_speaks_no_english_in_arabic(self, kind: str):
        message = preview(kind, language="ar", at=JULY_9)

        words = set(re.findall(r"[A-Za-z]{2,}", without_links(message.text)))

        # What the host and the database said, and nothing of ours.
        quoted = f"Homezy Starter web-1 {SAMPLE_ERROR} failed; the first with:"
        assert words <= set(re.findall(r"[A-Za-z]+", quoted))


class TestPlurals:
    @pytest.mark.parametrize(
        ("count", "subject"),
        [
            (1, "انتهى رصيد واحد من أرصدتك"),
            (2, "انتهى رصيدان من أرصدتك"),
            (3, "انتهت 3 من أرصدتك"),
            (11, "انتهى 11 من أرصدتك"),
            (100, "انتهى 100 من أرصدتك"),
            (1234, "انتهى 1,234 من أرصدتك"),
        ],
    )
    def test_are_those_of_arabic(self, count: int, subject: str):
        aisha = make_aisha(language="ar")
        notice = make_notice("expiry_receipt", aisha, context={"credits": count, "lots": 1})

        assert bare(compose(notice, at=MARCH).subject) == subject

    @pytest.mark.parametrize(
        ("count", "words"),
        [
            (1, "لديك رصيد واحد."),
            (2, "لديك رصيدان."),
            (7, "لديك 7 أرصدة."),
            (11, "لديك 11 رصيدًا."),
            (100, "لديك 100 رصيد."),
            (103, "لديك 103 أرصدة."),
        ],
    )
    def test_fit_each_number_in_a_sentence(self, count: int, words: str):
        aisha = make_aisha(paid=count, language="ar")

        assert words in bare(compose(make_warning(aisha), at=JULY_9).text)

    def test_know_one_in_english(self):
        aisha = make_aisha(paid=1)

        message = compose(make_warning(aisha), at=JULY_9)

        assert message.subject == "1 of your credits expires soon: use it by 15 July, 13:00"
        assert "You have 1 credit." in message.text


class TestLanguage:
    @pytest.mark.parametrize(
        ("wanted", "written"),
        [("ar-AE", "ar"), ("AR", "ar"), ("en-gb", "en"), ("fr", "en"), ("", "en"), ("x\n", "en")],
    )
    def test_is_the_nearest_there_is(self, wanted: str, written: str):
        notice = make_reset(make_aisha())
        notice.professional.language = wanted

        assert compose(notice, at=MARCH).headers["Content-Language"] == written

    @override_settings(LANGUAGES=[("en", "English"), ("fr", "Français")])
    def test_is_not_one_the_catalogue_lacks(self):
        notice = make_reset(make_aisha())
        notice.professional.language = "fr"

        message = compose(notice, at=MARCH)

        assert message.headers["Content-Language"] == "en"
        assert "March 2026" in message.subject


class TestTemplates:
    def test_give_way_to_the_host(self, tmp_path: Path):
        own = tmp_path / "credits" / "notices" / "reset.subject.txt"
        own.parent.mkdir(parents=True)
        own.write_text("{{ name }}:\n{{ after }}")
        templates = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]

        with override_settings(TEMPLATES=templates):
            message = compose(make_reset(make_aisha(first_name="Aisha & Co")), at=MARCH)

        assert message.subject == "Aisha & Co: 100"


def bare_html(message: Message) -> str:
    """Return what a reader sees of the HTML."""
    body = message.html.partition("<body")[2]
    return " ".join(re.sub(r"<[^>]+>", "", f"<body{body}").split())


def without_links(text: str) -> str:
    return re.sub(r"https?://\S+|manage\.py .*", "", text)


def check_whole(message: Message) -> None:
    """Check what no notice may break: a header, the HTML, the isolates, a template."""
    assert message.subject == " ".join(message.subject.split())
    for text in (message.subject, message.text):
        assert text.count(ISOLATE) == text.count(END)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066\u2067]", text)
        assert "%(n)s" in text or not re.search(r"\{[{%]|%\(", text)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066\u2067]", message.html)
    html5lib.HTMLParser(strict=True).parse(message.html)
    letter = EmailMessage()
    letter["Subject"] = message.subject
    for name, value in message.headers.items():
        letter[name] = value
    letter.set_content(message.text)
    letter.add_alternative(message.html, subtype="html")
    assert b"Bcc:" not in letter.as_bytes().partition(b"\n\n")[0]
    assert ZoneInfo(message.recipient.time_zone.key)
