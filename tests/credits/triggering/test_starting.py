"""credits.triggering.starting: what a request may start, how often, and how."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import load_command_class
from django.db import connections

from credits.jobs.named import JobName
from credits.models import JobStart
from credits.triggering.starting import StartedAMomentAgo, options_of, start
from tests.factories import APRIL
from tests.threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_for_all")]

HALF_A_MINUTE = timedelta(seconds=30)


class TestStart:
    @pytest.mark.parametrize(
        "later", [HALF_A_MINUTE, timedelta(days=31), -timedelta(days=31)], ids=str
    )
    def test_begins_again_at_a_distance(self, started: list[Any], later: timedelta):
        start(JobName.EXPIRY, by="http", as_of=APRIL)

        again = start(JobName.EXPIRY, by="http", as_of=APRIL + later)

        assert len(started) == 2
        assert JobStart.objects.get().trigger == again

    @pytest.mark.parametrize(("seconds", "wait"), [(0, 30), (29, 1), (-2, 32)])
    def test_says_how_long_to_wait(self, started: list[Any], seconds: int, wait: int):
        first = start(JobName.EXPIRY, by="http", as_of=APRIL)

        with pytest.raises(StartedAMomentAgo) as refused:
            start(JobName.EXPIRY, by="google", as_of=APRIL + timedelta(seconds=seconds))

        assert refused.value.seconds == wait
        assert len(started) == 1
        assert JobStart.objects.get().trigger == first

    def test_of_one_job_keeps_no_other_waiting(self, started: list[Any]):
        for job in JobName:
            start(job, by="http", as_of=APRIL)

        assert len(started) == len(JobName)

    def test_keeps_the_distance_that_the_project_wants(self, started: list[Any], settings: Any):
        settings.CREDITS = settings.CREDITS | {"TRIGGER_SECONDS": 3_600}
        start(JobName.EXPIRY, by="http", as_of=APRIL)

        with pytest.raises(StartedAMomentAgo, match=r"ask again in 1800 s\.$"):
            start(JobName.EXPIRY, by="http", as_of=APRIL + timedelta(minutes=30))

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_is_one(self, started: list[Any]):
        def ask() -> bool:
            try:
                start(JobName.EXPIRY, by="http", as_of=APRIL)
            except StartedAMomentAgo:
                return False
            finally:
                connections.close_all()
            return True

        answers = at_once(*[ask] * 6)

        assert sorted(answers) == [False] * 5 + [True]
        assert len(started) == 1


class TestOptionsOf:
    @pytest.mark.parametrize("job", JobName)
    def test_are_understood_by_the_command(self, job: JobName):
        command = load_command_class("credits", job)

        command.create_parser("manage.py", job).parse_args(options_of(job, "http:0a1b2c3d"))
