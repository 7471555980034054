"""credits.reports.outstanding: what is held, and when it will be lost."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.models import Notice
from credits.reports import outstanding as module
from credits.reports.outstanding import ahead, by_expiry_month, expiring, known_ahead, outstanding
from tests.factories import JULY_15, MARCH, buy, give_lot, make_notice, make_professional, use

pytestmark = pytest.mark.django_db

SOON = MARCH + timedelta(days=3)


class TestOutstanding:
    def test_adds_both_pools_and_what_was_paid_for_what_is_left(self):
        aisha = make_professional(free=10)
        buy(aisha, 100)
        use(aisha, 30)

        found = outstanding()

        assert (found.free, found.paid, found.credits) == (0, 80, 80)
        assert found.worth == (("AED", Decimal("400.00")),)

    def test_is_nothing_in_an_empty_ledger(self):
        found = outstanding()

        assert (found.credits, found.worth) == (0, ())


class TestExpiring:
    def test_counts_credits_and_their_owners_once_in_each_window(self):
        aisha, omar = make_professional(), make_professional()
        give_lot(aisha, 5, expires_at=SOON)
        give_lot(aisha, 7, expires_at=MARCH + timedelta(days=20))
        give_lot(omar, 11, expires_at=MARCH + timedelta(days=80))
        give_lot(omar, 13, expires_at=MARCH + timedelta(days=90))

        found = [(span.days, span.credits, span.professionals) for span in expiring(as_of=MARCH)]

        assert found == [(7, 5, 1), (30, 12, 1), (90, 23, 2)]

    def test_leaves_out_what_has_expired_already(self):
        give_lot(make_professional(), 5, expires_at=MARCH)

        assert [span.credits for span in expiring(as_of=MARCH)] == [0, 0, 0]

    @pytest.mark.parametrize(
        ("fields", "warned"),
        [
            pytest.param({}, 1, id="sent"),
            pytest.param({"status": "delivered"}, 1, id="delivered"),
            pytest.param({"status": "pending"}, 0, id="waiting"),
            pytest.param({"status": "bounced"}, 0, id="bounced"),
            pytest.param({"kind": "reset"}, 0, id="another kind"),
            pytest.param({"day": "2026-03-05"}, 0, id="another day"),
        ],
    )
    def test_counts_who_was_sent_a_warning_of_that_day(self, fields: dict[str, str], warned: int):
        aisha = make_professional()
        give_lot(aisha, 5, expires_at=SOON)
        day = fields.pop("day", f"{SOON:%Y-%m-%d}")
        make_notice(
            aisha,
            **{
                "kind": Notice.Kind.EXPIRY_WARNING,
                "key": f"expiry_warning:{day}:7:{aisha.pk}",
                **fields,
            },
        )

        assert [span.warned for span in expiring(as_of=MARCH)] == [warned] * 3


class TestByExpiryMonth:
    def test_sums_open_lots_from_this_month_on(self):
        aisha = make_professional()
        give_lot(aisha, 5, expires_at=SOON)
        buy(aisha, 40)

        found = by_expiry_month(as_of=MARCH)

        assert [(m.begins_at.month, m.credits) for m in found] == [
            (3, 5), (4, 0), (5, 0), (6, 0), (7, 40),
        ]  # fmt: skip
        assert found[-1].ends_at > JULY_15

    def test_tells_apart_what_is_overdue_and_what_is_far_off(self):
        aisha = make_professional()
        give_lot(aisha, 5, expires_at=MARCH - timedelta(hours=1))
        give_lot(aisha, 7, expires_at=MARCH + timedelta(days=900))

        found = by_expiry_month(as_of=MARCH)

        assert (found[0].is_overdue, found[0].credits) == (True, 5)
        assert (found[-1].is_rest, found[-1].credits) == (True, 7)


class TestAhead:
    @pytest.fixture(autouse=True)
    def forget(self):
        cache.clear()
        yield
        cache.clear()

    def test_is_fresh_where_lots_are_few(self):
        aisha = make_professional()
        give_lot(aisha, 5, expires_at=SOON)
        before = known_ahead(as_of=MARCH)
        give_lot(aisha, 7, expires_at=SOON)

        after = known_ahead(as_of=MARCH)

        assert before is not None
        assert after is not None
        assert (before.expiring[0].credits, after.expiring[0].credits) == (5, 12)

    def test_is_unknown_where_lots_are_many_until_it_is_counted(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(module, "FEW", 1)
        aisha = make_professional()
        give_lot(aisha, 5, expires_at=SOON)
        give_lot(aisha, 7, expires_at=SOON)
        before = known_ahead(as_of=MARCH)

        counted = ahead(as_of=MARCH)

        assert before is None
        assert known_ahead(as_of=MARCH) == counted

    def test_reads_no_table_through_and_asks_four_times(self):
        with CaptureQueriesContext(connection) as asked:
            known_ahead(as_of=MARCH)

        assert len(asked) == 4
