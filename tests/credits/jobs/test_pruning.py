"""credits.jobs.pruning: what is old and needed by nobody goes; the ledger never does."""

from datetime import UTC, datetime, timedelta

import pytest

from credits.jobs import pruning
from credits.jobs.notices import stage_expiry_warnings
from credits.jobs.pruning import Pruned, prune_history
from credits.jobs.reset import reset_monthly_credits
from credits.models import (
    CreditTransaction,
    JobFailure,
    JobRun,
    JobShard,
    Notice,
    NoticeEvent,
    SuppressedAddress,
)
from tests.books import all_tables, broken_invariants
from tests.factories import MARCH, give_lot, make_notice, make_professional, make_run

NOW = datetime(2028, 3, 20, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=800)
LATELY = NOW - timedelta(days=100)
A_DAY = timedelta(days=1)
YESTERDAY = NOW - A_DAY
THIS_MONTH = NOW - timedelta(days=15)

pytestmark = pytest.mark.django_db


def old_run(**fields):
    return make_run(started_at=LONG_AGO, as_of=LONG_AGO, finished_at=LONG_AGO, **fields)


def old_notice(professional=None, **fields):
    return make_notice(professional, **({"created_at": LONG_AGO} | fields))


@pytest.fixture
def last_runs():
    """The runs of yesterday, which say that nothing is late."""
    return [make_run(job=job, started_at=YESTERDAY, as_of=YESTERDAY) for job in JobRun.Job]


class TestRuns:
    @pytest.mark.parametrize("status", ["succeeded", "partial", "failed", "interrupted", "skipped"])
    def test_that_wrote_nothing_go(self, last_runs, status):
        run = old_run(status=status, job=JobRun.Job.EXPIRY)
        JobFailure.objects.create(run=run, professional=make_professional(), error="No.")
        JobRun.objects.filter(pk=run.pk).update(error_count=1, total_count=1)

        assert prune_history(as_of=NOW) == Pruned(notices=0, runs=1, emptied=0)

        assert list(JobRun.objects.order_by("pk")) == last_runs
        assert not JobFailure.objects.exists()
        assert broken_invariants() == {}

    def test_that_the_ledger_refers_to_stay_without_their_words(self, last_runs):
        make_professional()
        run = reset_monthly_credits(as_of=MARCH, period="2026-03")
        failing = make_professional()
        JobFailure.objects.create(run=run, professional=failing, error="Key (email)=(x@y).")
        JobShard.objects.create(
            run=run, number=1, status="failed", heartbeat_at=LONG_AGO, error="Key (email)=(x@y)."
        )
        JobRun.objects.filter(pk=run.pk).update(
            started_at=LONG_AGO, error_count=1, total_count=2, error_summary="1 failed; …"
        )

        first = prune_history(as_of=NOW)
        second = prune_history(as_of=NOW)

        assert (first.runs, first.emptied) == (0, 1)
        assert second == Pruned(0, 0, 0)
        run.refresh_from_db()
        assert (run.error_summary, run.failures.get().error) == ("", "")
        assert run.shards.get().error == ""
        assert CreditTransaction.objects.get(run=run).amount == 100
        assert broken_invariants() == {}

    @pytest.mark.parametrize(
        ("summary", "error"), [("1 failed; …", ""), ("", "Key (email)=(x@y).")], ids=["run", "row"]
    )
    def test_that_stay_tell_nothing_in_either_place(self, last_runs, summary, error):
        run = old_run(job=JobRun.Job.EXPIRY, total_count=1, success_count=1, error_summary=summary)
        JobFailure.objects.create(run=run, professional=make_professional(), error=error)

        assert prune_history(as_of=NOW, dry_run=True).emptied == 1
        assert prune_history(as_of=NOW).emptied == 1

        run.refresh_from_db()
        assert (run.error_summary, run.failures.get().error) == ("", "")

    def test_that_succeeded_last_stay_however_old(self):
        earlier = old_run(job=JobRun.Job.EXPIRY)
        JobRun.objects.filter(pk=earlier.pk).update(started_at=LONG_AGO - A_DAY)
        kept = [old_run(job=job, is_whole=True) for job in JobRun.Job]
        later = [old_run(status="failed"), old_run(is_whole=False)]
        JobRun.objects.filter(pk__in=[run.pk for run in later]).update(started_at=LONG_AGO + A_DAY)

        assert prune_history(as_of=NOW).runs == 3

        assert list(JobRun.objects.order_by("pk")) == kept

    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({"status": "running"}, id="under way"),
            pytest.param({"status": "missed"}, id="missed"),
            pytest.param({"period": "2028-03"}, id="a reset of this month"),
            pytest.param({"started_at": LATELY}, id="of late"),
        ],
    )
    def test_that_are_needed_stay(self, last_runs, fields):
        run = old_run(job=JobRun.Job.RESET)
        JobRun.objects.filter(pk=run.pk).update(**fields)

        assert prune_history(as_of=NOW).runs == 0

    def test_that_a_notice_refers_to_stay_until_it_goes(self, last_runs):
        run = old_run(error_summary="Nobody is eligible.")
        notice = old_notice(run=run, status="parked")

        assert prune_history(as_of=NOW, dry_run=True) == Pruned(0, 0, 0)
        assert prune_history(as_of=NOW) == Pruned(0, 0, 0)
        Notice.objects.filter(pk=notice.pk).update(status="sent")

        assert prune_history(as_of=NOW, dry_run=True) == Pruned(1, 1, 0)
        assert prune_history(as_of=NOW) == Pruned(1, 1, 0)


