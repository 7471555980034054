"""credits.engine.authors: who wrote in the admin."""

import pytest

from credits import ledger
from credits.engine.authors import authors
from tests.factories import AUGUST, make_professionals

pytestmark = pytest.mark.django_db


def grant(professional, *, by, key):
    ledger.grant_bonus(
        professional_id=professional.pk,
        amount=5,
        at=AUGUST,
        idempotency_key=key,
        actor_id=by and by.pk,
    )


class TestAuthors:
    def test_are_nobody_where_programs_wrote_all(self):
        (holder,) = make_professionals(1)
        grant(holder, by=None, key="a")

        assert authors(10, using="default") == []

    def test_are_each_once_in_the_order_of_their_keys(self, django_assert_num_queries):
        holder, first, second, third = make_professionals(4)
        for number, clerk in enumerate((third, first, third, None, second, first)):
            grant(holder, by=clerk, key=str(number))

        with django_assert_num_queries(1):
            found = authors(10, using="default")

        assert found == [first.pk, second.pk, third.pk]

    def test_are_no_more_than_are_wanted(self):
        holder, *clerks = make_professionals(4)
        for clerk in clerks:
            grant(holder, by=clerk, key=str(clerk.pk))

        assert authors(2, using="default") == [clerks[0].pk, clerks[1].pk]
