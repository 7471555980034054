"""credits.models.runs: the history of the jobs."""

import pytest
from django.db import IntegrityError, transaction

from credits.models import JobFailure, JobRun
from tests.factories import make_run, make_user

pytestmark = pytest.mark.django_db


class TestJobRun:
    def test_reads_as_its_job_and_its_number(self):
        assert str(JobRun(pk=12, job=JobRun.Job.EXPIRY)) == "expire_credits run 12"

    def test_is_active_only_once_for_each_job(self):
        make_run(status=JobRun.Status.RUNNING)
        make_run(status=JobRun.Status.RUNNING, job=JobRun.Job.EXPIRY)

        with (
            pytest.raises(
                IntegrityError, match="credits_job_has_one_active_run|credits_jobrun.job"
            ),
            transaction.atomic(),
        ):
            make_run(status=JobRun.Status.RUNNING)

    @pytest.mark.parametrize(
        ("first", "second"), [("missed", "missed"), ("missed", "skipped"), ("skipped", "skipped")]
    )
    def test_passes_once_a_period(self, first, second):
        make_run(status=first, period="2026-02")
        make_run(status=second, period="2026-03")

        with (
            pytest.raises(IntegrityError, match="credits_period_passes|credits_jobrun.job"),
            transaction.atomic(),
        ):
            make_run(status=second, period="2026-02")

    @pytest.mark.parametrize("status", ["succeeded", "partial", "failed", "interrupted"])
    def test_may_have_ended_any_number_of_times(self, status):
        make_run(status=status)
        make_run(status=status)

        assert JobRun.objects.filter(status=status).count() == 2

    @pytest.mark.parametrize(
        "counts",
        [
            {"total_count": 1},
            {"success_count": 1},
            {"error_count": 1},
            {"total_count": 1, "success_count": 1, "error_count": 1},
        ],
        ids=repr,
    )
    def test_totals_its_successes_and_errors(self, counts):
        with (
            pytest.raises(IntegrityError, match="credits_run_total_is_successes_plus_errors"),
            transaction.atomic(),
        ):
            make_run(**counts)


class TestJobFailure:
    def test_reads_as_its_error(self):
        assert str(JobFailure(error="integer out of range")) == "integer out of range"

    def test_is_listed_once_a_run(self):
        run, professional = make_run(), make_user()
        run.failures.create(professional=professional, error="integer out of range")

        with (
            pytest.raises(
                IntegrityError, match="credits_failure_is_listed_once_a_run|run_id, .*professional"
            ),
            transaction.atomic(),
        ):
            run.failures.create(professional=professional, error="again")
