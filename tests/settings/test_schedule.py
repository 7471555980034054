"""settings.schedule: when cron runs the jobs."""

from datetime import UTC, datetime
from itertools import islice, takewhile

import pytest
from cronsim import CronSim
from django.core.management import load_command_class
from django.utils.module_loading import import_string
from django_crontab.crontab import Crontab

from settings import schedule
from settings.environment import BASE_DIR

pytestmark = pytest.mark.engine("postgresql")  # No line is about a database.


class TestCronJobs:
    def test_run_the_jobs_at_their_hours(self):
        assert [(job[0], job[2], job[3]) for job in schedule.CRONJOBS] == [
            ("1 0 1 * *", ["reset_monthly_credits"], {"trigger": "cron"}),
            ("0 2 * * *", ["expire_credits"], {"trigger": "cron"}),
            ("*/15 * * * *", ["send_credit_notices"], {}),
            ("7-59/15 * * * *", ["run_due_credit_jobs"], {}),
        ]

    def test_name_what_exists(self):
        for _, function, (command,), options, _ in schedule.CRONJOBS:
            assert callable(import_string(function))
            parser = load_command_class("credits", command).create_parser("manage.py", command)
            assert parser.parse_args([f"--{name}={value}" for name, value in options.items()])

    def test_look_for_what_is_due_at_minutes_of_their_own(self):
        *explicit, due_check = [job[0] for job in schedule.CRONJOBS]
        year = datetime(2027, 1, 1, tzinfo=UTC)

        looks = set(islice(CronSim(due_check, year), 3_000))

        for line in explicit:
            assert not looks & set(takewhile(lambda at: at <= max(looks), CronSim(line, year)))


class TestCrontab:
    def test_writes_lines_that_keep_a_log_and_name_the_settings(self):
        crontab = Crontab(verbosity=0, readonly=True)

        crontab.add_jobs()

        monthly, daily, quarterly, _ = crontab.crontab_lines
        assert monthly.startswith(f"1 0 1 * * mkdir -p {BASE_DIR}/logs; ")
        assert f"{BASE_DIR}/manage.py crontab run " in monthly
        assert "--settings=settings.testing " in monthly
        assert f">> {BASE_DIR}/logs/reset_monthly_credits.log 2>&1 " in monthly
        assert daily.startswith("0 2 * * * ")
        assert daily.endswith("# homezy credits\n")
        assert quarterly.startswith("*/15 * * * * ")

    def test_finds_its_own_lines_again_and_no_others(self):
        crontab = Crontab(verbosity=0, readonly=True)
        crontab.crontab_lines = ["0 4 * * * backup # django-cronjobs for settings\n"]
        crontab.add_jobs()

        crontab.remove_jobs()

        assert crontab.crontab_lines == ["0 4 * * * backup # django-cronjobs for settings\n"]
