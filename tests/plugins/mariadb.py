"""
A MariaDB of one's own, for as long as a ``with`` block: nothing installed is touched.

Proofs use it as the test suite does::

    with throwaway_mariadb() as url:
        environment.database(url)
"""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import quote

from tests.plugins.servers import PLACE, ServerUnavailable, ThrowawayServer, throwaway

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


class MariaDBUnavailable(ServerUnavailable):
    """No server can be started here; the text says why and what would help."""


@contextmanager
def throwaway_mariadb(parameters: Mapping[str, str] = FAST) -> Iterator[str]:
    """
    Start a fresh server, yield the URL of its empty database, and remove all of it.

    It listens on a Unix socket alone.

    Args:
        parameters: MariaDB's variables; the default gives safety up for speed.

    Raises:
        MariaDBUnavailable: no server or no mysqlclient is installed, or it does not start.
    """
    with throwaway_mariadb_server(parameters) as server:
        yield server.url


def throwaway_mariadb_server(
    parameters: Mapping[str, str] = FAST, *, within: Path = PLACE
) -> AbstractContextManager["MariaDBServer"]:
    """Do what ``throwaway_mariadb`` does, and yield the server, which can crash and come back."""
    programs = find_programs()
    return throwaway(
        lambda directory: MariaDBServer(programs, directory, parameters),
        prefix="credits-maria-",
        within=within,
    )


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


class MariaDBServer(ThrowawayServer):
    """A MariaDB on a directory of its own; it crashes by being killed."""

    name = "MariaDB"
    account = "mysql"
    stop = signal.SIGKILL
    unavailable = MariaDBUnavailable

    def __init__(
        self, programs: Mapping[str, str], directory: Path, parameters: Mapping[str, str]
    ) -> None:
        self._programs = programs
        self._parameters = {**_OURS, **parameters}
        self._is_new = True
        super().__init__(directory)

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"mysql://root@/credits?unix_socket={quote(str(self._socket), safe='')}"

    @property
    def _socket(self) -> Path:
        return self.directory / "socket"

    def _create(self) -> None:
        self._make(
            [
                self._programs["mariadb-install-db"],
                "--no-defaults",
                f"--datadir={self.directory / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                # A server that starts clears its own away, and another's with it.
                f"--tmpdir={self.directory}",
                *_arguments(FAST),
            ]
        )

    def _command(self) -> Sequence[str | Path]:
        return [
            self._programs["mariadbd"],
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--socket={self._socket}",
            f"--tmpdir={self.directory}",
            f"--pid-file={self.directory / 'pid'}",
            "--skip-networking",
            *_arguments(self._parameters),
        ]

    def _answers(self) -> bool:
        return self._socket.exists() and self._client("SELECT 1", database="").returncode == 0

    def _prepare(self) -> None:
        if self._is_new:
            self._say("CREATE DATABASE credits", database="")
            self._say(self._zones(), database="mysql")
            self._is_new = False

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
