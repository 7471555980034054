"""Do what a README of deploy/ says, to the letter, in a copy of the project."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

from settings.environment import BASE_DIR

COPIED = ["credits", "homezy", "settings", "deploy", "manage.py", "requirements.txt"]


def steps_of(readme: str) -> str:
    """Return the commands of a README, one block after the other."""
    return "".join(
        re.findall(r"^```sh\n(.*?)^```$", (BASE_DIR / readme).read_text(), re.MULTILINE | re.DOTALL)
    )


def follow(
    readme: str, directory: Path, *tools: str, environment: dict[str, str]
) -> list[list[str]]:
    """
    Run a README's commands in a copy of the project; return what its cloud's tools were told.

    Args:
        directory: where the copy goes.
        tools: the programs of the cloud; each is there, keeps what it is told and says ``told``.
    """
    for name in COPIED:
        source = BASE_DIR / name
        if source.is_dir():
            without = shutil.ignore_patterns("__pycache__", "*.sqlite3*")
            shutil.copytree(source, directory / name, ignore=without)
        else:
            shutil.copy(source, directory)
    programs = directory / "programs"
    programs.mkdir()
    told = directory / "told"
    for tool in tools:
        program = programs / tool
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\0" {tool} "$@" >> {told}\necho >> {told}\n'
            "cat > /dev/null\necho told\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", steps_of(readme)],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        env={"PATH": f"{programs}:/usr/bin:/bin", **environment},
        check=True,
        capture_output=True,
    )
    # A line ends with a NUL and a newline; the words themselves may hold newlines.
    return [line.split("\0") for line in told.read_text().removesuffix("\0\n").split("\0\n")]
