"""credits.notices.suppression: who gets no notice, and why."""

from zoneinfo import ZoneInfo

import pytest

from credits.models import Notice, NoticeOptOut, SuppressedAddress
from credits.notices.recipients import Recipient
from credits.notices.suppression import (
    accept,
    clear,
    decline,
    has_declined,
    suppress,
    why_not,
)
from homezy.models import User
from tests.factories import APRIL, MARCH, make_notice, make_professional

pytestmark = pytest.mark.django_db

BOUNCED = SuppressedAddress.Reason.BOUNCED
COMPLAINED = SuppressedAddress.Reason.COMPLAINED


@pytest.fixture
def aisha() -> User:
    return make_professional(email="aisha@example.com")


def recipient(address: str = "aisha@example.com") -> Recipient:
    return Recipient(address=address, name="", language="en", time_zone=ZoneInfo("Asia/Dubai"))


class TestWhyNot:
    def test_has_nothing_against_most(self, aisha: User):
        assert why_not(make_notice(aisha), recipient()) == ""

    @pytest.mark.parametrize("address", ["", "  "])
    def test_no_address(self, aisha: User, address: str):
        assert why_not(make_notice(aisha), recipient(address)) == "no address"

    @pytest.mark.parametrize("reason", [BOUNCED, COMPLAINED])
    @pytest.mark.parametrize("kind", Notice.Kind)
    def test_a_suppressed_address_whatever_its_case(self, aisha: User, kind: str, reason: str):
        suppress("Aisha@Example.com", reason, None, MARCH)

        said = why_not(make_notice(aisha, kind=kind), recipient("AISHA@example.com"))

        assert said == f"address suppressed: {reason}"

    def test_an_inactive_user(self, aisha: User):
        aisha.is_active = False

        assert why_not(make_notice(aisha), recipient()) == "inactive"

    def test_users_that_cannot_be_inactive_are_active(
        self, aisha: User, monkeypatch: pytest.MonkeyPatch
    ):
        notice = make_notice(aisha)
        monkeypatch.setattr(User, "is_active", property(lambda user: user.no_such_field))

        assert why_not(notice, recipient()) == ""

    @pytest.mark.parametrize(
        ("kind", "said"),
        [("reset", "declined"), ("expiry_warning", ""), ("expiry_receipt", "")],
    )
    def test_what_was_declined_and_nothing_else(self, aisha: User, kind: str, said: str):
        decline(professional_id=aisha.pk, kind="reset", at=MARCH)

        assert why_not(make_notice(aisha, kind=kind), recipient()) == said

    def test_a_receipt_comes_whatever_the_rows_say(self, aisha: User):
        NoticeOptOut.objects.create(professional=aisha, kind="expiry_receipt", created_at=MARCH)

        assert why_not(make_notice(aisha, kind="expiry_receipt"), recipient()) == ""

    def test_operators_by_their_address(self):
        summary = make_notice(kind=Notice.Kind.RUN_SUMMARY)

        assert why_not(summary, recipient(summary.address)) == ""
        suppress(summary.address, BOUNCED, None, MARCH)
        assert why_not(summary, recipient(summary.address)) == "address suppressed: bounced"

    def test_names_nobody(self, aisha: User):
        suppress(aisha.email, BOUNCED, None, MARCH)

        assert "aisha" not in why_not(make_notice(aisha), recipient())


class TestSuppress:
    @pytest.mark.parametrize("order", [(BOUNCED, COMPLAINED), (COMPLAINED, BOUNCED)])
    def test_a_complaint_outlasts_a_bounce(self, aisha: User, order: tuple[str, str]):
        told = {reason: make_notice(aisha) for reason in order}

        for reason in order:
            suppress(aisha.email, reason, told[reason], MARCH)

        row = SuppressedAddress.objects.get()
        assert (row.reason, row.notice) == (COMPLAINED, told[COMPLAINED])

    def test_the_first_time_stands(self):
        suppress(" Omar@example.com", BOUNCED, None, MARCH)
        suppress("omar@example.com", BOUNCED, None, APRIL)

        row = SuppressedAddress.objects.get()
        assert (row.address, row.created_at) == ("omar@example.com", MARCH)

    def test_is_cleared_once(self):
        suppress("omar@example.com", BOUNCED, None, MARCH)

        assert clear("OMAR@example.com") is True
        assert clear("omar@example.com") is False


class TestDecline:
    def test_twice_is_once_and_can_be_taken_back(self, aisha: User):
        decline(professional_id=aisha.pk, kind="reset", at=MARCH)
        decline(professional_id=aisha.pk, kind="reset", at=APRIL)

        assert NoticeOptOut.objects.get().created_at == MARCH
        assert has_declined(professional_id=aisha.pk, kind="reset")
        accept(professional_id=aisha.pk, kind="reset")
        accept(professional_id=aisha.pk, kind="reset")
        assert not has_declined(professional_id=aisha.pk, kind="reset")

    @pytest.mark.parametrize(
        "kind", ["expiry_receipt", "run_summary", "run_failure", "run_late", "run_recovered"]
    )
    def test_refuses_what_cannot_be_declined(self, aisha: User, kind: str):
        with pytest.raises(ValueError, match="cannot be declined"):
            decline(professional_id=aisha.pk, kind=kind, at=MARCH)
