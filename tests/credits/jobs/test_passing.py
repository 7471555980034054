"""credits.jobs.passing: a month without a reset is recorded once, and never made good."""

import os
import socket
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connections

from credits.jobs.passing import acknowledge_missed, passed_periods, record_passed_periods
from credits.jobs.pausing import pause_job, resume_job
from credits.models import JobRun, Notice
from credits.notices.composing import compose
from credits.signals import run_finished
from tests.factories import MARCH, MOMENT, make_professional, make_run, make_user
from tests.faults import lost_answers, passing_error, raise_as_django
from tests.threads import threads

pytestmark = pytest.mark.django_db

JANUARY = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
FEBRUARY_20 = datetime(2026, 2, 20, tzinfo=UTC)
MARCH_1 = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 0, 1, tzinfo=UTC)


def reset(period: str, status: str = "succeeded", at: datetime = JANUARY, **fields) -> JobRun:
    return make_run(period=period, status=status, as_of=at, started_at=at, **fields)


def record(as_of: datetime = APRIL) -> list[tuple[str, str]]:
    found = record_passed_periods(as_of=as_of, trigger="due")
    return [(run.period, run.status) for run in found]


class TestPassedPeriods:
    def test_are_none_of_a_fresh_installation(self):
        make_professional(free=30, at=JANUARY)

        assert passed_periods(as_of=APRIL) == []

    def test_begin_with_the_month_of_the_first_reset(self):
        reset("2026-01", "failed")

        assert passed_periods(as_of=APRIL) == ["2026-01", "2026-02", "2026-03"]

    def test_begin_a_month_later_where_an_expiry_came_first(self):
        make_run(job=JobRun.Job.EXPIRY, as_of=JANUARY, started_at=JANUARY)

        assert passed_periods(as_of=APRIL) == ["2026-02", "2026-03"]

    def test_do_not_reach_back_to_a_moment_that_was_only_asked_about(self):
        reset("2019-05", at=JANUARY.replace(year=2019))
        JobRun.objects.update(started_at=FEBRUARY_20)

        assert passed_periods(as_of=APRIL) == ["2026-02", "2026-03"]

    @pytest.mark.parametrize("status", ["succeeded", "partial", "running", "missed", "skipped"])
    def test_leave_out_a_month_that_something_tells_of(self, status: str):
        reset("2026-01")
        reset("2026-02", status)

        assert passed_periods(as_of=APRIL) == ["2026-03"]

    @pytest.mark.parametrize(
        "fields",
        [{"status": "failed"}, {"status": "interrupted"}, {"is_whole": False}],
        ids=repr,
    )
    def test_include_a_month_in_which_it_did_not_succeed(self, fields: dict[str, object]):
        reset("2026-01")
        reset("2026-02", **fields)

        assert passed_periods(as_of=APRIL) == ["2026-02", "2026-03"]


