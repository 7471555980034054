"""credits.jobs.run_due: what is due is done, once, and nothing else."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.db import DatabaseError, connection
from django.utils import timezone

from credits.exceptions import MailMisconfigured
from credits.jobs import run_due as module
from credits.jobs.due import PAUSES, Verdict
from credits.jobs.expiry import expire_credits
from credits.jobs.outcomes import Ending, JobName, Outcome
from credits.jobs.pausing import pause_job, resume_job
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.run_due import (
    DUE_WORK,
    DueReport,
    forecast_due,
    judge_sealing,
    run_due_credit_jobs,
)
from credits.jobs.running import Watch
from credits.jobs.sealing import seal_days
from credits.models import CreditBalance, JobClaim, JobPause, JobRun, Notice
from credits.signals import jobs_checked
from tests.books import all_tables
from tests.factories import make_professional, make_run, make_user, promise
from tests.threads import Pause, at_once, threads

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("no_counting", "no_seals"),
]

MARCH_1 = datetime(2026, 3, 1, tzinfo=UTC)
TWO = datetime(2026, 3, 1, 2, tzinfo=UTC)
"""When the reset and the day's expiry are due."""

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

RECORDED = DUE_WORK[:2]
"""The work that leaves runs."""


class Clock:
    """The hosts' clock, which is right here."""

    moment = TWO


@pytest.fixture(autouse=True)
def right_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: Clock.moment)


def check(as_of: datetime = TWO, **options: object) -> DueReport:
    Clock.moment = as_of
    return run_due_credit_jobs(as_of=as_of, **options)


def done(report: DueReport) -> list[tuple[str, str]]:
    return [(str(outcome.job), str(outcome.ending)) for outcome in report.outcomes]


def runs() -> list[tuple[str, str]]:
    return list(JobRun.objects.order_by("pk").values_list("job", "status"))


@pytest.fixture
def at_any_hour(settings) -> None:
    settings.CREDITS = {**settings.CREDITS, "SEND_WINDOW": ["00:00", "23:59:59.999999"]}


@pytest.fixture
def recorded_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DUE_WORK", RECORDED)


