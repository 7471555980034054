"""credits.monitoring.watchers: real runs, and whoever is told of them."""

import logging
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import DataError

from credits.exceptions import RunFailed
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.models import JobAlert, JobRun
from credits.monitoring import hooks, watchers
from credits.signals import run_finished
from tests.factories import AUGUST, MARCH, make_professional, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def watched(credits, listener):
    """A chat and a check that listen."""
    credits(
        CHAT_SECRET_URLS=[f"{listener.url('json')}/CHATSECRET"],
        HEARTBEAT_SECRET_URLS=[f"{listener.url()}/PINGSECRET"],
    )
    return listener


@pytest.fixture
def broken_reset(monkeypatch):
    def refuse(*arguments, **options):
        raise RuntimeError("no luck for aisha@example.com @everyone")

    with monkeypatch.context() as patch:
        patch.setattr("credits.jobs.running.Run.work_through", refuse)
        yield patch


def paths(listener) -> list[str]:
    return sorted(urlsplit(path).path for path in listener.paths)


def chats(listener) -> list[dict]:
    return [it.document for it in listener.heard if it.path == "/CHATSECRET"]


class TestRun:
    def test_is_told_to_the_monitor_from_start_to_end(self, watched):
        make_professional(paid=10)

        expire_credits(as_of=AUGUST)

        assert paths(watched) == ["/PINGSECRET/expire-credits", "/PINGSECRET/expire-credits/start"]

    def test_that_fails_is_told_to_everybody_and_its_recovery_too(
        self, watched, broken_reset, clock
    ):
        make_professional(free=30)
        for minutes in (0, 15):
            clock(MARCH + timedelta(minutes=minutes))
            with pytest.raises(RunFailed):
                reset_monthly_credits(as_of=MARCH)
        broken_reset.undo()
        clock(MARCH + timedelta(minutes=30))

        reset_monthly_credits(as_of=MARCH)

        titles = [it["title"] for it in chats(watched)]
        assert titles == [
            "reset_monthly_credits 2026-03 failed",
            "reset_monthly_credits 2026-03 works again",
        ]
        assert paths(watched).count("/PINGSECRET/reset-monthly-credits/fail") == 2
        assert set(JobAlert.objects.values_list("status", flat=True)) == {"sent"}

    def test_of_a_few_professionals_is_not_told_to_the_monitor(self, watched):
        make_professional(paid=10)

        expire_credits(as_of=AUGUST, limit=1)

        assert paths(watched) == []

    def test_that_died_elsewhere_is_told_by_the_one_that_goes_on(self, watched):
        run_finished.send(sender=JobRun, run=make_run(status="interrupted", host="elsewhere"))

        assert paths(watched) == []


class TestHangingServer:
    def test_delays_a_run_by_no_more_than_the_limit(self, watched, monkeypatch):
        watched.is_hanging = True
        monkeypatch.setattr(hooks, "LONGEST", 0.3)
        make_professional(paid=10)
        began = time.monotonic()

        run = expire_credits(as_of=AUGUST)

        assert time.monotonic() - began < 5
        assert (run.status, run.success_count) == (JobRun.Status.SUCCEEDED, 1)
        assert watched.heard


class TestRefusingServer:
    def test_fails_no_run_and_is_tried_again(self, watched, broken_reset, clock, caplog):
        watched.status = 500
        clock(MARCH)
        make_professional(free=30)
        with pytest.raises(RunFailed, match="no luck"):
            reset_monthly_credits(as_of=MARCH)
        alert = JobAlert.objects.get()
        assert (alert.status, alert.attempts, alert.told) == ("pending", 1, [])
        assert "hook failed name=chat 1 (json) problem='HTTP 500'" in caplog.text

        watched.status = 200
        watchers.jobs_checked(as_of=alert.next_attempt_at, late=[])

        alert.refresh_from_db()
        assert (alert.status, alert.attempts) == ("sent", 2)

    def test_is_not_asked_where_the_database_is_away(self, watched, monkeypatch, caplog):
        def refuse(*arguments, **options):
            raise DataError("away")

        monkeypatch.setattr("credits.monitoring.alerts.raise_news", refuse)

        expire_credits(as_of=MARCH)

        assert "alerts were not raised" in caplog.text


class TestSecrets:
    def test_are_neither_logged_nor_stored(self, watched, broken_reset, caplog, capsys):
        caplog.set_level(logging.DEBUG)
        make_professional(free=30)
        for status in (200, 404, 500):
            watched.status = status
            JobAlert.objects.all().delete()
            with pytest.raises(RunFailed):
                reset_monthly_credits(as_of=MARCH)
        call_command("dumpdata", "credits")

        assert len(watched.heard) > 6
        stored = serializers.serialize("json", JobAlert.objects.all())
        for text in (caplog.text, stored, capsys.readouterr().out):
            assert "SECRET" not in text
        assert "@" not in "".join(it["message"] for it in chats(watched))
