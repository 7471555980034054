import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError


@dataclass(frozen=True)
class Answer:
    """What a command said, and the code it would have left with."""

    code: int
    out: str
    err: str


@pytest.fixture
def manage() -> Callable[..., Answer]:
    """Call a command in this process: ``manage("expire_credits", "--dry-run")``."""

    def call(*words: str, err: StringIO | None = None, **options: Any) -> Answer:
        out, err = StringIO(), err or StringIO()
        code = 0
        try:
            call_command(*words, stdout=out, stderr=err, no_color=True, **options)
        except CommandError as error:
            # What manage.py does with it.
            code = error.returncode
            err.write(f"CommandError: {error}\n")
        return Answer(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def real_manage() -> Callable[..., Answer]:
    """
    Start the real manage.py, on the environment's own database.

    Tests use another one, so this one was never migrated: it holds no tables.
    """

    def start(*words: str) -> Answer:
        process = subprocess.run(
            [sys.executable, settings.BASE_DIR / "manage.py", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(process.returncode, process.stdout, process.stderr)

    return start
