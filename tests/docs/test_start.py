"""The five-minute start is gone through to the letter, in an empty directory."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fences_of

START = ROOT / "docs" / "start.md"
# Installed already, or needs a person, or does not end.
LEFT_OUT = re.compile(r"python3 -m venv|\. venv|pip install|createsuperuser|runserver")


@pytest.mark.engine("sqlite")
class TestFiveMinutes:
    def test_go_as_they_are_written(self, tmp_path: Path):
        place = _Place(tmp_path)

        for fence in fences_of(START):
            if fence.language == "console":
                place.type(fence.text)
            elif fence.text.startswith(">>> "):
                place.type_into_shell(fence.text)
            else:
                place.append(fence.text)

        assert place.commands_typed >= 8


class _Place:
    """A directory, and a person at a terminal in it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.commands_typed = 0
        scripts = Path(sys.executable).parent
        self._environment = {
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(directory),
            "NO_COLOR": "1",
        }

    def type(self, transcript: str) -> None:
        for entry in re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]:
            command, _, wanted = entry.partition("\n")
            if LEFT_OUT.search(command):
                continue
            if command.startswith("cd "):
                self._directory /= command.removeprefix("cd ")
                continue
            self._match(command, wanted, self._run(command))
            self.commands_typed += 1

    def type_into_shell(self, session: str) -> None:
        example = self._directory / "session.txt"
        example.write_text(session, encoding="utf-8")
        said = self._run(
            "python manage.py shell -v 0 -c 'import doctest;"
            f' print(doctest.testfile("{example}", module_relative=False))\''
        )
        assert re.search(r"TestResults\(failed=0, attempted=[1-9]", said), said
        example.unlink()

    def append(self, text: str) -> None:
        name = re.match(r"# (\S+)\n", text)
        assert name, f"No file is named for:\n{text}"
        with (self._directory / name[1]).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}")

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._directory,
            env=self._environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def _match(self, command: str, wanted: str, got: str) -> None:
        checker = doctest.OutputChecker()
        # An ellipsis alone is any number of lines.
        is_said = checker.check_output(wanted, got, doctest.ELLIPSIS)
        assert is_said, f"$ {command}\nwanted:\n{wanted}\ngot:\n{got}"
