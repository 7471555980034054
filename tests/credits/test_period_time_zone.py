"""CREDITS["PERIOD_TIME_ZONE"]: a project whose months begin in Dubai, four hours before UTC's."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils.translation import override

from credits.admin.drawing import expiry_chart, movement_chart
from credits.admin.filters import span_of
from credits.engine import totals
from credits.jobs.due import judge_expiry, judge_reset, late_jobs
from credits.jobs.passing import passed_periods
from credits.jobs.reset import reset_monthly_credits
from credits.models import JobRun, Notice
from credits.monitoring import sentry
from credits.notices.composing import compose
from credits.reports.monthly import monthly_report
from credits.reports.next_reset import next_reset_date
from credits.reports.outstanding import by_expiry_month
from tests.books import broken_invariants
from tests.factories import buy, make_professional, make_run

pytestmark = pytest.mark.django_db

SEPTEMBER = datetime(2026, 8, 31, 20, tzinfo=UTC)
"""When September begins in Dubai; in UTC it is August still."""

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def begin_in_dubai(settings):
    settings.CREDITS = settings.CREDITS | {"PERIOD_TIME_ZONE": "Asia/Dubai"}


class TestReset:
    def test_is_due_a_minute_after_the_month_began(self):
        make_run(job=JobRun.Job.RESET, period="2026-08", as_of=SEPTEMBER - 30 * 24 * 60 * MINUTE)

        before, after = judge_reset(as_of=SEPTEMBER), judge_reset(as_of=SEPTEMBER + MINUTE)

        assert (before.is_due, after.is_due) == (False, True)
        assert before.next_at == after.next_at == SEPTEMBER + MINUTE

    def test_is_of_that_month(self):
        make_professional(free=30, at=SEPTEMBER - MINUTE)

        run = reset_monthly_credits(as_of=SEPTEMBER)

        assert run.period == "2026-09"
        assert "for September 2026" in compose(Notice.objects.get(), at=SEPTEMBER).subject

    def test_is_announced_for_then(self):
        make_run(job=JobRun.Job.RESET, period="2026-08")

        date = next_reset_date(as_of=SEPTEMBER - MINUTE)

        assert (date.period, date.at, date.is_outstanding) == ("2026-09", SEPTEMBER, False)

    def test_is_late_and_missed_by_the_months_there(self):
        make_run(job=JobRun.Job.RESET, period="2026-08", as_of=SEPTEMBER - timedelta(days=31))

        late = late_jobs(as_of=SEPTEMBER + timedelta(hours=6))

        assert ("reset_monthly_credits", "2026-09") in [(it.job, it.about) for it in late]
        assert passed_periods(as_of=datetime(2026, 9, 30, 19, 59, tzinfo=UTC)) == []
        assert passed_periods(as_of=datetime(2026, 9, 30, 20, tzinfo=UTC)) == ["2026-09"]

    def test_is_monitored_by_that_clock(self):
        zones = [sentry.monitor_of(job)["timezone"] for job in JobRun.Job.values]

        assert zones == ["Asia/Dubai", "UTC"]


class TestExpiry:
    def test_is_due_at_two_in_utc_wherever_months_begin(self):
        at_two = datetime(2026, 9, 1, 2, tzinfo=UTC)

        assert judge_expiry(as_of=at_two).next_at == at_two

    def test_comes_six_months_later_by_the_calendar_there(self):
        lot = buy(make_professional(), 50, at=SEPTEMBER + MINUTE)

        assert lot.expires_at == datetime(2027, 2, 28, 20, 1, tzinfo=UTC)


class TestReports:
    def test_count_a_moment_in_its_month_there(self):
        aisha = make_professional()
        buy(aisha, 50, at=SEPTEMBER - MINUTE)
        buy(aisha, 70, at=SEPTEMBER)

        report = monthly_report(as_of=SEPTEMBER)
        totals.roll_up(using="default")
        totals.roll_up(using="default")

        assert report.periods == ["2026-08", "2026-09"]
        assert [line.closing for line in report.total.lines] == [50, 120]
        assert monthly_report(as_of=SEPTEMBER) == report
        assert broken_invariants() == {}

    def test_are_counted_anew_where_the_months_were_moved(self, settings):
        buy(make_professional(), 50, at=SEPTEMBER)
        totals.roll_up(using="default")
        totals.roll_up(using="default")
        settings.CREDITS = settings.CREDITS | {"PERIOD_TIME_ZONE": "UTC"}

        totals.mend(using="default")

        assert monthly_report(as_of=SEPTEMBER).periods == ["2026-08"]

    def test_cut_what_is_outstanding_into_months_there(self):
        buy(make_professional(), 50, at=datetime(2026, 2, 28, 20, 30, tzinfo=UTC))

        *_, last = by_expiry_month(as_of=SEPTEMBER - timedelta(days=20))

        assert (last.begins_at, last.credits) == (SEPTEMBER, 50)

    def test_name_the_months_in_their_charts(self):
        buy(make_professional(), 50, at=SEPTEMBER)
        months = by_expiry_month(as_of=SEPTEMBER)

        with override("en"):
            ahead = str(expiry_chart(months, linked=False))
            behind = str(
                movement_chart(
                    totals.monthly_totals(using="default"), as_of=SEPTEMBER, linked=False
                )
            )

        assert "March 2027: 50 credits expire" in ahead
        assert "September 2026: +50 purchased" in behind

    def test_lead_to_the_transactions_of_those_months(self):
        assert span_of("2026-09") == (SEPTEMBER, datetime(2026, 9, 30, 20, tzinfo=UTC))
        assert span_of("2026")[0] == datetime(2025, 12, 31, 20, tzinfo=UTC)

    @pytest.mark.parametrize("text", ["0001", "0000-01", "9999-12", "2026-13", "2026-", "٢٠٢٦"])
    def test_lead_nowhere_with_what_is_no_month(self, text):
        with pytest.raises(ValueError, match="."):
            span_of(text)
