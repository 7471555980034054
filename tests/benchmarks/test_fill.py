"""benchmarks.fill: a marketplace whose books are in order."""

import os
import subprocess
import sys

import pytest

from benchmarks.engines import ROOT


@pytest.mark.engine("sqlite")
class TestFill:
    def test_leaves_books_in_order(self, tmp_path):
        url = f"sqlite:///{tmp_path}/marketplace.sqlite3"
        words = ["--professionals", "20", "--verify", "--database-url", url]

        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.fill", *words],
            cwd=ROOT,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert "invariants hold." in done.stdout
