"""homezy.celery: what beat starts when, and what a worker does without a broker."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from celery.schedules import crontab
from django.conf import settings

from settings.environment import BASE_DIR

LOOK = """
import json
from homezy.celery import app
schedule = {name: [entry["task"], str(entry["schedule"]), entry.get("args"),
    entry["options"]["expires"]] for name, entry in app.conf.beat_schedule.items()}
app.loader.import_default_modules()
app.finalize()
print(json.dumps({"schedule": schedule, "timezone": str(app.timezone), "utc": app.conf.enable_utc,
    "accept": app.conf.accept_content, "prefetch": app.conf.worker_prefetch_multiplier,
    "visibility": app.conf.broker_transport_options["visibility_timeout"],
    "tasks": sorted(name for name in app.tasks if name.startswith("credits."))}))
"""


def look(**environment: str) -> "subprocess.CompletedProcess[str]":
    """Import the app in a process of its own: here it would become everybody's current one."""
    return subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings.testing", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What a worker and beat would go by."""
    result = look(CELERY_BROKER_URL="", REDIS_URL="redis://localhost:1/0")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


class TestApp:
    def test_starts_what_cron_starts_at_the_same_hours(self, seen):
        expected = {
            command: ["credits.run_job", str(crontab.from_string(when)), [command]]
            for when, _, (command,), *_ in settings.CRONJOBS
        }

        assert {
            name: entry[:3] for name, entry in seen["schedule"].items() if name in expected
        } == expected
        assert "1 0 1 * *" in expected["reset_monthly_credits"][1]

    def test_looks_for_stranded_shards_every_minute(self, seen):
        assert seen["schedule"]["resume_shards"] == ["credits.resume_shards", "60", None, 60]

    def test_drops_only_what_the_next_one_makes_good(self, seen):
        expires = {name: entry[3] for name, entry in seen["schedule"].items()}

        assert expires["send_credit_notices"] == 900
        assert expires["reset_monthly_credits"] is expires["expire_credits"] is None

    def test_is_in_utc_and_takes_json_alone(self, seen):
        assert (seen["timezone"], seen["utc"], seen["accept"]) == ("UTC", True, ["json"])

    def test_knows_the_tasks_and_gives_them_an_hour(self, seen):
        assert seen["tasks"] == [
            "credits.resume_shards",
            "credits.run_job",
            "credits.work_on_shard",
        ]
        assert (seen["prefetch"], seen["visibility"]) == (1, 3_600)

    def test_does_not_start_without_a_broker(self):
        result = look(CELERY_BROKER_URL="", REDIS_URL="")

        assert result.stderr.strip().endswith(
            "CELERY_BROKER_URL is not set: say where Redis is, as redis://localhost:6379/0."
        )
