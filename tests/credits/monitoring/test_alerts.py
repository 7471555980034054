"""credits.monitoring.alerts: what is news, told once."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from credits.models import JobAlert, JobRun, Notice
from credits.monitoring import alerts
from credits.monitoring.alerts import FIRST_REPEAT, RETRIES, raise_news, settle, take_due
from tests.factories import FEBRUARY, MARCH, make_run
from tests.threads import at_once

RESET, EXPIRY = JobRun.Job.RESET, JobRun.Job.EXPIRY
Status = JobAlert.Status
NOON = MARCH.replace(hour=12)
HOUR = timedelta(hours=1)


def ran(status: str, at: datetime, job: JobRun.Job = RESET, **fields: Any) -> JobRun:
    fields.setdefault("period", "2026-03" if job == RESET else "")
    moments = {"as_of": at, "started_at": at, "heartbeat_at": at, "finished_at": at}
    return make_run(job=job, status=status, **(moments | fields))


def told(job: JobRun.Job = RESET) -> list[str]:
    return list(JobAlert.objects.filter(job=job).order_by("number").values_list("kind", flat=True))


@pytest.mark.django_db
class TestNews:
    def test_is_nothing_when_all_is_well(self):
        ran("succeeded", MARCH)
        ran("succeeded", MARCH, EXPIRY)

        assert raise_news(as_of=NOON) == 0

    @pytest.mark.parametrize("status", ["failed", "partial", "missed"])
    def test_is_a_run_that_went_wrong_with_what_mends_it(self, status):
        run = ran(status, MARCH)

        assert raise_news([RESET], as_of=NOON) == 1

        alert = JobAlert.objects.get()
        assert (alert.kind, alert.run, alert.about) == (status, run, "2026-03")
        # A month that has passed is not back-filled: there is nothing to type.
        mends = "" if status == "missed" else "manage.py reset_monthly_credits --period 2026-03"
        assert alert.command == mends
        assert alert.since == MARCH

    @pytest.mark.usefixtures("at_work")
    def test_is_a_job_that_is_late(self):
        assert raise_news(as_of=NOON) == 2

        assert (told(RESET), told(EXPIRY)) == (["late"], ["late"])

    def test_is_no_late_job_whose_run_may_be_about_to_begin(self):
        assert raise_news(as_of=NOON, tells_late=False) == 0

    def test_is_told_once_while_it_stays_the_same(self):
        ran("failed", MARCH)
        raise_news([RESET], as_of=NOON)
        ran("failed", NOON + HOUR)

        assert raise_news([RESET], as_of=NOON + 2 * HOUR) == 0

    def test_is_a_trouble_of_another_kind(self):
        ran("failed", MARCH)
        raise_news([RESET], as_of=NOON)
        ran("partial", NOON + HOUR)

        assert raise_news([RESET], as_of=NOON + 2 * HOUR) == 1

        assert told() == ["failed", "partial"]
        assert JobAlert.objects.get(kind="partial").since == MARCH

    def test_is_told_again_after_pauses_that_double(self):
        ran("failed", MARCH)
        raise_news([RESET], as_of=MARCH)
        moments = [MARCH + FIRST_REPEAT * factor for factor in (0.9, 1, 2.9, 3, 6.9, 7)]

        counts = [raise_news([RESET], as_of=moment) for moment in moments]

        assert counts == [0, 1, 0, 1, 0, 1]
        assert JobAlert.objects.get(number=4).repeats == 3

    def test_of_a_late_expiry_does_not_begin_anew_with_each_day(self):
        late = MARCH.replace(hour=23, minute=50)
        raise_news([EXPIRY], as_of=late)

        assert raise_news([EXPIRY], as_of=late + timedelta(minutes=15)) == 0

    def test_is_a_recovery_once(self):
        ran("failed", MARCH)
        raise_news([RESET], as_of=MARCH)
        good = ran("succeeded", NOON)

        counts = [raise_news([RESET], as_of=NOON + hours * HOUR) for hours in range(3)]

        assert counts == [1, 0, 0]
        assert told() == ["failed", "recovered"]
        assert JobAlert.objects.get(kind="recovered").run == good

    def test_is_no_recovery_when_a_new_month_ends_the_lateness(self):
        ran("succeeded", FEBRUARY, period="2026-02")
        raise_news([RESET], as_of=NOON)
        april = datetime(2026, 4, 1, 0, 5, tzinfo=MARCH.tzinfo)

        assert raise_news([RESET], as_of=april) == 0

    def test_is_no_recovery_when_a_few_professionals_were_done(self):
        ran("failed", MARCH)
        raise_news([RESET], as_of=NOON)
        ran("succeeded", NOON, is_whole=False)

        assert raise_news([RESET], as_of=NOON + HOUR) == 0

    def test_is_the_next_failure_after_a_recovery(self):
        for status, hours in [("failed", 0), ("succeeded", 1), ("failed", 2)]:
            ran(status, NOON + hours * HOUR, EXPIRY)
            raise_news([EXPIRY], as_of=NOON + hours * HOUR)

        assert told(EXPIRY) == ["failed", "recovered", "failed"]

    def test_is_no_interruption_before_the_job_is_late(self):
        ran("succeeded", MARCH, EXPIRY)
        ran("interrupted", NOON, EXPIRY)

        counts = [raise_news([EXPIRY], as_of=NOON + days * 24 * HOUR) for days in (0, 2)]

        assert (counts, told(EXPIRY)) == ([0, 1], ["late"])


@pytest.mark.django_db
class TestMail:
    @pytest.fixture(autouse=True)
    def operator(self, credits):
        credits(ADMIN_RECIPIENTS=["operator@example.com"])

    def test_is_promised_with_the_alert(self):
        failed = ran("failed", MARCH)
        raise_news([RESET], as_of=MARCH)
        good = ran("succeeded", NOON)
        raise_news([RESET], as_of=NOON)
        raise_news([RESET], as_of=NOON)

        kinds = Notice.objects.order_by("pk").values_list("kind", "run")
        assert list(kinds) == [("run_failure", failed.pk), ("run_recovered", good.pk)]

    def test_is_not_promised_for_every_failure_of_a_streak(self):
        for minutes in (0, 15, 30, 45):
            moment = MARCH + timedelta(minutes=minutes)
            ran("failed", moment)
            raise_news([RESET], as_of=moment)

        assert Notice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestTenWhoLookAtOnce:
    def test_raise_one_alert_and_deliver_it_once(self):
        ran("failed", MARCH)

        raised = at_once(*[partial(raise_news, [RESET], as_of=MARCH)] * 10)
        taken = at_once(*[partial(take_due, as_of=MARCH)] * 10)

        assert (sum(raised), told()) == (1, ["failed"])
        assert sum(len(it) for it in taken) == 1


@pytest.mark.django_db
class TestDelivery:
    @pytest.fixture
    def alert(self) -> JobAlert:
        ran("failed", MARCH)
        raise_news([RESET], as_of=MARCH)
        return JobAlert.objects.get()

    def attempt(self, as_of: datetime, **outcome: list[str]) -> list[str]:
        return [settle(it, **outcome) for it in take_due(as_of=as_of)]

    def test_is_done_when_every_chat_has_it(self, alert):
        assert self.attempt(MARCH, told=["a", "b"], wanted=["a", "b"]) == [Status.SENT]

        alert.refresh_from_db()
        assert (alert.status, alert.told, take_due(as_of=NOON)) == (Status.SENT, ["a", "b"], [])

    def test_is_tried_again_for_the_chat_that_lacks_it(self, alert):
        assert self.attempt(MARCH, told=["a"], wanted=["a", "b"]) == [Status.PENDING]
        assert self.attempt(MARCH, told=["b"], wanted=["a", "b"]) == []
        assert self.attempt(MARCH + RETRIES[0], told=["b"], wanted=["a", "b"]) == [Status.SENT]

    def test_is_given_up_after_the_last_pause(self, alert):
        moment, seen = MARCH, []
        for pause in (*RETRIES, HOUR):
            seen += self.attempt(moment, told=[], wanted=["a"])
            moment += pause

        assert seen == [Status.PENDING] * len(RETRIES) + [Status.GIVEN_UP]
        assert take_due(as_of=moment + timedelta(days=30)) == []

    def test_survives_the_process_that_took_it(self, alert):
        take_due(as_of=MARCH)

        assert take_due(as_of=MARCH + RETRIES[0]) == [alert]

    def test_takes_so_many_at_once(self, alert, monkeypatch):
        monkeypatch.setattr(alerts, "MOST_AT_ONCE", 1)
        raise_news([EXPIRY], as_of=NOON)

        assert [it.job for it in take_due(as_of=NOON)] == [RESET]
