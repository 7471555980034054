"""Real processes on the test's database: forked to be killed at a chosen point, or manage.py."""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import quote

from django.conf import settings
from django.db import connection, connections

from tests.threads import in_double_quotes

TIMEOUT = 120
"""Seconds after which a child is ended: none takes half as long."""

Tell = Callable[[object], None]


class Child:
    """
    A forked process that does ``act(tell)``; what it tells is read here, line by line.

    Forked, because a process from nothing needs a second to import Django.
    """

    def __init__(self, act: Callable[[Tell], object]) -> None:
        # A connection that two processes share is no connection.
        connections.close_all()
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _live(act, writing)
        os.close(writing)
        self._told = os.fdopen(reading)
        self.exit_code: int | None = None

    def __enter__(self) -> Self:
        """Return the child."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave no child behind."""
        if self.exit_code is None:
            self.kill()
            self.wait()

    def hear(self) -> str:
        """Return the next line that the child told; nothing when it has ended."""
        return self._told.readline().rstrip("\n")

    def kill(self) -> None:
        """Kill it with -9."""
        os.kill(self.pid, signal.SIGKILL)

    def wait_until_stopped(self) -> None:
        """Wait until the child has stopped itself with SIGSTOP."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"The child did not stop, it ended with {status}."

    def wake(self) -> None:
        """Let a stopped child go on."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> int:
        """Wait for its end; return its exit code, or the signal that killed it as ``-9``."""
        _, status = os.waitpid(self.pid, 0)
        self.exit_code = os.waitstatus_to_exitcode(status)
        self._told.close()
        return self.exit_code


def _live(act: Callable[[Tell], object], writing: int) -> NoReturn:
    code = 1
    try:
        # Without a handler the alarm kills.
        signal.alarm(TIMEOUT)
        with os.fdopen(writing, "w", buffering=1) as pipe:
            act(lambda line: print(line, file=pipe, flush=True))
        connections.close_all()
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        # Not sys.exit(): pytest's own end is the parent's.
        os._exit(code)


def run_in_child(act: Callable[[], object]) -> int:
    """Do an act in a process of its own; return its exit code, ``-9`` if it was killed."""
    with Child(lambda tell: act()) as child:
        return child.wait()


def die() -> None:
    """Kill this process with -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    """Stop this process until it is woken."""
    os.kill(os.getpid(), signal.SIGSTOP)


@contextmanager
def at_point(number: int, do: Callable[[], object]) -> Iterator[None]:
    """
    Do something at the n-th point of this process: before each statement, around each COMMIT.

    Before a statement and after the one before it are the same to the database, so these are all.
    """
    points = count(1)

    def pass_point() -> None:
        if next(points) == number:
            do()

    def pass_statement(execute: Callable[..., Any], *args: Any) -> Any:
        pass_point()
        return execute(*args)

    own = connections["default"]
    commit = own.commit

    def pass_commit() -> None:
        pass_point()
        commit()
        pass_point()

    own.commit = pass_commit
    try:
        with own.execute_wrapper(pass_statement):
            yield
    finally:
        del own.commit


@contextmanager
def at_statement(words: str, number: int, do: Callable[[], object]) -> Iterator[None]:
    """Do something before the n-th statement that contains these words."""
    seen = count(1)

    def watch(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if words in in_double_quotes(sql) and next(seen) == number:
            do()
        return execute(sql, *args)

    with connection.execute_wrapper(watch):
        yield


@contextmanager
def manage(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """Start manage.py on the test's database, and leave no process behind."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "settings.testing",
        # What it says is to be read while it runs.
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(
        [sys.executable, Path(settings.BASE_DIR, "manage.py"), *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            # Nothing happens to one that has ended.
            process.kill()


def database_url() -> str:
    """Return the URL of the database that the tests use, which is not the one they were given."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(str(database['NAME']))}"
    host, user = quote(database["HOST"], safe=""), quote(database["USER"], safe="")
    if connection.vendor == "mysql":
        return f"mysql://{user}@/{database['NAME']}?unix_socket={host}"
    return f"postgresql:///{database['NAME']}?host={host}&user={user}"
