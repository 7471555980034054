"""credits.admin.paging: lists that are too long to count."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.admin.paging import CappedPaginator, Plenty
from credits.models import CreditBalance
from tests.factories import JULY_15, make_lot_holders

pytestmark = pytest.mark.django_db


class OfThree(CappedPaginator):
    most = 3


def pages(count: int) -> CappedPaginator:
    make_lot_holders(count, expires_at=JULY_15)
    return OfThree(CreditBalance.objects.order_by("pk"), 2)


class TestCappedPaginator:
    def test_counts_what_can_be_counted(self):
        paginator = pages(3)

        assert (paginator.count, paginator.is_capped, str(paginator.count)) == (3, False, "3")

    def test_says_more_than_where_there_are_more(self):
        paginator = pages(4)

        assert (paginator.count, paginator.is_capped) == (3, True)
        assert str(paginator.count) == "more than 3"
        assert paginator.num_pages == 2

    def test_reads_one_row_more_than_it_counts_and_no_other(self):
        paginator = pages(9)

        with CaptureQueriesContext(connection) as queries:
            assert paginator.count == 3

        assert len(queries) == 1
        assert "LIMIT 4" in queries[0]["sql"]

    def test_shows_each_row_on_one_page_in_order(self):
        paginator = pages(3)

        rows = [row.pk for number in (1, 2) for row in paginator.page(number)]

        assert rows == list(CreditBalance.objects.order_by("pk").values_list("pk", flat=True))


class TestPlenty:
    def test_reads_in_the_notation_of_the_reader(self):
        assert str(Plenty(10_000)) == "more than 10,000"

    def test_stays_a_number_where_django_groups_its_digits(self, settings):
        settings.USE_THOUSAND_SEPARATOR = True

        assert str(Plenty(10_000)) == "10000"