class TestNotices:
    def test_that_ended_go_with_what_was_told_of_them(self, monkeypatch):
        monkeypatch.setattr(pruning, "CHUNK", 2)
        statuses = ["sent", "delivered", "bounced", "complained", "suppressed", "failed"]
        notices = [old_notice(make_professional(), status=status) for status in statuses]
        NoticeEvent.objects.create(
            notice=notices[0], event_id="1", event_type="delivered", occurred_at=LONG_AGO
        )
        SuppressedAddress.objects.create(
            address="a@b", reason="bounced", notice=notices[2], created_at=LONG_AGO
        )
        kept = make_notice(created_at=LATELY)

        assert prune_history(as_of=NOW).notices == 6

        assert list(Notice.objects.all()) == [kept]
        assert not NoticeEvent.objects.exists()
        assert SuppressedAddress.objects.get().notice is None

    @pytest.mark.parametrize("status", ["pending", "sending", "parked"])
    def test_that_wait_for_somebody_stay(self, status):
        old_notice(status=status)

        assert prune_history(as_of=NOW).notices == 0

    def test_of_this_month_stay_however_few_days_are_kept(self):
        make_notice(created_at=THIS_MONTH)
        make_notice(created_at=LATELY)

        assert prune_history(as_of=NOW, keep_notices_days=1).notices == 1

    def test_that_warn_of_a_day_to_come_stay_and_are_not_said_twice(self, settings):
        settings.CREDITS = settings.CREDITS | {"EXPIRY_WARNING_DAYS": [365]}
        aisha = make_professional()
        give_lot(aisha, 5, expires_at=NOW + timedelta(days=30), at=LONG_AGO)
        assert stage_expiry_warnings(as_of=NOW - timedelta(days=300)) == 1
        Notice.objects.update(status="sent")

        prune_history(as_of=NOW)

        assert stage_expiry_warnings(as_of=NOW) == 0
        assert prune_history(as_of=NOW + timedelta(days=31)).notices == 1
        assert stage_expiry_warnings(as_of=NOW + timedelta(days=31)) == 0


class TestDays:
    def test_come_from_the_settings(self, settings, last_runs):
        settings.CREDITS = settings.CREDITS | {"KEEP_RUNS_DAYS": 900, "KEEP_NOTICES_DAYS": 90}
        old_run()
        make_notice(created_at=LATELY)

        assert prune_history(as_of=NOW) == Pruned(notices=1, runs=0, emptied=0)

    def test_may_be_more_than_the_calendar_has(self):
        old_notice()

        assert prune_history(as_of=NOW, keep_notices_days=10**12).notices == 0


class TestADryRun:
    def test_counts_and_writes_nothing(self, last_runs):
        old_run()
        old_notice()
        before = all_tables()

        assert prune_history(as_of=NOW, dry_run=True) == Pruned(notices=1, runs=1, emptied=0)

        assert all_tables() == before


class TestACallThatWasKilled:
    @pytest.mark.parametrize(
        ("make", "status"), [(old_notice, "sent"), (old_run, "failed")], ids=["notices", "runs"]
    )
    def test_is_gone_on_with(self, monkeypatch, make, status):
        monkeypatch.setattr(pruning, "CHUNK", 1)
        rows = type(make(status=status)).objects
        for _ in range(2):
            make(status=status)
        delete, calls = pruning._delete, []  # noqa: SLF001

        def die(rows):
            delete(rows)
            calls.append(rows)
            if len(calls) == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(pruning, "_delete", die)
        with pytest.raises(KeyboardInterrupt):
            prune_history(as_of=NOW)

        assert rows.count() == 2
        rest = prune_history(as_of=NOW)
        assert rest.notices + rest.runs == 2
