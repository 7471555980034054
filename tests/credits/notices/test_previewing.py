from datetime import UTC, datetime
from typing import Any

import pytest

from credits.exceptions import InvalidArgument, NothingToSay, UnknownProfessional
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.models import CreditTransaction, JobRun, Notice
from credits.notices.composing import compose
from credits.notices.previewing import preview
from tests.factories import AUGUST, JULY_15, MARCH, make_professional, make_run, make_user

pytestmark = pytest.mark.django_db

JULY_9 = datetime(2026, 7, 9, 6, tzinfo=UTC)

TO_PROFESSIONALS = ["reset", "expiry_warning", "expiry_receipt"]


class TestSample:
    @pytest.mark.parametrize("kind", TO_PROFESSIONALS)
    def test_asks_the_database_nothing(self, kind: str, django_assert_num_queries: Any):
        with django_assert_num_queries(0):
            message = preview(kind, at=JULY_9)

        assert message.recipient.address == "aisha@example.com"
        assert "Hi Aisha," in message.text

    def test_is_arabic_through_and_through(self):
        message = preview("expiry_warning", language="ar", at=JULY_9)

        assert message.recipient.name == "عائشة"
        assert message.headers["Content-Language"] == "ar"

    @pytest.mark.parametrize("kind", Notice.Kind.values)
    def test_writes_nothing(self, kind: str):
        preview(kind, at=JULY_9)

        assert not Notice.objects.exists()
        assert not JobRun.objects.exists()
        assert not CreditTransaction.objects.exists()

    @pytest.mark.parametrize("kind", ["reset", "expiry_warning"])
    def test_has_a_link_that_stops_nothing(self, kind: str):
        message = preview(kind, at=JULY_9)

        assert message.headers["List-Unsubscribe"] == "<https://homezy.example/#preview>"


class TestOfAProfessional:
    def test_is_the_mail_that_will_be_sent(self):
        aisha = make_professional(first_name="Aisha", paid=50)
        context = {"day": "2026-07-15", "lead": 7, "credits": 50}
        notice = Notice(kind="expiry_warning", professional=aisha, context=context)

        shown = preview("expiry_warning", professional_id=aisha.pk, at=JULY_9)

        sent = compose(notice, at=JULY_9)
        assert shown.subject == sent.subject
        assert shown.text.partition("-- \n")[0] == sent.text.partition("-- \n")[0]

    def test_looks_ahead_to_the_first_lot_to_expire(self):
        aisha = make_professional(paid=50)

        message = preview("expiry_warning", professional_id=aisha.pk, at=MARCH)

        assert "Wednesday, 15 July 2026, 13:00: 50 credits" in message.text

    def test_tells_of_the_last_reset(self):
        aisha = make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)

        message = preview("reset", professional_id=aisha.pk, at=JULY_9)

        assert message.subject == "Your 100 free credits for March 2026 are here"
        assert "you had 30 left and now have 100" in message.text

    def test_tells_of_the_reset_to_come(self):
        aisha = make_user()

        message = preview("reset", professional_id=aisha.pk, at=JULY_9)

        assert "you had 0 left and now have 100" in message.text

    def test_tells_of_the_last_expiry(self):
        aisha = make_professional(paid=50)
        expire_credits(as_of=AUGUST)

        message = preview("expiry_receipt", professional_id=aisha.pk, at=AUGUST)

        assert message.subject == "50 of your credits have expired"

    def test_speaks_the_language_asked_for(self):
        aisha = make_professional(paid=50)

        message = preview("expiry_warning", professional_id=aisha.pk, language="ar", at=JULY_9)

        assert message.recipient.language == "ar"

    @pytest.mark.parametrize("kind", ["expiry_warning", "expiry_receipt"])
    def test_says_when_there_is_nothing_to_say(self, kind: str):
        with pytest.raises(NothingToSay):
            preview(kind, professional_id=make_professional().pk, at=JULY_15)


class TestOfARun:
    def test_is_about_the_latest(self):
        make_run(total_count=1, success_count=1)
        latest = make_run(total_count=7, success_count=7)

        message = preview("run_summary", at=JULY_9)

        assert f"7 succeeded, credits 0 (run {latest.pk})" in message.subject

    def test_is_about_the_latest_that_failed(self):
        failed = make_run(status=JobRun.Status.FAILED, error_summary="disk full")
        make_run()

        message = preview("run_failure", at=JULY_9)

        assert message.subject == f"Monthly credit reset: run {failed.pk} failed"


class TestRefusals:
    def test_name_the_kinds_there_are(self):
        with pytest.raises(InvalidArgument, match="“rest” is none; the kinds are reset, expiry_"):
            preview("rest", at=JULY_9)

    def test_name_the_languages_there_are(self):
        with pytest.raises(InvalidArgument, match="“fr” is none of this project's: en, ar"):
            preview("reset", language="fr", at=JULY_9)

    def test_know_nobody_by_that_id(self):
        with pytest.raises(UnknownProfessional):
            preview("reset", professional_id=10**9, at=JULY_9)
