"""
The crontab of whoever runs this, changed so that nothing in it is lost.

django-crontab knows its own lines and writes them, but looks at nothing: a crontab that it could
not read is an empty one to it, one it could not write is written. This looks before and after.
"""

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cronsim import CronSim, CronSimError
from django.conf import settings
from django.core.management import call_command
from django_crontab.crontab import Crontab

from credits.exceptions import CreditsError

# Debian's cron, cronie and macOS say so, and end with 1 as they do when they fail.
_NO_CRONTAB = re.compile(r"^(crontab: )?no crontab for ", re.MULTILINE)

_NEEDED = {
    "CRONTAB_COMMENT": "how its lines are known again; the default is that of other projects too",
    "CRONTAB_DJANGO_SETTINGS_MODULE": "the settings that the jobs run with: cron has none to hand",
}


class CrontabRefused(CreditsError):
    """The crontab could not be read or written, or cron would misread the lines."""


# The file that a line's output goes to, by its whole path.
_WRITES_TO = re.compile(r">\s*(/\S+)")


@dataclass(frozen=True)
class Job:
    """One line of ``CRONJOBS``."""

    schedule: str
    """Five fields, read in the host's zone."""

    name: str
    """The command it runs; of another function, its dotted path."""


@dataclass(frozen=True)
class Change:
    """What a crontab holds, and what it is to hold; each line ends with its newline."""

    before: list[str]
    after: list[str]

    @property
    def added(self) -> list[str]:
        """Return the lines that come."""
        return [line for line in self.after if line not in self.before]

    @property
    def removed(self) -> list[str]:
        """Return the lines that go."""
        return [line for line in self.before if line not in self.after]


def jobs() -> list[Job]:
    """
    Return the jobs of ``CRONJOBS``.

    Raises:
        CrontabRefused: there is none, or cron would not understand when it is to run.
    """
    found = [
        Job(job[0], job[2][0] if job[1] == f"{__package__}.cron.run" else job[1])
        for job in getattr(settings, "CRONJOBS", [])
    ]
    if not found:
        raise CrontabRefused("CRONJOBS is empty: there is nothing to install.")
    for job in found:
        try:
            CronSim(job.schedule, datetime.now(UTC))
        except CronSimError as error:
            raise CrontabRefused(
                f"CRONJOBS: “{job.schedule}” of {job.name} is no schedule of cron ({error});"
                ' write five fields, as "0 2 * * *".'
            ) from error
    return found


def missing_directories(change: Change) -> list[str]:
    """Return the directories, each once, that lines to come write to and that are not there."""
    files = [name for line in change.added for name in _WRITES_TO.findall(line)]
    return sorted({str(at) for name in files if not (at := Path(name).parent).is_dir()})


def planned(*, remove: bool = False) -> Change:
    """
    Return what the crontab would hold with the lines of ``CRONJOBS``, or without them.

    Raises:
        CrontabRefused: the crontab cannot be read, or cron would misread a line.
    """
    before = _read()
    crontab = Crontab(verbosity=0, readonly=True)
    crontab.crontab_lines = list(before)
    crontab.remove_jobs()
    others = list(crontab.crontab_lines)
    if remove:
        return Change(before, others)
    _refuse_misreadable(crontab)
    crontab.add_jobs()
    after = list(crontab.crontab_lines)
    crontab.remove_jobs()
    if crontab.crontab_lines != others:
        raise CrontabRefused(
            "django-crontab would not know its lines again, for a # in a path or in"
            " CRONTAB_COMMENT: every installation would add them once more."
        )
    return Change(before, after)


def apply(change: Change, *, remove: bool = False) -> None:
    """
    Let django-crontab make the change, and see that it did; else put back what was there.

    Raises:
        CrontabRefused: the change was not made. It says what the crontab holds now.
    """
    with _heard() as said:
        # Above -v 0 a line of an earlier CRONJOBS ends it half-way, with one line less.
        call_command("crontab", "remove" if remove else "add", verbosity=0)
        now = _read()
        if now == change.after:
            return
        said.seek(0)
        why = _last_line(said.read()) or "django-crontab wrote something else"
    if now != change.before:
        _put_back(change.before, why)
    raise CrontabRefused(f"The crontab was not changed: {why}. It is as it was.")


def _refuse_misreadable(crontab: Crontab) -> None:
    for name, meaning in _NEEDED.items():
        if not getattr(settings, name, ""):
            raise CrontabRefused(f"Set {name}: {meaning}.")
    for path in (crontab.settings.PYTHON_EXECUTABLE, crontab.settings.DJANGO_MANAGE_PATH):
        # Quotes would not help: cron cuts a line at a % even between them.
        if shlex.quote(path) != path or "%" in path:
            raise CrontabRefused(
                f"Cron's shell would take “{path}” apart: move the project to a path without"
                " spaces, % and quotes."
            )


def _read() -> list[str]:
    listed = _crontab("-l")
    if listed.returncode == 0:
        text = listed.stdout
        return (text if text.endswith("\n") or not text else f"{text}\n").splitlines(keepends=True)
    if _NO_CRONTAB.search(listed.stderr):
        return []
    why = _last_line(listed.stderr) or f"exit code {listed.returncode}"
    raise CrontabRefused(
        f"crontab -l failed, and what cannot be read is not overwritten: {why}."
        " Nothing was changed."
    )


def _put_back(lines: list[str], why: str) -> None:
    text = "".join(lines)
    _crontab("-", text)
    if _read() != lines:
        with tempfile.NamedTemporaryFile("w", prefix="crontab-", delete=False) as kept:
            kept.write(text)
        raise CrontabRefused(
            f"The crontab was not changed as meant: {why}. It could not be put back either: what"
            f" it held is in {kept.name}."
        )


def _crontab(argument: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    # The program that django-crontab calls.
    program = getattr(settings, "CRONTAB_EXECUTABLE", "/usr/bin/crontab")
    try:
        return subprocess.run(  # noqa: S603  The settings name it.
            [program, argument],
            input=text,
            capture_output=True,
            check=False,
            text=True,
            env=os.environ | {"LC_ALL": "C"},
        )
    except OSError as error:
        raise CrontabRefused(
            f"{program} cannot be run ({error.strerror}): install cron, as with apt-get install"
            " cron, or set CRONTAB_EXECUTABLE."
        ) from error


@contextmanager
def _heard() -> Iterator[IO[str]]:
    """Keep what programs say on standard error: django-crontab starts them and does not listen."""
    with tempfile.TemporaryFile("w+") as said:
        standard_error = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1].rstrip(".")
