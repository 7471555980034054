"""credits.signals: what is told, to whom, and when it is not."""

import logging
from datetime import timedelta

import pytest
from django.db import transaction

from credits import signals
from credits.exceptions import InsufficientCredits
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.models import CreditTransaction, CreditType, JobRun, Notice
from credits.notices.handing_over import Mailer
from credits.notices.pacing import Pace
from credits.notices.sending import Sender
from tests.factories import (
    AUGUST,
    JANUARY,
    MARCH,
    buy,
    correct,
    give,
    make_professional,
    prolong,
    promise,
    undo,
    use,
)

pytestmark = pytest.mark.django_db

FREE = CreditType.FREE

OF_THE_LEDGER = {
    "credits_granted",
    "credits_spent",
    "credits_refunded",
    "credits_adjusted",
}


@pytest.fixture
def heard():
    """All that is told while a test runs: the signal's name and its arguments."""
    told = []
    listeners = {}
    for name in sorted(OF_THE_LEDGER | {"credits_reset", "credits_expired", "notice_sent"}):

        def hear(*, signal, sender, name=name, **arguments):
            told.append((name, sender, arguments))

        listeners[name] = hear
        getattr(signals, name).connect(hear)
    yield told
    for name, hear in listeners.items():
        getattr(signals, name).disconnect(hear)


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    """What a test does in here is committed, as far as those who wait for that can tell."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def names(heard):
    return [name for name, _sender, _arguments in heard]


class TestLedgerSignals:
    @pytest.mark.parametrize(
        ("act", "name"),
        [
            pytest.param(lambda who: buy(who, 10), "credits_granted", id="a purchase"),
            pytest.param(lambda who: give(who, 10), "credits_granted", id="a bonus"),
            pytest.param(lambda who: correct(who, 5, FREE), "credits_adjusted", id="up"),
            pytest.param(lambda who: correct(who, -5, FREE), "credits_adjusted", id="down"),
            pytest.param(
                lambda who: prolong(
                    CreditTransaction.objects.get(professional=who, granted_amount__gt=0), AUGUST
                ),
                "credits_adjusted",
                id="an extension",
            ),
        ],
    )
    def test_tell_of(self, heard, commits, act, name):
        aisha = make_professional(free=10, paid=10)

        with commits():
            row = act(aisha)

        assert heard == [(name, CreditTransaction, {"transaction": row})]

    def test_tell_of_a_spend_and_its_refund_whole(self, heard, commits):
        aisha = make_professional(free=10, paid=10)

        with commits():
            spent = use(aisha, 15)
            given_back = undo(spent)

        assert heard == [
            ("credits_spent", CreditTransaction, {"transactions": spent}),
            ("credits_refunded", CreditTransaction, {"transactions": given_back}),
        ]
        assert len(spent) == len(given_back) == 2

    def test_reach_who_listens_to_the_ledger_alone(self, commits):
        rows = []

        def hear(*, transactions, **arguments):
            rows.extend(transactions)

        aisha = make_professional(free=10)
        signals.credits_spent.connect(hear, sender=CreditTransaction)
        try:
            with commits():
                spent = use(aisha, 4)
        finally:
            signals.credits_spent.disconnect(hear, sender=CreditTransaction)

        assert rows == spent

    def test_come_after_the_commit(self, heard, commits):
        aisha = make_professional()

        with commits(), transaction.atomic():
            buy(aisha, 10)
            assert heard == []

        assert names(heard) == ["credits_granted"]

    def test_do_not_come_of_what_was_rolled_back(self, heard, commits):
        aisha = make_professional()

        with commits(), transaction.atomic():
            buy(aisha, 10)
            transaction.set_rollback(True)

        assert heard == []

    def test_do_not_come_of_what_was_refused(self, heard, commits):
        aisha = make_professional(free=10)

        with commits(), pytest.raises(InsufficientCredits):
            use(aisha, 11)

        assert heard == []

    def test_come_once_for_a_key(self, heard, commits):
        aisha = make_professional(free=10)

        with commits():
            use(aisha, 4, key="lead-1")
            use(aisha, 4, key="lead-1")

        assert names(heard) == ["credits_spent"]

    def test_outlive_a_receiver_that_raises(self, heard, commits, caplog):
        def complain(**arguments):
            raise ZeroDivisionError("not my day")

        aisha = make_professional(free=10)
        signals.credits_spent.connect(complain)
        try:
            with commits(), caplog.at_level(logging.ERROR, "django.dispatch"):
                use(aisha, 4)
        finally:
            signals.credits_spent.disconnect(complain)

        assert names(heard) == ["credits_spent"]
        assert "not my day" in caplog.text

    def test_cost_nothing_where_nobody_listens(self, django_capture_on_commit_callbacks):
        aisha = make_professional(free=10)

        with django_capture_on_commit_callbacks() as waiting:
            use(aisha, 4)

        assert waiting == []


class TestJobSignals:
    def test_tell_of_each_chunk_of_a_reset(self, heard):
        people = [make_professional(free=30) for _ in range(3)]

        run = reset_monthly_credits(as_of=MARCH, chunk_size=2)

        assert names(heard) == ["credits_reset", "credits_reset"]
        (_, sender, first), (_, _, second) = heard
        assert (sender, first["run"].pk, first["run"].period) == (JobRun, run.pk, "2026-03")
        assert (first["count"], first["granted"], first["expired"]) == (2, 140, 0)
        assert second["count"] == 1
        owners = [[row.professional for row in told["transactions"]] for told in (first, second)]
        assert owners == [people[:2], people[2:]]

    def test_tell_of_no_row_that_another_run_wrote_at_the_same_moment(self, heard):
        done, left = (make_professional(free=30) for _ in range(2))
        reset_monthly_credits(as_of=MARCH, professionals=[done.pk])

        reset_monthly_credits(as_of=MARCH)

        owners = [[row.professional for row in told["transactions"]] for *_, told in heard]
        assert owners == [[done], [left]]

    def test_reach_who_listens_to_runs_alone_from_their_start_to_their_end(self):
        told = []

        def hear(*, signal, run, **arguments):
            told.append((signal, run.pk, run.status))

        # Opening a balance is a chunk as well, and no news.
        make_professional()
        order = [signals.run_started, signals.credits_reset, signals.run_finished]
        for signal in order:
            signal.connect(hear, sender=JobRun)
        try:
            run = reset_monthly_credits(as_of=MARCH)
        finally:
            for signal in order:
                signal.disconnect(hear, sender=JobRun)

        assert [(signal, key) for signal, key, _ in told] == [(signal, run.pk) for signal in order]
        assert [status for *_, status in told] == ["running", "running", "succeeded"]

    def test_do_not_come_of_a_run_that_had_nothing_to_do(self, heard):
        make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        heard.clear()

        reset_monthly_credits(as_of=MARCH + timedelta(hours=1))

        assert heard == []

    def test_tell_of_an_expiry(self, heard):
        aisha = make_professional(paid=30)

        expire_credits(as_of=AUGUST)

        ((name, _, told),) = heard
        assert (name, told["count"], told["granted"], told["expired"]) == (
            "credits_expired",
            1,
            0,
            30,
        )
        (row,) = told["transactions"]
        assert (row.professional, row.amount) == (aisha, -30)

    @pytest.mark.engine("sqlite")
    def test_find_the_rows_by_an_index(self, heard):
        make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)

        plan = heard[0][2]["transactions"].explain()

        assert "SCAN" not in plan, plan

    def test_outlive_a_receiver_that_raises(self, heard):
        def complain(**arguments):
            raise ZeroDivisionError

        make_professional(free=30)
        signals.credits_reset.connect(complain)
        try:
            run = reset_monthly_credits(as_of=MARCH)
        finally:
            signals.credits_reset.disconnect(complain)

        assert (run.status, names(heard)) == ("succeeded", ["credits_reset"])


class TestNoticeSent:
    def test_tells_of_a_mail_that_was_taken(self, heard):
        notice = promise(make_professional(), created_at=JANUARY)
        pace = Pace(1, monotonic=lambda: 0, sleep=lambda seconds: None)
        noon = MARCH.replace(hour=12)

        Sender(Mailer(), clock=lambda: noon, pace=pace, using="default").send_due()

        ((name, sender, told),) = heard
        assert (name, sender, told["notice"]) == ("notice_sent", Notice, notice)
        row = Notice.objects.get(pk=notice.pk)
        for field in ("status", "sent_at", "message_id"):
            assert getattr(told["notice"], field) == getattr(row, field), field
