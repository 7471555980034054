"""
A MariaDB of one's own, for as long as a ``with`` block: nothing installed is touched.

Proofs use it as the test suite does::

    with throwaway_mariadb() as url:
        environment.database(url)
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
from urllib.parse import quote

from tests.plugins.postgres import PLACE, START_TIMEOUT

FAST = {
    "innodb_flush_method": "nosync",
    "innodb_flush_log_at_trx_commit": "0",
    "innodb_doublewrite": "0",
}
"""Never wait for the disk: fit for data that dies with the process."""

_OURS = {
    # The default of most servers: texts that differ in case are one, unless the app sees to it.
    "character_set_server": "utf8mb4",
    "collation_server": "utf8mb4_general_ci",
    "innodb_buffer_pool_size": "128M",
    "innodb_log_file_size": "64M",
    "max_connections": "100",
    # Fifty seconds and a day: a test that waits in vain is to fail before somebody gives up.
    "innodb_lock_wait_timeout": "20",
    "lock_wait_timeout": "20",
    "log_warnings": "1",
}


class MariaDBUnavailable(Exception):
    """No server can be started here; the text says why and what would help."""


@contextmanager
def throwaway_mariadb(parameters: Mapping[str, str] = FAST) -> Iterator[str]:
    """
    Start a fresh server, yield the URL of its empty database, and remove all of it.

    It listens on a Unix socket alone. On Linux the server dies with the thread that started it,
    however that ends; only after a ``kill -9`` does its directory under /tmp stay behind.

    Args:
        parameters: MariaDB's variables; the default gives safety up for speed.

    Raises:
        MariaDBUnavailable: no server or no mysqlclient is installed, or it does not start.
    """
    with throwaway_mariadb_server(parameters) as server:
        yield server.url


@contextmanager
def throwaway_mariadb_server(
    parameters: Mapping[str, str] = FAST, *, within: Path = PLACE
) -> Iterator["MariaDBServer"]:
    """Do what ``throwaway_mariadb`` does, and yield the server, which can crash and come back."""
    programs = find_programs()
    with tempfile.TemporaryDirectory(prefix="credits-maria-", dir=within) as name:
        directory = Path(name)
        prefix = _prefix(directory)
        _create(programs, directory, prefix)
        server = MariaDBServer(programs, directory, prefix, parameters)
        server.start()
        try:
            yield server
        finally:
            server.crash()


def find_programs() -> dict[str, str]:
    """
    Return the paths of MariaDB's programs, by their names.

    Raises:
        MariaDBUnavailable: one of them is missing, or the driver is.
    """
    if importlib.util.find_spec("MySQLdb") is None:
        raise MariaDBUnavailable(
            "mysqlclient is not installed: pip install -r requirements-mariadb.txt, which needs a"
            " compiler and apt-get install libmariadb-dev."
        )
    # Debian keeps the server off the PATH of everyone but root.
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = {}
    for name in ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-tzinfo-to-sql"):
        path = shutil.which(name, path=places)
        if path is None:
            raise MariaDBUnavailable(
                f"MariaDB's {name} is not installed: apt-get install mariadb-server."
            )
        found[name] = path
    return found


def _prefix(directory: Path) -> list[str]:
    """Return what goes before a command so that it runs unprivileged and dies with this process."""
    if shutil.which("setpriv") is None:
        return []
    prefix = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        # MariaDB refuses to run as root.
        users = {user.pw_name for user in pwd.getpwall()}
        user = pwd.getpwnam("mysql" if "mysql" in users else "nobody")
        os.chown(directory, user.pw_uid, user.pw_gid)
        prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return prefix


def _create(programs: Mapping[str, str], directory: Path, prefix: list[str]) -> None:
    result = subprocess.run(
        [
            *prefix,
            programs["mariadb-install-db"],
            "--no-defaults",
            f"--datadir={directory / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            # A server that starts clears its own away, and another's with it.
            f"--tmpdir={directory}",
            *_arguments(FAST),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise MariaDBUnavailable(f"mariadb-install-db failed: {result.stderr.strip()}")


class MariaDBServer:
    """A server on a directory of its own."""

    def __init__(
        self,
        programs: Mapping[str, str],
        directory: Path,
        prefix: list[str],
        parameters: Mapping[str, str],
    ) -> None:
        self._programs = programs
        self.directory = directory
        """Where its data and its socket are."""

        self._prefix = prefix
        self._parameters = {**_OURS, **parameters}
        self._running: subprocess.Popen[bytes] | None = None
        self._is_new = True

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"mysql://root@/credits?unix_socket={quote(str(self._socket), safe='')}"

    @property
    def _socket(self) -> Path:
        return self.directory / "socket"

    def start(self) -> None:
        """
        Start it and wait until it answers; after a crash it recovers first.

        Raises:
            MariaDBUnavailable: it does not start.
        """
        log = self.directory / "log"
        with log.open("ab") as output:
            self._running = subprocess.Popen(
                [
                    *self._prefix,
                    self._programs["mariadbd"],
                    "--no-defaults",
                    f"--datadir={self.directory / 'data'}",
                    f"--socket={self._socket}",
                    f"--tmpdir={self.directory}",
                    f"--pid-file={self.directory / 'pid'}",
                    "--skip-networking",
                    *_arguments(self._parameters),
                ],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests: they close their connections before the server goes.
                start_new_session=True,
            )
        try:
            self._wait(log)
            if self._is_new:
                self._say("CREATE DATABASE credits", database="")
                self._say(self._zones(), database="mysql")
                self._is_new = False
        except BaseException:
            self.crash()
            raise

    def crash(self) -> None:
        """Kill it as it stands: nothing is tidied, and clients are cut off."""
        if self._running is not None:
            self._running.send_signal(signal.SIGKILL)
            self._running.wait()

    def _wait(self, log: Path) -> None:
        assert self._running is not None
        deadline = time.monotonic() + START_TIMEOUT
        while self._running.poll() is None and time.monotonic() < deadline:
            if self._socket.exists() and self._client("SELECT 1", database="").returncode == 0:
                return
            time.sleep(0.05)
        raise MariaDBUnavailable(f"MariaDB did not start: {log.read_text().strip()}")

    def _zones(self) -> str:
        # The two that tests tell months in: all six hundred take seconds.
        return "".join(
            subprocess.run(
                [
                    self._programs["mariadb-tzinfo-to-sql"],
                    f"/usr/share/zoneinfo/{zone}",
                    zone,
                ],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for zone in ZONES
        )

    def _say(self, sql: str, *, database: str) -> None:
        said = self._client(sql, database=database)
        if said.returncode:
            raise MariaDBUnavailable(f"MariaDB is not fit to use: {said.stderr.strip()}")

    def _client(self, sql: str, *, database: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [
                self._programs["mariadb"],
                "--no-defaults",
                f"--socket={self._socket}",
                "--user=root",
                f"--database={database}",
            ],
            input=sql,
            capture_output=True,
            text=True,
            check=False,
        )


ZONES = ("UTC", "Asia/Dubai")
"""Time zones that it knows by name."""


def _arguments(parameters: Mapping[str, str]) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in parameters.items()]
