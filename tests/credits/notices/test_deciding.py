"""credits.notices.deciding: what a person says about notices that stopped."""

from typing import Any

import pytest

from credits.models import Notice
from credits.notices import deciding
from tests.factories import APRIL, JANUARY, MARCH, make_notice

pytestmark = pytest.mark.django_db

Status = Notice.Status


@pytest.fixture
def notices() -> dict[str, Notice]:
    return {
        status: make_notice(status=status, reason="550", attempts=5, sent_at=JANUARY)
        for status in Status
    }


class TestDeciding:
    @pytest.mark.parametrize(
        ("act", "before"),
        [(deciding.retry, Status.FAILED), (deciding.send_again, Status.PARKED)],
    )
    def test_puts_back_what_it_is_for_and_nothing_else(
        self, notices: dict[str, Notice], act: Any, before: str
    ):
        assert act(Notice.objects.all(), at=APRIL) == 1

        for status, notice in notices.items():
            notice.refresh_from_db()
            assert notice.status == (Status.PENDING if status == before else status)
        put_back = notices[before]
        assert (put_back.attempts, put_back.next_attempt_at) == (0, APRIL)
        # A pending notice with a moment of sending is one in doubt, and would be parked again.
        assert (put_back.sent_at, put_back.reason) == (None, "")
        assert put_back in Notice.objects.due(APRIL)

    def test_calls_parked_ones_arrived_at_their_first_hand_over(self, notices: dict[str, Notice]):
        unknown = make_notice(status=Status.PARKED, sent_at=None)

        assert deciding.call_arrived(Notice.objects.all(), at=APRIL) == 2

        arrived = notices[Status.PARKED]
        for notice in (arrived, unknown):
            notice.refresh_from_db()
        assert (arrived.status, arrived.sent_at, arrived.reason) == (Status.SENT, JANUARY, "")
        assert (unknown.status, unknown.sent_at) == (Status.SENT, APRIL)
        assert arrived.next_attempt_at == MARCH