class TestACheck:
    @pytest.mark.usefixtures("at_any_hour")
    def test_does_all_that_is_due_in_order(self):
        aisha = make_professional(free=30, paid=7, at=TWO - timedelta(days=200))

        report = check(trigger="cron")

        assert done(report) == [
            ("reset_monthly_credits", "succeeded"),
            ("expire_credits", "succeeded"),
            ("send_credit_notices", "succeeded"),
        ]
        balance = CreditBalance.objects.get(professional=aisha)
        assert (balance.free_credits, balance.paid_credits) == (100, 0)
        assert {run.trigger for run in JobRun.objects.all()} == {"cron"}
        assert len(mail.outbox) == 2

    def test_writes_nothing_where_nothing_is_due(self):
        check()
        before = all_tables()

        report = check(TWO + 10 * MINUTE)

        assert done(report) == []
        assert report.next_words == "send_credit_notices at 2026-03-01 02:15 UTC"
        assert all_tables() == before

    def test_does_what_is_left_of_a_run_whose_process_died(self):
        make_run(
            status="running", period="2026-03", as_of=MARCH_1, started_at=MARCH_1,
            heartbeat_at=MARCH_1, host="gone",
        )  # fmt: skip

        check()

        assert ("reset_monthly_credits", "interrupted") in runs()
        assert ("reset_monthly_credits", "succeeded") in runs()

    def test_leaves_a_run_under_way_alone(self):
        make_run(
            status="running", period="2026-03", as_of=TWO, started_at=TWO, heartbeat_at=TWO,
            host="elsewhere",
        )  # fmt: skip

        report = check()

        assert done(report)[:2] == [
            ("reset_monthly_credits", "already_active"),
            ("expire_credits", "succeeded"),
        ]
        assert report.ending == Ending.SUCCEEDED
        assert JobRun.objects.get(job=JobRun.Job.EXPIRY).trigger == "due"

    def test_stops_between_the_jobs_when_told_to(self):
        make_professional()
        # Before the reset, before its one chunk, and before the expiry.
        stops = iter([False, False, True])

        report = check(watch=Watch(should_stop=lambda: next(stops, True)))

        assert report.ending == Ending.INTERRUPTED
        assert [job for job, _ in runs()] == ["reset_monthly_credits"]

    def test_that_is_stopped_at_once_says_what_is_due_all_the_same(self):
        report = check(watch=Watch(should_stop=lambda: True))

        assert (report.ending, runs()) == (Ending.INTERRUPTED, [])
        assert [verdict.job for verdict in report.verdicts if verdict.is_due] == [
            JobName.RESET,
            JobName.EXPIRY,
            JobName.SENDING,
        ]

    @pytest.mark.usefixtures("recorded_only")
    def test_starts_nothing_that_another_does_once_it_was_judged(self, monkeypatch):
        others = {JobRun.Job.RESET: reset_monthly_credits, JobRun.Job.EXPIRY: expire_credits}
        monkeypatch.setattr(module, "refuse_if_active", lambda job: others[job](as_of=TWO))

        report = check()

        assert done(report) == []
        assert runs() == [("reset_monthly_credits", "succeeded"), ("expire_credits", "succeeded")]

    def test_tells_what_it_found_late_to_who_listens(self):
        make_professional(free=5, at=MARCH_1 - timedelta(days=90))
        clerk = make_user().pk
        pause_job(JobPause.Job.RESET, reason="x", actor_id=clerk, at=MARCH_1)
        heard = []

        def hear(*, as_of, late, **kwargs):
            heard.append((as_of, [item.job for item in late]))
            raise RuntimeError("a receiver that raises harms nothing")

        jobs_checked.connect(hear, sender=JobRun)
        try:
            check(TWO + 6 * HOUR)
            resume_job(JobPause.Job.RESET, actor_id=clerk, at=TWO)
            make_run(status="failed", period="2026-03", as_of=TWO + 6 * HOUR)
            last = check(TWO + 6 * HOUR + MINUTE)
        finally:
            jobs_checked.disconnect(hear, sender=JobRun)

        # Sending, which is due at first, asks too.
        assert heard == [
            (TWO + 6 * HOUR, []),
            (TWO + 6 * HOUR, []),
            (TWO + 6 * HOUR + MINUTE, ["reset_monthly_credits"]),
        ]
        assert (last.as_of, [item.job for item in last.late]) == heard[-1]


@pytest.mark.django_db
class TestAYear:
    # On one engine: which days it falls on is reckoned in Python. Ten years are lived in proof/.
    @pytest.mark.engine("sqlite")
    @pytest.mark.usefixtures("recorded_only", "no_counting")
    def test_has_twelve_resets_and_an_expiry_a_day_however_often_it_is_checked(self):
        aisha = make_professional(free=30, at=datetime(2025, 12, 15, tzinfo=UTC))
        new_year = datetime(2026, 1, 1, tzinfo=UTC)
        for day in (new_year + timedelta(days=count) for count in range(365)):
            # Before, at and after each moment on the first of a month; then once, to be quick.
            for hour in (0, 1, 2, 3, 12) if day.day == 1 and day > new_year else (2,):
                check(day + hour * HOUR)

        assert Counter(runs()) == {
            ("reset_monthly_credits", "succeeded"): 12,
            ("expire_credits", "succeeded"): 365,
        }
        assert aisha.credit_transactions.filter(transaction_type="monthly_reset").count() == 12
        periods = JobRun.objects.exclude(period="").order_by("pk").values_list("period", flat=True)
        assert list(periods) == [f"2026-{month:02}" for month in range(1, 13)]

    @pytest.mark.usefixtures("recorded_only")
    def test_with_a_gap_tells_of_the_months_that_passed_and_makes_none_good(self):
        aisha = make_professional(free=30, at=datetime(2025, 12, 15, tzinfo=UTC))
        check(datetime(2026, 1, 1, 2, tzinfo=UTC))

        report = check(datetime(2026, 4, 20, 9, tzinfo=UTC))

        assert [(run.period, run.status) for run in report.passed] == [
            ("2026-02", "missed"),
            ("2026-03", "missed"),
        ]
        resets = JobRun.objects.filter(job=JobRun.Job.RESET, status=JobRun.Status.SUCCEEDED)
        assert set(resets.values_list("period", flat=True)) == {"2026-01", "2026-04"}
        assert CreditBalance.objects.get(professional=aisha).last_reset_period == "2026-04"


