"""A project's settings, whatever they are, leave no migration to make for ``credits``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

BARE = """
SECRET_KEY = "testing-only"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.messages", "django.contrib.sessions", "credits",
]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
CREDITS = {"ELIGIBLE_PROFESSIONALS": "django.contrib.auth.get_user_model"}
"""

OTHER = """
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
LANGUAGE_CODE = "ar"
TIME_ZONE = "Asia/Dubai"
CREDITS |= {
    "MONTHLY_FREE_CREDITS": 20,
    "PURCHASE_VALIDITY_MONTHS": 12,
    "PERIOD_TIME_ZONE": "Asia/Dubai",
    "EXPIRY_WARNING_DAYS": [30, 7, 1],
}
"""


@pytest.mark.engine("sqlite")
class TestMakemigrations:
    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param(OTHER, id="another key, language, zone and other rules"),
            pytest.param("USE_TZ = False\n", id="naive moments, which a check refuses"),
        ],
    )
    def test_has_nothing_to_make(self, tmp_path: Path, changed: str):
        (tmp_path / "bare_settings.py").write_text(BARE + changed, "utf-8")
        order = ["makemigrations", "credits", "--check", "--dry-run", "--skip-checks"]

        done = subprocess.run(
            [sys.executable, "-m", "django", *order, "--settings", "bare_settings"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{tmp_path}:{ROOT}"},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert (done.returncode, done.stdout) == (0, "No changes detected in app 'credits'\n"), (
            done.stderr
        )
