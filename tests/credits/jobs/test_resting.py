"""credits.jobs.resting: so many times as long as the work took, and not too long."""

from datetime import timedelta

import pytest

from credits.jobs.expiry import expire_credits
from credits.jobs.notices import stage_expiry_warnings
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.resting import Rest
from tests.clocks import SleepClock
from tests.factories import APRIL, make_lot_holders


class TestRest:
    @pytest.mark.parametrize(
        ("wanted", "rests"),
        [
            pytest.param({}, [], id="nobody asked"),
            pytest.param({"NICE_RATIO": 1}, [0.5, 2.0], id="as long"),
            pytest.param({"NICE_RATIO": 2}, [1.0, 4.0], id="twice as long"),
            pytest.param({"NICE_RATIO": 9}, [4.5, 5.0], id="five seconds at most"),
            pytest.param(
                {"NICE_RATIO": 9, "LEASE_SECONDS": 3}, [1.0, 1.0], id="a third of the lease at most"
            ),
        ],
    )
    def test_is_so_many_times_as_long_as_the_work_before_it(self, wanted, rests, settings):
        settings.CREDITS = settings.CREDITS | wanted
        clock = SleepClock()
        rest = Rest(monotonic=clock.monotonic, sleep=clock.sleep)

        for seconds in (0.5, 2.0):
            clock.now += seconds
            rest.take()

        assert clock.slept == rests


@pytest.fixture
def rests(settings, monkeypatch):
    """Whose rests were taken, in order, in chunks of two."""
    settings.CREDITS = settings.CREDITS | {"CHUNK_SIZE": 2}
    taken: list[Rest] = []

    def take(rest: Rest) -> None:
        taken.append(rest)

    monkeypatch.setattr(Rest, "take", take)
    return taken


@pytest.mark.django_db
class TestRests:
    @pytest.mark.parametrize("job", [reset_monthly_credits, expire_credits])
    def test_come_with_each_chunk_of_a_run(self, job, rests):
        make_lot_holders(5, lots=(5,), expires_at=APRIL)

        run = job(as_of=APRIL)

        assert len(rests) == run.chunk_count > 1
        assert len(set(rests)) == 1

    def test_come_with_each_chunk_of_warnings(self, rests):
        make_lot_holders(5, lots=(5,), expires_at=APRIL)

        assert stage_expiry_warnings(as_of=APRIL - timedelta(days=4)) == 5

        assert len(rests) == 3
        assert len(set(rests)) == 1
