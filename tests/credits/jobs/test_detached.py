"""credits.jobs.detached: a job's command in a process of its own, and what that said last."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from credits.jobs import detached

TOKEN = "0a1b2c3d"


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of what processes say, empty at first."""
    monkeypatch.setattr(detached.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


class TestAProcess:
    def test_finds_the_project_has_a_session_of_its_own_and_says_nothing_here(
        self, capfd: Any, own_directory: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(own_directory)
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings.testing")

        process = detached.spawn(["diffsettings"], stderr=subprocess.STDOUT)

        assert os.getsid(process.pid) == process.pid
        assert process.wait() == 0
        assert capfd.readouterr() == ("", "")

    def test_says_what_nobody_else_on_the_host_may_read(
        self, own_directory: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(detached, "_python", lambda: "/nowhere/python")

        assert detached.start("expire_credits", token=TOKEN)

        (said,) = own_directory.iterdir()
        assert stat.S_IMODE(said.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
        assert "No such file or directory" in (detached.last_words(TOKEN) or "")

    def test_is_the_interpreter_inside_another_server_too(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "prefix", "/srv/venv")
        found = []
        for executable in ("/opt/bin/python3.11", "/usr/bin/uwsgi"):
            monkeypatch.setattr(sys, "executable", executable)
            found.append(detached._python())  # noqa: SLF001

        assert found == ["/opt/bin/python3.11", "/srv/venv/bin/python"]


class TestLastWords:
    @pytest.mark.parametrize(
        ("said", "told"),
        [
            pytest.param(b"No database.", "No database.", id="all there is"),
            pytest.param(b"Old.\nCommandError: No database.\n\n", "No database.", id="a line"),
            pytest.param(b"old\n" * 2_000 + b"new", "new", id="after many"),
            pytest.param(b"x" * 5_000, "x" * 4_000, id="the end of a long one"),
            pytest.param(b"\xff is no text", "\ufffd is no text", id="no text"),
            pytest.param(b" \n", "", id="none"),
        ],
    )
    def test_are(self, said: bytes, told: str):
        detached._ended_file(TOKEN).write_bytes(said)  # noqa: SLF001

        assert detached.last_words(TOKEN) == told

    def test_are_not_known_of_a_process_that_never_was(self):
        assert detached.last_words(TOKEN) is None

    def test_are_sought_in_no_file_that_the_name_does_not_allow(self):
        with pytest.raises(ValueError, match="no token of a start"):
            detached.last_words("../../x")
