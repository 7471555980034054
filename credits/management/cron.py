"""What a line of ``CRONJOBS`` calls."""

import os
import sys
from typing import NoReturn


def run(command: str, **options: str) -> NoReturn:
    """
    Become ``manage.py command --option=value``, in the place of ``manage.py crontab run``.

    django-crontab catches whatever a job raises and ends with 0. A process that has become the
    command prints what the command prints and ends with its exit code, as from anywhere else.
    """
    arguments = [f"--{name}={value}" for name, value in options.items()]
    sys.stdout.flush()
    sys.stderr.flush()
    # The settings are named by the environment: `--settings` of `crontab run` has set it.
    os.execv(sys.executable, [sys.executable, sys.argv[0], command, *arguments])  # noqa: S606
