"""credits.admin.skin: the same pages in django-unfold's skin, asked the same questions."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent.relative_to(ROOT)

FILES = ["acts", "dashboard", "professional", "report", "transactions", "urls"]

# unfold's own frame has a style and a search box of its own; ours are judged in Django's.
UNFOLDS_OWN = "not strict_policy and not by_form"


# Another process: apps are installed once. On one engine: a skin knows of none.
@pytest.mark.engine("sqlite")
def test_unfold_shows_the_same():
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--ds=tests.unfold_settings", "-k", UNFOLDS_OWN),
            *(str(HERE / f"test_{name}.py") for name in FILES),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert asked.returncode == 0, asked.stdout[-3_000:]