class TestAFailure:
    @pytest.mark.usefixtures("recorded_only")
    def test_stops_no_other_job_and_is_tried_again_after_growing_pauses(self, monkeypatch):
        def refuse(*args, **kwargs):
            raise DatabaseError("no")

        make_professional(free=30)
        with monkeypatch.context() as broken:
            broken.setattr("credits.engine.reset.MonthlyReset.reset_chunk", refuse)
            first = check()
            moment, tried = TWO, [TWO]
            while len(tried) < 4:
                moment += MINUTE
                if check(moment).outcomes:
                    tried.append(moment)

        assert done(first) == [
            ("reset_monthly_credits", "failed"),
            ("expire_credits", "succeeded"),
        ]
        assert first.ending == Ending.FAILED
        for pause, before, after in zip(PAUSES, tried, tried[1:], strict=False):
            # The run took a moment, so that the pause ends within the minute after.
            assert after - before in {pause, pause + MINUTE}
        assert check(moment + 239 * MINUTE).outcomes == ()
        assert done(check(moment + 241 * MINUTE)) == [("reset_monthly_credits", "succeeded")]

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (MailMisconfigured("No password."), "No password."),
            (RuntimeError("a fault\nin two lines"), "RuntimeError: a fault"),
        ],
        ids=["refused", "unforeseen"],
    )
    def test_to_send_is_told_and_tried_again_after_a_lease(self, monkeypatch, error, words):
        def refuse(**arguments):
            raise error

        with monkeypatch.context() as broken:
            broken.setattr(module, "send_notices", refuse)
            report = check()

        assert report.ending == Ending.FAILED
        assert report.outcomes[-1] == Outcome(JobName.SENDING, Ending.FAILED, words)
        promise(next_attempt_at=TWO, address="operator@example.com")
        assert done(check(TWO + 4 * MINUTE)) == []
        assert done(check(TWO + 6 * MINUTE)) == [("send_credit_notices", "succeeded")]


class TestSending:
    @pytest.mark.usefixtures("at_any_hour")
    def test_sends_what_waits_at_once_and_promises_every_quarter_of_an_hour(self, monkeypatch):
        check()
        asked = []
        send = module.send_notices
        monkeypatch.setattr(
            module,
            "send_notices",
            lambda **options: asked.append(options["promising"]) or send(**options),
        )

        promise(make_professional(), next_attempt_at=TWO + MINUTE)
        check(TWO + MINUTE)
        check(TWO + 2 * MINUTE)
        check(TWO + 15 * MINUTE)

        assert asked == [False, True]
        assert Notice.objects.get().status == Notice.Status.SENT

    def test_is_left_to_who_is_at_it(self):
        check()
        promise(make_professional(), next_attempt_at=TWO)
        JobClaim.objects.update(held_until=TWO + 5 * MINUTE)

        assert done(check(TWO + MINUTE)) == []

    def test_keeps_its_claim_while_it_lasts(self, monkeypatch):
        seconds = iter(range(3_600, 10_000, 60))
        monkeypatch.setattr(module, "monotonic", lambda: next(seconds))
        held, told = [], []

        def send(*, as_of, watch, **options):
            for count in range(8):
                watch.progress(count)
                held.append(JobClaim.objects.get().held_until)
            raise MailMisconfigured("No password.")

        monkeypatch.setattr(module, "send_notices", send)

        check(watch=Watch(progress=told.append))

        assert len(set(held)) > 2
        assert TWO + 10 * MINUTE < held[-1] < TWO + HOUR
        assert told == list(range(8))

    def test_stops_when_another_has_taken_over(self, monkeypatch):
        seconds = iter(range(0, 10_000, 200))
        monkeypatch.setattr(module, "monotonic", lambda: next(seconds))
        stops = []

        def send(*, as_of, watch, **options):
            stops.append(watch.should_stop())
            JobClaim.objects.update(held_until=TWO + HOUR)
            watch.progress(1)
            stops.append(watch.should_stop())
            raise MailMisconfigured("No password.")

        monkeypatch.setattr(module, "send_notices", send)

        check()

        assert stops == [False, True]
        assert JobClaim.objects.get().held_until == TWO + HOUR


