"""What the how-tos give to copy, used in a project as a reader would."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, fences_of

HOW_TO = ROOT / "docs" / "how-to"

SETTINGS = """
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "credits"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA recursive_triggers=ON;",
        },
    }
}
"""

TESTS = """
import pytest
from datetime import UTC, datetime
from django.contrib.auth.models import User
from django.test import TransactionTestCase

from credits import ledger
from credits.engine import triggers


def write():
    assert not User.objects.exists()
    assert not triggers.missing(using="default")
    ledger.grant_bonus(
        professional_id=User.objects.create_user("aisha").pk,
        amount=25,
        at=datetime(2026, 3, 1, tzinfo=UTC),
        idempotency_key="referral-9",
    )


def test_rolls_back(db):
    write()


@pytest.mark.parametrize("again", [1, 2])
def test_fixture(transactional_db, again):
    write()


@pytest.mark.django_db(transaction=True)
def test_mark():
    write()


class TestCase(TransactionTestCase):
    def test_one(self):
        write()

    def test_two(self):
        write()
"""


def block(page: str, name: str) -> str:
    """Return the block of a page that goes into the file of this name."""
    (found,) = (f.text for f in fences_of(HOW_TO / page) if f.text.startswith(f"# {name}\n"))
    return found


@pytest.mark.engine("sqlite")
class TestConftestOfTheTestPage:
    def test_lets_every_kind_of_test_be_flushed(self, tmp_path: Path):
        for name, text in {
            "bare_settings.py": SETTINGS,
            "conftest.py": block("test.md", "conftest.py"),
            "test_shop.py": TESTS,
            "pytest.ini": "[pytest]\n",
        }.items():
            (tmp_path / name).write_text(text, encoding="utf-8")

        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ds=bare_settings"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{tmp_path}:{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stdout
        assert "6 passed" in done.stdout


class TestTimesOfTheCeleryPage:
    def test_are_those_of_cron(self, settings: Any):
        (times,) = (
            ast.literal_eval(node.value)
            for node in ast.parse(block("celery.md", "shop/celery.py")).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TIMES"
        )

        assert times == {command: when for when, _, (command,), *_ in settings.CRONJOBS}
