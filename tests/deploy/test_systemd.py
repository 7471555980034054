"""deploy/systemd: units that systemd itself understands, and that run what cron runs."""

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from tests.deploy.schedules import BEFORE_2027, SCHEDULES, assert_understood, firings

pytestmark = pytest.mark.engine("postgresql")  # No unit is about a database.

UNITS = Path(settings.BASE_DIR, "deploy", "systemd")
TIMERS = sorted(UNITS.glob("*.timer"))
SERVICE = UNITS / "credits@.service"


@pytest.fixture
def analyze():
    """Return a function that calls systemd-analyze."""
    program = shutil.which("systemd-analyze")
    if program is None:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail("systemd-analyze is missing: apt-get install systemd")
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")

    def call(*words: str) -> str:
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


@pytest.fixture
def installed(tmp_path):
    """Return a directory with the units, as on a host where this project lives."""
    for unit in UNITS.glob("credits*"):
        text = unit.read_text().replace("/srv/homezy/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text.replace("/srv/homezy", str(settings.BASE_DIR)))
    return tmp_path


def timer(path: Path) -> tuple[str, str]:
    """Return when a timer elapses, and the command that it starts."""
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(path)
    assert unit["Timer"]["Persistent"] == "true"
    command = re.fullmatch(r"credits@(\w+)\.service", unit["Timer"]["Unit"])
    return unit["Timer"]["OnCalendar"], command[1]


class TestUnits:
    def test_are_understood_without_a_word(self, analyze, installed):
        service = installed / "credits@expire_credits.service"
        shutil.copy(installed / SERVICE.name, service)
        timers = map(str, installed.glob("*.timer"))

        assert analyze("verify", "--man=no", *timers, str(service)) == ""

    def test_are_shut_in(self, analyze, installed):
        # 0 is nothing left to take, 10 is a service that may do everything.
        analyze("security", "--offline=true", "--threshold=20", str(installed / SERVICE.name))


class TestTimers:
    def test_start_each_command_of_cron(self):
        commands = [command for _, command in map(timer, TIMERS)]

        assert sorted(commands) == sorted(SCHEDULES)
        for command in commands:
            assert_understood(command, [])

    @pytest.mark.parametrize("path", TIMERS, ids=lambda path: path.stem)
    def test_elapse_when_cron_fires(self, analyze, path):
        calendar, command = timer(path)

        told = analyze(
            "calendar", "--iterations=14", f"--base-time={BEFORE_2027:%Y-%m-%d %H:%M} UTC", calendar
        )

        moments = re.findall(r"\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", told)
        elapses = [datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in moments]
        assert elapses == firings(command, 14)
