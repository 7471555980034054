"""credits.jobs.notices: what becomes due is promised once, and leaves."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.jobs.due import late_jobs
from credits.jobs.notices import (
    forecast_notices,
    send_notices,
    stage_expiry_warnings,
    stage_late_runs,
)
from credits.models import JobRun, Notice
from credits.notices.pacing import Pace
from credits.signals import jobs_checked
from tests.books import write_statements
from tests.factories import MARCH, give_lot, make_lot_holders, make_professional, make_run, promise

pytestmark = pytest.mark.django_db

NOON = MARCH.replace(hour=12)
SOON = MARCH.replace(day=5)


def done(job, as_of=MARCH, **fields):
    return make_run(job=job, as_of=as_of, **fields)


@pytest.fixture(autouse=True)
def jobs_on_time():
    done(JobRun.Job.RESET, period="2026-03")
    done(JobRun.Job.EXPIRY)


def send(**options):
    return send_notices(
        as_of=NOON, pace=Pace(1, monotonic=lambda: 0, sleep=lambda seconds: None), **options
    )


class TestStageExpiryWarnings:
    def test_promises_each_day_and_lead_once(self, settings):
        settings.CREDITS = {**settings.CREDITS, "EXPIRY_WARNING_DAYS": [30, 7]}
        aisha = make_professional()
        give_lot(aisha, 10, expires_at=SOON)
        give_lot(aisha, 10, expires_at=MARCH + timedelta(days=20))

        assert stage_expiry_warnings(as_of=NOON) == 3
        assert stage_expiry_warnings(as_of=NOON + timedelta(minutes=15)) == 0

    def test_goes_chunk_by_chunk(self, settings):
        settings.CREDITS = {**settings.CREDITS, "CHUNK_SIZE": 3}
        make_lot_holders(10, lots=(5, 5), expires_at=SOON)

        with CaptureQueriesContext(connection) as queries:
            assert stage_expiry_warnings(as_of=NOON) == 10

        # Of twenty lots, three at a time and nobody's in two pieces.
        assert len(write_statements(queries.captured_queries)) == 7

    def test_passes_small_losses_over(self, settings):
        settings.CREDITS = {**settings.CREDITS, "MIN_CREDITS_TO_WARN": 6}
        make_lot_holders(1, lots=(5,), expires_at=SOON)
        make_lot_holders(1, lots=(3, 3), expires_at=SOON)

        assert stage_expiry_warnings(as_of=NOON) == 1


class TestStageLateRuns:
    def test_tells_each_operator_once(self, settings):
        settings.ADMINS = [("A", "a@example.com"), ("B", "b@example.com")]
        JobRun.objects.all().delete()
        make_professional(paid=5)

        late = late_jobs(as_of=NOON)
        assert stage_late_runs(late, as_of=NOON) == 4
        assert stage_late_runs(late, as_of=NOON + timedelta(minutes=15)) == 0
        promised = Notice.objects.filter(address="a@example.com").order_by("pk")
        assert [notice.context for notice in promised] == [
            {
                "job": "reset_monthly_credits",
                "about": "2026-03",
                "command": "manage.py reset_monthly_credits --period 2026-03",
            },
            {
                "job": "expire_credits",
                "about": "2026-03-01",
                "command": "manage.py expire_credits",
            },
        ]

    def test_says_nothing_where_all_is_well(self, settings):
        settings.ADMINS = [("A", "a@example.com")]

        assert stage_late_runs(late_jobs(as_of=NOON), as_of=NOON) == 0


class TestSendNotices:
    def test_promises_and_sends_in_one_call(self):
        aisha = make_professional()
        give_lot(aisha, 10, expires_at=SOON)

        report = send()

        assert (report.warned, report.sent) == (1, 1)
        assert mail.outbox[0].to == [aisha.email]
        assert send().sent == 0

    def test_tells_operators_and_who_listens_what_is_late(self, settings):
        settings.ADMINS = [("A", "a@example.com")]
        JobRun.objects.filter(job=JobRun.Job.EXPIRY).delete()
        make_professional(free=5)
        heard = []

        def hear(*, as_of, late, **_):
            heard.append((as_of, [item.job for item in late]))

        jobs_checked.connect(hear, sender=JobRun)
        try:
            report = send()
        finally:
            jobs_checked.disconnect(hear, sender=JobRun)

        assert (report.late, [message.to for message in mail.outbox]) == (1, [["a@example.com"]])
        assert heard == [(NOON, [JobRun.Job.EXPIRY])]

    def test_promises_nothing_where_it_is_only_to_send(self, settings):
        settings.ADMINS = [("A", "a@example.com")]
        JobRun.objects.all().delete()
        give_lot(make_professional(), 10, expires_at=SOON)

        report = send(promising=False)

        assert (report.warned, report.late, report.sent) == (0, 0, 0)
        assert not Notice.objects.exists()

    def test_merges_a_ladder_into_one_mail(self, settings):
        settings.CREDITS = {**settings.CREDITS, "EXPIRY_WARNING_DAYS": [30, 7]}
        give_lot(make_professional(), 10, expires_at=SOON)

        report = send()

        assert (report.warned, report.sent, report.merged) == (2, 1, 1)

    def test_lets_the_clock_go_on(self):
        late = promise(make_professional(), next_attempt_at=NOON + timedelta(seconds=1))
        promise(make_professional())
        ticks = iter(range(3_600, 4_600))

        report = send(monotonic=lambda: next(ticks))

        late.refresh_from_db()
        assert report.sent == 2
        assert NOON < late.sent_at < NOON + timedelta(hours=1)


class TestForecast:
    def test_counts_what_would_be_and_writes_nothing(self, settings):
        settings.ADMINS = [("A", "a@example.com")]
        JobRun.objects.filter(job=JobRun.Job.EXPIRY).delete()
        make_professional(free=5)
        make_lot_holders(2, expires_at=SOON)
        promise(make_professional())

        forecast = forecast_notices(as_of=NOON)

        assert (forecast.warned, forecast.late) == (2, 1)
        assert forecast.due == {"expiry_warning": 2, "reset": 1, "run_late": 1}
        assert Notice.objects.count() == 1
        assert mail.outbox == []