class TestRecording:
    def test_writes_one_row_for_each_month_once(self):
        reset("2026-01")

        assert record() == [("2026-02", "missed"), ("2026-03", "missed")]
        assert record() == []
        assert record(APRIL + timedelta(days=20)) == []

    @pytest.mark.django_db(transaction=True)
    def test_is_told_of_though_the_answer_to_the_commit_is_lost(self, finished):
        reset("2026-01")

        with lost_answers() as lost:
            recorded = record()

        assert (len(lost), recorded) == (1, [("2026-02", "missed"), ("2026-03", "missed")])
        assert [run.period for run in finished] == ["2026-02", "2026-03"]
        assert JobRun.objects.filter(status="missed").count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_is_told_of_by_who_was_quicker_where_ours_was_rolled_back(self, finished):
        reset("2026-01")
        own, others = connections["default"], []

        def be_too_late() -> None:
            del own.commit
            own.rollback()
            with threads() as started:
                others.append(started.start(partial(record, APRIL + MOMENT)).result())
            raise_as_django(passing_error())

        own.commit = be_too_late
        assert record() == []

        assert others == [[("2026-02", "missed"), ("2026-03", "missed")]]
        assert len(finished) == JobRun.objects.filter(status="missed").count() == 2

    def test_tells_of_a_pause_that_the_month_ended_in(self, settings):
        settings.ADMINS = [("A", "a@example.com")]
        reset("2026-01")
        clerk = make_user().pk
        pause_job(JobRun.Job.RESET, reason="New amounts", actor_id=clerk, at=FEBRUARY_20)
        resume_job(JobRun.Job.RESET, actor_id=clerk, at=datetime(2026, 3, 20, tzinfo=UTC))

        assert record() == [("2026-02", "skipped"), ("2026-03", "missed")]
        skipped = JobRun.objects.get(status=JobRun.Status.SKIPPED)
        assert skipped.error_summary == "Paused when the month ended: New amounts"
        word = Notice.objects.get(kind="run_summary")
        assert (word.run, word.created_at) == (skipped, APRIL)

    @pytest.mark.parametrize(
        ("job", "begins", "ends", "status"),
        [
            pytest.param("reset_monthly_credits", -1, 0, "skipped", id="to its very end"),
            pytest.param("reset_monthly_credits", -2, -1, "missed", id="and went on in it"),
            pytest.param("reset_monthly_credits", 0, 1, "missed", id="when it had ended"),
            pytest.param("expire_credits", -1, 1, "missed", id="of the other job"),
        ],
    )
    def test_asks_whether_the_month_was_paused(self, job, begins, ends, status):
        reset("2026-01")
        clerk = make_user().pk
        moment = timedelta(microseconds=1)
        pause_job(job, reason="Stop", actor_id=clerk, at=MARCH_1 + begins * moment)
        resume_job(job, actor_id=clerk, at=MARCH_1 + ends * moment)

        assert record(MARCH_1 + timedelta(days=1)) == [("2026-02", status)]

    def test_says_when_and_where_it_was_noticed(self):
        reset("2026-01")
        reset("2026-03")

        record()

        run = JobRun.objects.get(status=JobRun.Status.MISSED)
        assert (run.job, run.trigger, run.as_of) == (JobRun.Job.RESET, "due", APRIL)
        assert run.started_at == run.heartbeat_at == run.finished_at == APRIL
        assert (run.host, run.process_id) == (socket.gethostname(), os.getpid())

    def test_tells_each_operator_once_with_no_command_to_mend_it(self, settings):
        settings.ADMINS = [("A", "a@example.com"), ("B", "b@example.com")]
        reset("2026-01")
        reset("2026-03")

        record(), record()

        told = Notice.objects.order_by("address")
        assert [(n.kind, n.address) for n in told] == [
            ("run_failure", "a@example.com"),
            ("run_failure", "b@example.com"),
        ]
        message = compose(told[0], at=APRIL)
        assert "missed" in message.subject
        assert "The month passed without a reset that succeeded." in message.text
        assert "manage.py" not in message.text

    def test_sends_run_finished_and_logs_an_error(self, caplog):
        reset("2026-01")
        reset("2026-02")
        heard = []

        def hear(*, run, **kwargs):
            heard.append((run.period, run.status))

        run_finished.connect(hear, sender=JobRun)
        try:
            record()
        finally:
            run_finished.disconnect(hear, sender=JobRun)

        assert heard == [("2026-03", "missed")]
        line = next(entry for entry in caplog.records if entry.name == "credits.jobs")
        assert line.levelname == "ERROR"
        assert "job=reset_monthly_credits" in line.getMessage()
        assert "status=missed" in line.getMessage()


class TestAcknowledging:
    def test_is_done_once_and_says_so(self):
        run = make_run(status="missed", period="2026-02", error_summary="Passed.")

        done = [acknowledge_missed(run.pk, reason=why, at=MARCH) for why in ("First", "Second")]

        run.refresh_from_db()
        assert done == [True, False]
        assert (run.acknowledged_at, run.error_summary) == (MARCH, "Passed. Acknowledged: First")

    def test_is_of_one_month(self):
        run, other = (make_run(status="missed", period=f"2026-0{month}") for month in (1, 2))

        acknowledge_missed(run.pk, reason="Known", at=MARCH)

        other.refresh_from_db()
        assert (other.acknowledged_at, other.error_summary) == (None, "")

    @pytest.mark.parametrize("status", ["failed", "skipped", "succeeded"])
    def test_leaves_a_run_alone_that_missed_nothing(self, status: str):
        run = make_run(status=status, period="2026-02")

        assert not acknowledge_missed(run.pk, reason="Known", at=MARCH)
