"""credits.admin.refusals: what the app refuses, said to a person."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils.translation import override

from credits import exceptions
from credits.admin.refusals import sentence
from tests.factories import MARCH

REFUSED = {
    "too many credits are taken": (
        exceptions.InsufficientCredits(professional_id=1, requested=9, available=1_500),
        "Only 1,500 credits can be taken",
    ),
    "too much is refunded": (
        exceptions.RefundExceedsSpend(spend_key="a", requested=9, refundable=4),
        "Only 4 credits of this spend are left",
    ),
    "all is refunded": (
        exceptions.RefundExceedsSpend(spend_key="a", requested=9, refundable=0),
        "Nothing of this spend is left",
    ),
    "a balance overflows": (
        exceptions.InvalidArgument("amount", "too large"),
        "A balance holds at most 2,147,483,647 credits",
    ),
    "a grant has expired already": (
        exceptions.InvalidArgument("expires_at", "is past"),
        "Choose a later day: this one is over.",
    ),
    "a lot is closed": (
        exceptions.LotNotOpen(lot_id=1, remaining=0, expires_at=None),
        "This lot is empty or has expired",
    ),
    "an extension shortens": (
        exceptions.NotAnExtension(lot_id=1, expires_at=MARCH, requested=MARCH - timedelta(days=1)),
        "the lot expires on March",
    ),
    "a form is used again": (
        exceptions.IdempotencyKeyReused(idempotency_key="a", argument="amount", first=1, now=2),
        "This form has been used already",
    ),
    "nobody is there": (
        exceptions.UnknownProfessional(professional_id=5),
        "There is no professional 5.",
    ),
    "no spend is there": (exceptions.UnknownSpend(spend_key="a"), "There is no spend with the"),
    "no lot is there": (exceptions.UnknownLot(lot_id=5), "There is no lot 5."),
    "nothing is to be told": (
        exceptions.NothingToSay(
            "%(losing)s credits expire; fewer than %(least)s are lost without a word.",
            losing=4,
            least=5,
        ),
        "4 credits expire; fewer than 5 are lost",
    ),
    "a run is active": (
        exceptions.RunAlreadyActive(job="a", run_id=5, host="web-1", heartbeat_at=MARCH),
        "Run 5 of this job is active on web-1",
    ),
    "no rule says who is eligible": (
        exceptions.NoEligibilityRule(),
        'set CREDITS["ELIGIBLE_PROFESSIONALS"]',
    ),
    "the database refuses": (
        DatabaseError("disk full\nand more"),
        "The database refused, and nothing was changed: disk full",
    ),
}


class TestSentence:
    @pytest.mark.parametrize(("error", "words"), REFUSED.values(), ids=REFUSED)
    def test_is_in_the_readers_language(self, error: Exception, words: str):
        with override("en"):
            english = sentence(error)
        with override("ar"):
            arabic = sentence(error)

        assert words in english
        assert "\n" not in english
        assert arabic != english
        assert any("\u0600" <= letter <= "\u06ff" for letter in arabic)

    @pytest.mark.parametrize(
        "error",
        [exceptions.MailMisconfigured("No password."), ValueError("No password.\nAt all.")],
        ids=["of ours", "of somebody else"],
    )
    def test_of_what_it_does_not_know_is_the_errors_own(self, error: Exception):
        assert sentence(error) == "No password."
