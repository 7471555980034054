"""credits.engine.notices: what is promised to whom, as the rows that the senders will read."""

from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from credits.engine.expiry import Expiry, due_lots
from credits.engine.keys import KeyRange
from credits.engine.notices import warnings
from credits.engine.reset import MonthlyReset
from credits.engine.statements import Statement
from credits.models import JobRun, Notice
from homezy.eligibility import verified_professionals
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    MARCH,
    MOMENT,
    buy,
    give_lot,
    make_lot_holders,
    make_professional,
    make_run,
)

pytestmark = pytest.mark.django_db

LATE_IN_UTC = datetime(2026, 1, 14, 22, tzinfo=UTC)
"""In Dubai it is the 15th."""


def warn(within=None, *, lead=7, least=1, as_of=MARCH):
    """Promise what is due of one lead; return how many notices that is."""
    promise = partial(warnings, lead=lead, least=least, as_of=as_of, using="default")
    return Statement(promise, using="default").done(within or KeyRange())


def whole(notice):
    """Return all that a promise says, but for its own key in the table."""
    return {
        field.name: getattr(notice, field.attname)
        for field in Notice._meta.concrete_fields
        if field.name != "id"
    }


def waiting(kind, key, professional, context, *, run, as_of):
    return {
        "kind": kind,
        "key": key,
        "professional": professional.pk,
        "run": run and run.pk,
        "context": context,
        "address": "",
        "language": "",
        "status": "pending",
        "reason": "",
        "attempts": 0,
        "next_attempt_at": as_of,
        "message_id": "",
        "created_at": as_of,
        "sent_at": None,
    }


class TestPromiseResets:
    def test_says_what_was_and_what_is_now(self):
        aisha = make_professional(free=30, paid=50)
        make_professional(free=100)
        run = make_run(period="2026-03", as_of=MARCH)

        MonthlyReset(
            verified_professionals(), run=run, free_credits=100, using="default"
        ).reset_chunk(KeyRange())

        assert whole(Notice.objects.get()) == waiting(
            "reset",
            f"reset:2026-03:{aisha.pk}",
            aisha,
            {"before": 30, "after": 100, "period": "2026-03"},
            run=run,
            as_of=MARCH,
        )


class TestPromiseReceipts:
    def test_is_one_for_all_that_somebody_lost(self):
        (aisha,) = make_lot_holders(1, lots=(3, 4), expires_at=APRIL)
        run = make_run(job=JobRun.Job.EXPIRY, as_of=AUGUST)

        due = due_lots(as_of=AUGUST, using="default")
        Expiry(due, run=run, using="default").expire_chunk(KeyRange())

        assert whole(Notice.objects.get()) == waiting(
            "expiry_receipt",
            f"expiry_receipt:{run.pk}:{aisha.pk}",
            aisha,
            {"credits": 7, "lots": 2},
            run=run,
            as_of=AUGUST,
        )


class TestPromiseWarnings:
    def test_is_one_for_all_that_somebody_loses_on_a_day(self):
        aisha = make_professional()
        for hour in (1, 23):
            give_lot(aisha, hour, expires_at=MARCH.replace(day=5, hour=hour))

        assert warn() == 1
        assert whole(Notice.objects.get()) == waiting(
            "expiry_warning",
            f"expiry_warning:2026-03-05:7:{aisha.pk}",
            aisha,
            {"day": "2026-03-05", "lead": 7, "credits": 24},
            run=None,
            as_of=MARCH,
        )

    @pytest.mark.parametrize(
        ("expires_at", "count"),
        [
            pytest.param(MARCH, 0, id="expired already"),
            pytest.param(MARCH + MOMENT, 1, id="in a moment"),
            pytest.param(MARCH + timedelta(days=7) - MOMENT, 1, id="just within the lead"),
            pytest.param(MARCH + timedelta(days=7), 0, id="when the lead ends"),
        ],
    )
    def test_is_of_what_expires_within_the_lead(self, expires_at, count):
        give_lot(make_professional(), 5, expires_at=expires_at, at=FEBRUARY)

        assert warn() == count

    @pytest.mark.parametrize(("least", "count"), [(5, 1), (6, 0)])
    def test_is_of_no_less_than_the_least(self, least, count):
        give_lot(make_professional(), 5, expires_at=MARCH.replace(day=5))

        assert warn(least=least) == count

    def test_keeps_to_the_range(self):
        _, second, _ = holders = make_lot_holders(3, expires_at=MARCH.replace(day=5))

        assert warn(KeyRange(holders[0].pk, second.pk)) == 1
        assert Notice.objects.get().professional == second

    def test_is_made_once(self):
        give_lot(make_professional(), 5, expires_at=MARCH.replace(day=5))

        assert [warn(), warn(as_of=MARCH + MOMENT)] == [1, 0]

    @pytest.mark.engine("sqlite")
    def test_goes_by_the_day_of_utc_where_the_database_keeps_another_zone(self, monkeypatch):
        monkeypatch.setattr(connection, "timezone", ZoneInfo("Asia/Dubai"))
        monkeypatch.setattr(connection, "timezone_name", "Asia/Dubai")
        buy(make_professional(), 50, at=LATE_IN_UTC)

        warn(as_of=datetime(2026, 7, 10, tzinfo=UTC))

        assert Notice.objects.get().context["day"] == "2026-07-14"
