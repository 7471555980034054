"""
A database server of one's own, in a directory of its own under /tmp: what all kinds have in common.

On Linux it dies with the thread that started it, however that ends; only after a ``kill -9`` does
its directory stay behind.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

START_TIMEOUT = 60
"""Seconds that a server has to answer."""

# Not TMPDIR: the path of a socket has room for 107 characters, and macOS's alone takes 60.
PLACE = Path("/tmp")  # noqa: S108  a directory of its own is made in it


class ServerUnavailable(Exception):
    """No server can be started here; the text says why and what would help."""


class ThrowawayServer(ABC):
    """A server on a directory of its own."""

    name: str
    account: str
    """Whom it runs as where this process is root, which servers refuse; nobody if there is none."""

    stop: signal.Signals
    """What ends it as it stands."""

    unavailable: type[ServerUnavailable]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        """Where its data and its socket are."""

        self._prefix = self._unprivileged()
        self._running: subprocess.Popen[bytes] | None = None
        self._create()

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL of its database."""

    @abstractmethod
    def _create(self) -> None:
        """Make its data, by ``_make``."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """Return what starts it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Say whether it answers by now."""

    def _prepare(self) -> None:  # noqa: B027  for most there is nothing
        """Do what there is to do once it answers."""

    def start(self) -> None:
        """
        Start it and wait until it answers; after a crash it recovers first.

        Raises:
            ServerUnavailable: it does not start.
        """
        log = self.directory / "log"
        with log.open("ab") as output:
            self._running = subprocess.Popen(
                [*self._prefix, *self._command()],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests: they close their connections before the server goes.
                start_new_session=True,
            )
        try:
            self._wait(self._running, log)
            self._prepare()
        except BaseException:
            self.crash()
            raise

    def crash(self) -> None:
        """Stop it as it stands: nothing is tidied, and clients are cut off."""
        if self._running is not None:
            self._running.send_signal(self.stop)
            self._running.wait()

    def _wait(self, server: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while server.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return
            time.sleep(0.05)
        raise self.unavailable(f"{self.name} did not start: {log.read_text().strip()}")

    def _make(self, command: Sequence[str | Path]) -> None:
        """Run what makes the data."""
        result = subprocess.run(
            [*self._prefix, *command],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            program = Path(command[0]).name
            raise self.unavailable(f"{self.name}'s {program} failed: {result.stderr.strip()}")

    def _unprivileged(self) -> list[str]:
        """Return what goes before a command so that it runs unprivileged and dies with us."""
        if shutil.which("setpriv") is None:
            return []
        prefix = ["setpriv", "--pdeathsig", self.stop.name.removeprefix("SIG")]
        if os.geteuid() == 0:
            users = {user.pw_name for user in pwd.getpwall()}
            user = pwd.getpwnam(self.account if self.account in users else "nobody")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        return prefix


S = TypeVar("S", bound=ThrowawayServer)


@contextmanager
def throwaway(make: Callable[[Path], S], *, prefix: str, within: Path) -> Iterator[S]:
    """Make a server in a fresh directory, start it, yield it, and remove all of it."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=within) as name:
        server = make(Path(name))
        server.start()
        try:
            yield server
        finally:
            server.crash()
