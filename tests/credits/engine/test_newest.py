"""credits.engine.newest: the newest rows of several stretches of an index."""

import pytest

from credits.engine.newest import newest
from credits.models import CreditTransaction
from tests.factories import FEBRUARY, JANUARY, MARCH, give, make_professional, use

pytestmark = pytest.mark.django_db


def of_types(*types: str, most: int = 10) -> list[int]:
    stretches = [CreditTransaction.objects.filter(transaction_type=kind) for kind in types]
    return newest(stretches, most, using="default")


class TestNewest:
    def test_merges_by_moment_and_then_by_key(self):
        aisha = make_professional()
        first = give(aisha, 50, at=JANUARY)
        (spent,) = use(aisha, 10, at=FEBRUARY)
        last = give(aisha, 1, at=MARCH)
        beside = give(aisha, 2, at=FEBRUARY)

        assert of_types("bonus", "spend") == [last.pk, beside.pk, spent.pk, first.pk]

    def test_returns_no_more_than_is_wanted_of_all_together(self, django_assert_num_queries):
        aisha = make_professional(free=50)
        spends = [use(aisha, 1, at=MARCH)[0].pk for _ in range(3)]

        with django_assert_num_queries(1):
            assert of_types("bonus", "spend", most=2) == [spends[2], spends[1]]

    def test_goes_by_the_moment_and_not_by_what_was_written_last(self):
        aisha = make_professional()
        newer = give(aisha, 50, at=MARCH)
        give(aisha, 1, at=JANUARY)

        assert of_types("bonus", "spend", most=1) == [newer.pk]

    def test_goes_on_where_a_stretch_can_have_no_row(self):
        given = give(make_professional(), 50)
        stretches = [CreditTransaction.objects.none(), CreditTransaction.objects.all()]

        found = newest(stretches, 10, using="default")

        assert found == [given.pk]

    def test_is_nothing_where_no_row_can_be(self):
        make_professional(free=50)

        assert newest([CreditTransaction.objects.none()], 10, using="default") == []
        assert of_types("refund", "expiry") == []