class TestAPausedJob:
    def test_is_left_out_and_done_when_it_goes_on(self):
        clerk = make_user().pk
        for job in JobPause.Job:
            pause_job(job, reason="x", actor_id=clerk, at=MARCH_1)

        report = check()
        nothing = (done(report), report.next_words)
        for job in JobPause.Job:
            resume_job(job, actor_id=clerk, at=TWO)

        assert nothing == ([], "nothing, all is paused")
        assert [job for job, _ in done(check())] == list(JobPause.Job)


class TestForecast:
    def test_says_what_a_check_would_do_and_writes_nothing(self):
        make_run(period="2026-01", as_of=MARCH_1 - timedelta(days=59), started_at=MARCH_1)
        JobRun.objects.update(started_at=MARCH_1 - timedelta(days=59))
        before = all_tables()

        forecast = forecast_due(as_of=TWO)

        assert forecast.passed == ("2026-02",)
        assert [verdict.job for verdict in forecast.verdicts if verdict.is_due] == [
            JobName.RESET,
            JobName.EXPIRY,
            JobName.SENDING,
        ]
        assert all_tables() == before


class TestTenHosts:
    def test_at_once_do_everything_once(self):
        make_professional(free=30)
        make_run(period="2026-01", as_of=MARCH_1 - timedelta(days=59), started_at=MARCH_1)
        JobRun.objects.update(started_at=MARCH_1 - timedelta(days=59))

        reports = at_once(*[check] * 10)

        assert all(report.ending == Ending.SUCCEEDED for report in reports)
        assert sorted(runs()[1:]) == [
            ("expire_credits", "succeeded"),
            ("reset_monthly_credits", "missed"),
            ("reset_monthly_credits", "succeeded"),
        ]
        assert sum(len(report.passed) for report in reports) == 1

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
    def test_of_which_one_decided_before_another_was_done_start_nothing(self):
        make_professional(free=30)
        is_mariadb = connection.vendor == "mysql"
        deciding = Pause(before="FROM credits_lock" if is_mariadb else "pg_advisory_xact_lock")
        with threads() as started:
            late = started.start(check, deciding)
            deciding.wait()
            check()
            deciding.resume()
            report = late.result()

        assert done(report) == []
        assert runs() == [
            ("reset_monthly_credits", "succeeded"),
            ("expire_credits", "succeeded"),
        ]


class TestTheSeal:
    """Of the day before: due from midnight, once, where there is a key."""

    @pytest.fixture(autouse=True)
    def key(self, no_seals, settings) -> None:
        settings.CREDITS = settings.CREDITS | {"SEAL_KEY": "testing-only-testing-only-testing-only"}

    def test_is_due_since_midnight_and_then_at_the_next(self):
        odd = TWO + timedelta(minutes=7, seconds=30, microseconds=5)

        waiting = judge_sealing(as_of=odd)
        seal_days(as_of=odd)
        sealed = judge_sealing(as_of=odd)

        assert waiting == Verdict(JobName.SEALING, MARCH_1, is_due=True)
        assert sealed == Verdict(JobName.SEALING, MARCH_1 + timedelta(days=1))

    def test_falls_due_once_a_day(self):
        make_professional(free=5, at=MARCH_1 - timedelta(days=1))

        first, second = (check(TWO + minutes * MINUTE) for minutes in (0, 1))

        (sealed,) = (found for found in first.outcomes if found.job == JobName.SEALING)
        assert (sealed.ending, sealed.message) == (
            Ending.SUCCEEDED,
            "Sealed 2026-02-28: 2 transactions.",
        )
        assert JobName.SEALING not in {found.job for found in second.outcomes}
