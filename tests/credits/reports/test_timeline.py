"""credits.reports.timeline: one professional, from the first transaction to the last mail."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import Balance
from credits.models import JobFailure, Notice, SuppressedAddress
from credits.notices.suppression import decline, suppress
from credits.reports import timeline as module
from credits.reports.timeline import LotState, balance_on, timeline
from homezy.models import User
from tests.factories import (
    AUGUST,
    FEBRUARY,
    JANUARY,
    JULY_15,
    MARCH,
    buy,
    give,
    give_lot,
    make_notice,
    make_professional,
    make_run,
    use,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def aisha() -> User:
    return make_professional(free=30, paid=50)


class TestPoints:
    def test_are_the_balance_from_each_transaction_on_oldest_first(self, aisha: User):
        use(aisha, 10)

        found = timeline(aisha.pk, as_of=MARCH)

        assert found.points == [(JANUARY, 30), (JANUARY, 80), (FEBRUARY, 70)]
        assert found.is_whole

    def test_never_go_back_in_time(self, aisha: User):
        use(aisha, 10, at=MARCH)
        give(aisha, 5, at=FEBRUARY)

        found = timeline(aisha.pk, as_of=MARCH)

        assert found.points[-2:] == [(MARCH, 70), (MARCH, 75)]

    def test_end_where_a_chart_is_full(self, aisha: User, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(module, "POINTS", 1)

        found = timeline(aisha.pk, as_of=MARCH)

        assert found.points == [(JANUARY, 80)]
        assert not found.is_whole


class TestLots:
    @pytest.mark.parametrize(
        ("as_of", "days_left", "state"),
        [
            (JULY_15 - 12 * DAY, 12, LotState.OPEN),
            (JULY_15 - DAY, 1, LotState.OPEN),
            (JULY_15 - DAY / 2, 0, LotState.LAST_DAY),
            (JULY_15, 0, LotState.DUE),
            (AUGUST, 0, LotState.DUE),
        ],
    )
    def test_count_down_until_they_wait_to_be_written_off(
        self, aisha: User, as_of, days_left: int, state: LotState
    ):
        (lot,) = timeline(aisha.pk, as_of=as_of).lots

        assert (lot.days_left, lot.state) == (days_left, state)

    def test_leave_empty_ones_out(self, aisha: User):
        use(aisha, 80)

        assert timeline(aisha.pk, as_of=MARCH).lots == []


class TestTransactions:
    def test_go_on_before_the_last_one_shown(self, aisha: User, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(module, "ROWS", 1)
        give(make_professional(), 5)

        newest = timeline(aisha.pk, as_of=MARCH)
        oldest = timeline(aisha.pk, as_of=MARCH, before=newest.older)

        assert [row.amount for row in newest.transactions] == [50]
        assert [row.amount for row in oldest.transactions] == [30]
        assert oldest.older is None


class TestTouches:
    def test_are_the_runs_that_wrote_and_those_that_failed(self, aisha: User):
        reset = reset_monthly_credits(as_of=MARCH)
        failed = make_run(status="partial", total_count=1, error_count=1)
        JobFailure.objects.create(run=failed, professional=aisha, error="Out of range.")
        JobFailure.objects.create(run=reset, professional=make_professional(), error="Another's.")

        touches = timeline(aisha.pk, as_of=MARCH).touches

        assert [(touch.run, touch.error) for touch in touches] == [
            (failed, "Out of range."),
            (reset, ""),
        ]


class TestMails:
    def test_are_the_professionals_own_newest_first(self, aisha: User):
        first, second = make_notice(aisha), make_notice(aisha)
        make_notice(make_professional())

        assert timeline(aisha.pk, as_of=MARCH).notices == [second, first]

    def test_say_why_none_come(self, aisha: User):
        decline(professional_id=aisha.pk, kind=Notice.Kind.RESET, at=MARCH)
        suppress(aisha.email, SuppressedAddress.Reason.BOUNCED, None, MARCH)

        found = timeline(aisha.pk, as_of=MARCH, address=aisha.email.upper())

        assert [opt_out.kind for opt_out in found.opt_outs] == ["reset"]
        assert found.suppressed is not None


class TestBalanceOn:
    def test_is_what_was_held_at_the_end_of_the_day(self, aisha: User):
        use(aisha, 40, at=FEBRUARY)

        assert balance_on(aisha.pk, FEBRUARY - DAY, as_of=MARCH) == Balance(free=30, paid=50)
        assert balance_on(aisha.pk, FEBRUARY, as_of=MARCH) == Balance(free=0, paid=40)


def test_a_timeline_asks_no_more_where_more_happened(aisha: User):
    give_lot(aisha, 10, expires_at=FEBRUARY)
    reset_monthly_credits(as_of=FEBRUARY)
    expire_credits(as_of=FEBRUARY)
    with CaptureQueriesContext(connection) as few:
        timeline(aisha.pk, as_of=MARCH, address=aisha.email)
    for _ in range(5):
        buy(aisha, 5)
        make_notice(aisha)
    reset_monthly_credits(as_of=MARCH)

    with CaptureQueriesContext(connection) as many:
        timeline(aisha.pk, as_of=MARCH, address=aisha.email)

    assert len(many) == len(few)
