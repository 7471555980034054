"""credits.reports.next_reset: when it is, and what it will do."""

import pytest
from django.core.cache import cache

from credits.reports.next_reset import known_reset, next_reset, next_reset_date
from tests.factories import APRIL, MARCH, make_professional, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget():
    cache.clear()
    yield
    cache.clear()


class TestNextResetDate:
    def test_is_this_months_until_a_whole_one_succeeded(self):
        make_run(period="2026-03", status="partial")
        make_run(period="2026-03", is_whole=False)

        found = next_reset_date(as_of=MARCH)

        assert (found.period, found.is_outstanding) == ("2026-03", True)

    def test_is_next_months_after_that(self):
        make_run(period="2026-03")

        found = next_reset_date(as_of=MARCH)

        assert (found.period, found.is_outstanding) == ("2026-04", False)
        assert found.at.date() == APRIL.date()


class TestNextReset:
    def test_counts_professionals_and_credits(self):
        make_professional(free=30)
        make_professional(free=150)

        found = next_reset(as_of=MARCH)

        assert (found.professionals, found.granted, found.expired) == (2, 70, 50)

    def test_is_kept_a_while(self):
        date = next_reset_date(as_of=MARCH)
        before = known_reset(date)
        first = next_reset(as_of=MARCH)
        make_professional(free=30)

        assert before is None
        assert next_reset(as_of=MARCH) == first == known_reset(date)
