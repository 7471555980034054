"""What mails say of the monthly amount: each professional's own, and what it is now."""

import pytest

from credits.jobs.reset import reset_monthly_credits
from credits.models import Notice
from credits.notices.composing import compose
from credits.notices.previewing import preview
from tests.factories import APRIL, MARCH, make_expert, make_professional

pytestmark = pytest.mark.django_db


def rule(amount):
    return f"On the 1st of each month your free credits are set to {amount}, however many are left"


class TestAChangeOfTheAmount:
    """From 100 to 20, between two resets."""

    def test_is_told_in_the_mail_of_the_reset_before(self, allow):
        make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        allow(20)

        message = compose(Notice.objects.get(kind="reset"), at=MARCH)

        assert "you had 30 left and now have 100." in message.text
        assert rule(20) in message.text

    def test_is_told_in_the_mail_of_the_reset_after(self, allow):
        make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        allow(20)
        reset_monthly_credits(as_of=APRIL)

        message = compose(Notice.objects.order_by("pk").last(), at=APRIL)

        assert "you had 100 and now have 20." in message.text
        assert rule(20) in message.text

    def test_leaves_a_preview_with_what_happened(self, allow):
        aisha = make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        allow(20)

        message = preview("reset", professional_id=aisha.pk, at=MARCH)

        assert "you had 30 left and now have 100." in message.text
        assert rule(20) in message.text

    def test_is_shown_in_a_sample(self, allow):
        allow(20)

        assert rule(20) in preview("reset", at=MARCH).text


class TestAnAmountForEach:
    def test_is_told_to_each(self, allow):
        allow("tests.plans.by_verification")
        make_expert(free=30), make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)

        texts = [compose(notice, at=MARCH).text for notice in Notice.objects.order_by("pk")]

        assert ["now have 250." in text and rule(250) in text for text in texts] == [True, False]
        assert ["now have 100." in text and rule(100) in text for text in texts] == [False, True]

    def test_is_told_in_a_warning(self, allow):
        allow("tests.plans.by_verification")
        expert = make_expert(paid=50)
        context = {"day": "2026-07-15", "lead": 30, "credits": 50}
        warning = Notice(kind="expiry_warning", professional=expert, context=context)

        text = compose(warning, at=APRIL).text

        assert "your balance will be 250 from 15 July" in text
        assert "That counts 250 free credits of the next monthly reset." in text

    def test_is_shown_in_a_preview(self, allow):
        allow("tests.plans.by_verification")
        expert = make_expert(free=30)

        text = preview("reset", professional_id=expert.pk, at=MARCH).text

        assert "you had 30 left and now have 250." in text
        assert rule(250) in preview("reset", at=MARCH).text
