"""credits.monitoring.views: health, which tells strangers nothing more."""

import pytest
from django.db import OperationalError
from django.utils import timezone

from credits.models import JobRun
from credits.periods import period_of
from tests.factories import make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_database(monkeypatch):
    def refuse(*arguments, **options):
        raise OperationalError("password authentication failed for user hunter2")

    monkeypatch.setattr("credits.monitoring.views.JobRun.objects.using", refuse)
    monkeypatch.setattr("credits.monitoring.views.run_history", refuse)


class TestHealth:
    def test_is_good_where_the_database_answers(self, client):
        response = client.get("/credits/health/")

        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    @pytest.mark.parametrize("path", ["/credits/health/", "/credits/health/jobs/"])
    def test_is_bad_where_it_does_not(self, client, no_database, path):
        response = client.get(path)

        assert (response.status_code, response.json()) == (503, {"status": "database"})
        assert "no-store" in response.headers["Cache-Control"]


class TestHealthOfJobs:
    @pytest.mark.usefixtures("at_work")
    def test_is_bad_where_one_is_late_or_failed(self, client):
        response = client.get("/credits/health/jobs/")

        assert (response.status_code, response.json()) == (503, {"status": "jobs"})

    def test_is_good_where_both_did_what_they_should(self, client):
        now = timezone.now()
        moments = {"as_of": now, "started_at": now, "heartbeat_at": now, "finished_at": now}
        make_run(job=JobRun.Job.RESET, period=period_of(now), **moments)
        make_run(job=JobRun.Job.EXPIRY, **moments)

        response = client.get("/credits/health/jobs/")

        assert (response.status_code, response.json()) == (200, {"status": "ok"})
