"""credits.jobs.holding: one at a time, for as long as its lease lasts or until it lets go."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from credits.jobs.holding import LEASE, Hold
from credits.models import JobClaim
from tests.factories import MARCH, MOMENT

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
JOB = "send_credit_notices"


def clock(*moments: datetime) -> Callable[[], datetime]:
    """Return a clock that says these moments, one after the other."""
    return iter(moments).__next__


def held_until(job: str = JOB) -> datetime | None:
    return JobClaim.objects.get(pk=job).held_until


class TestAHold:
    def test_is_anothers_when_its_lease_is_over_and_not_before(self):
        moments = (MARCH, MARCH + LEASE - MOMENT, MARCH + LEASE)

        got = [bool(Hold(JOB, clock=clock(moment))) for moment in moments]

        assert got == [True, False, True]
        assert held_until() == MARCH + 2 * LEASE

    def test_that_is_let_go_is_anothers_at_once(self):
        Hold(JOB, clock=clock(MARCH)).release()

        assert held_until() is None
        assert Hold(JOB, clock=clock(MARCH + MINUTE))

    def test_is_of_one_job(self):
        other = Hold("other", clock=clock(MARCH))

        Hold(JOB, clock=clock(MARCH)).release()
        assert held_until("other") == MARCH + LEASE
        other.release()
        Hold(JOB, clock=clock(MARCH)).mark_done(MARCH)

        assert held_until("other") is None
        assert JobClaim.objects.get(pk="other").done_at is None
        assert JobClaim.objects.get(pk=JOB).done_at == MARCH

    @pytest.mark.parametrize(
        ("after", "until"),
        [
            pytest.param(LEASE / 3 - MOMENT, MARCH + LEASE, id="not before a third is over"),
            pytest.param(LEASE / 3, MARCH + LEASE / 3 + LEASE, id="then"),
        ],
    )
    def test_is_renewed(self, after, until):
        hold = Hold(JOB, clock=clock(MARCH, MARCH + after))

        hold.renew()

        assert (bool(hold), held_until()) == (True, until)

    def test_is_renewed_for_as_long_as_it_is_used(self):
        moments = [MARCH + minutes * MINUTE for minutes in (0, 3, 6, 9)]
        hold = Hold(JOB, clock=clock(*moments))

        for _ in moments[1:]:
            hold.renew()

        assert (bool(hold), held_until()) == (True, moments[-1] + LEASE)

    def test_that_was_lost_is_left_to_who_has_it(self):
        lost = Hold(JOB, clock=clock(MARCH, MARCH + LEASE))
        Hold(JOB, clock=clock(MARCH + LEASE))

        lost.renew()
        lost.release()

        assert (bool(lost), held_until()) == (False, MARCH + 2 * LEASE)
