"""credits.jobs.detached: a job's command in a process of its own, and what that said last."""

import os
import stat
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from credits.jobs import detached
from tests.threads import TIMEOUT

TOKEN = "0a1b2c3d"


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of what processes say, empty at first."""
    monkeypatch.setattr(detached.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


class TestAProcess:
    def test_finds_the_project_and_says_what_it_says_in_its_own_session(
        self, capfd: Any, own_directory: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(own_directory)
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings.testing")

        monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # It is said on standard error.
        said = own_directory / "said"

        with said.open("wb") as file:
            process = detached.spawn(["diffsettings"], stderr=file.fileno())

        assert os.getsid(process.pid) == process.pid
        assert process.wait() == 0
        assert capfd.readouterr() == ("", "")
        assert b"import time:" in said.read_bytes()

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

    def test_is_waited_for_by_a_thread_that_holds_up_no_end(
        self, own_directory: Path, monkeypatch: pytest.MonkeyPatch
    ):
        over = threading.Event()
        process = SimpleNamespace(wait=lambda: not over.wait(TIMEOUT))
        monkeypatch.setattr(detached, "spawn", lambda words, *, stderr: process)
        before = threading.enumerate()

        detached.start("expire_credits", token=TOKEN)
        (waiter,) = set(threading.enumerate()) - set(before)
        over.set()
        waiter.join()

        assert waiter.daemon
        assert list(own_directory.iterdir()) == []

    @pytest.mark.parametrize(("code", "told"), [(0, None), (1, "No database.")])
    def test_leaves_what_it_said_where_it_failed(
        self, own_directory: Path, code: int, told: str | None
    ):
        process: Any = SimpleNamespace(wait=lambda: code)
        detached._file(TOKEN).write_text("No database.")  # noqa: SLF001

        detached._wait(process, TOKEN)  # noqa: SLF001

        assert detached.last_words(TOKEN) == told
        assert len(list(own_directory.iterdir())) == code


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
        with pytest.raises(ValueError, match=r"^This is no token of a start\.$"):
            detached.last_words("../../x")
