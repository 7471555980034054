"""
Start a job from a request, in a process of its own.

A run over a million professionals takes a minute or more: longer than a request may take, and a
thread would die with the web worker that a deployment restarts. So the job is the very command
that cron calls, ``python -m django <job>``, in a session of its own. What protects it is what
protects every run: the lease lets one run of a job be active, and a period is reset once. A
service manager that stops the whole group (systemd, a container) sends it SIGTERM, on which the
command finishes its chunk and says how to go on.

What the process says on standard error goes to a small file of this host until it has ended; the
file's name is the one-time token of the start, so that a form sent twice starts one process.
"""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

_TOKEN = re.compile(r"[0-9a-f]{8}")
_LAST_BYTES = 4_000


def new_token() -> str:
    """Return a token for one start."""
    return secrets.token_hex(4)


def is_token(text: str) -> bool:
    """Say whether a text can be a token: it becomes part of a file's name."""
    return _TOKEN.fullmatch(text) is not None


def start(job: str, *options: str, token: str) -> bool:
    """
    Start a job's command and return at once.

    Args:
        token: of the start that was asked for; the second of two equal ones starts nothing.

    Returns:
        Whether a process was started now.
    """
    try:
        # Exclusive: of two requests one makes the file.
        said = os.open(_file(token), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    try:
        process = spawn([job, *options], stderr=said)
    except OSError as error:
        os.write(said, f"{error}\n".encode())
        _file(token).rename(_ended_file(token))
        return True
    finally:
        os.close(said)
    # Waited for by a thread: a process that ended and was not waited for still looks alive, and
    # a run that died would keep its lease.
    threading.Thread(target=_wait, args=(process, token), daemon=True).start()
    return True


def spawn(words: list[str], *, stderr: int) -> "subprocess.Popen[bytes]":
    """Start a management command as a process that outlives this one."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    # The words are ours: a job that the caller knows, a token, a key of a user that was found.
    return subprocess.Popen(  # noqa: S603
        [_python(), "-m", "django", *words],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )


def last_words(token: str) -> str | None:
    """Return the last line of a process that ended without success; ``None`` if none is known."""
    try:
        with _ended_file(token).open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LAST_BYTES, 0))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return None
    said = [line.strip() for line in lines if line.strip()]
    return said[-1].removeprefix("CommandError: ") if said else ""


def _wait(process: "subprocess.Popen[bytes]", token: str) -> None:
    code = process.wait()
    with suppress(OSError):
        if code:
            _file(token).rename(_ended_file(token))
        else:
            _file(token).unlink()


def _file(token: str) -> Path:
    if not is_token(token):
        raise ValueError("This is no token of a start.")
    return Path(tempfile.gettempdir(), f"credits-run-{os.geteuid()}-{token}.log")


def _ended_file(token: str) -> Path:
    return _file(token).with_suffix(".ended")


def _python() -> str:
    """Return the interpreter: inside uWSGI ``sys.executable`` is uWSGI."""
    if Path(sys.executable).name.startswith("python"):
        return sys.executable
    return str(Path(sys.prefix, "bin", "python"))
