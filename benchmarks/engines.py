"""The two databases that are measured on: a seed that is filled once, and copies of it to spoil."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psycopg

from settings import environment
from tests.plugins.postgres import throwaway_cluster

ROOT = Path(__file__).resolve().parent.parent

PARAMETERS = {"fsync": "off", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}
"""
PostgreSQL as it is installed, but for the disk of a shared machine, which is noise: it is not
waited for, and no checkpoint falls into one of two that are compared.
"""


class Engine(Protocol):
    """A database to measure on."""

    name: str
    key: str

    def version(self) -> str:
        """Return what this is, and its number."""

    def url(self, database: str) -> str:
        """Return what ``DATABASE_URL`` is to say."""

    def create(self, name: str) -> None:
        """Make an empty database."""

    def copy(self, source: str, name: str) -> None:
        """Copy a database, and leave nothing of that work to be done later."""

    def drop(self, name: str) -> None:
        """Remove a database."""

    def settle(self, name: str) -> None:
        """Tidy up behind a great many writes, as the night would: statistics, vacuum."""


class SQLite:
    """Files in a directory."""

    name = "SQLite"
    key = "sqlite"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def version(self) -> str:
        """Return what this is, and its number."""
        return f"SQLite {sqlite3.sqlite_version}"

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.sqlite3"

    def url(self, database: str) -> str:
        """Return what ``DATABASE_URL`` is to say."""
        return f"sqlite:///{self._path(database)}"

    def create(self, name: str) -> None:
        """Nothing: migrate makes the file."""

    def copy(self, source: str, name: str) -> None:
        """Copy the file; its write-ahead log was emptied by ``settle``."""
        shutil.copyfile(self._path(source), self._path(name))

    def drop(self, name: str) -> None:
        """Remove the file, and what stands beside it."""
        for path in self._directory.glob(f"{name}.sqlite3*"):
            path.unlink()

    def settle(self, name: str) -> None:
        """Take statistics, and bring the log into the file."""
        with closing(sqlite3.connect(self._path(name), isolation_level=None)) as connection:
            connection.execute("ANALYZE")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class PostgreSQL:
    """Databases of one cluster."""

    name = "PostgreSQL"
    key = "postgresql"

    def __init__(self, server: str) -> None:
        self._server = server

    def version(self) -> str:
        """Return what this is, and its number."""
        with psycopg.connect(self._server) as connection:
            return f"PostgreSQL {connection.info.server_version // 10_000}"

    def _execute(self, statement: str, database: str | None = None) -> None:
        url = self.url(database) if database else self._server
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)

    def url(self, database: str) -> str:
        """Return what ``DATABASE_URL`` is to say."""
        # Not urlunsplit: it loses the empty host of a URL that names a socket.
        return self._server.replace("/postgres?", f"/{database}?")

    def create(self, name: str) -> None:
        """Make an empty database."""
        self._execute(f"CREATE DATABASE {name}")

    def copy(self, source: str, name: str) -> None:
        """Copy file by file: page by page, through the log, is slower and leaves work behind."""
        self._execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")
        self._execute("CHECKPOINT")

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def settle(self, name: str) -> None:
        """Vacuum and take statistics, so that no worker does in the middle of a measurement."""
        self._execute("VACUUM (ANALYZE)", name)
        self._execute("CHECKPOINT")


@contextmanager
def opened(key: str, directory: Path | None = None) -> Iterator[Engine]:
    """
    Yield an engine that is gone at the end.

    Raises:
        PostgreSQLUnavailable: there is no server to start.
    """
    with ExitStack() as stack:
        if key == SQLite.key:
            place = directory or Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
            yield SQLite(place)
        else:
            yield PostgreSQL(stack.enter_context(throwaway_cluster(PARAMETERS)))


@contextmanager
def fresh_copy(engine: Engine, source: str = "seed") -> Iterator[str]:
    """Yield the name of a copy that may be spoiled."""
    engine.copy(source, "round")
    try:
        yield "round"
    finally:
        engine.drop("round")


def bare_connection(url: str) -> Any:
    """Return the driver's own connection, with the settings that Django gives to its."""
    options = environment.database(url)["OPTIONS"]
    if not url.startswith("sqlite"):
        return psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC")
    connection = sqlite3.connect(
        url.removeprefix("sqlite:///"), isolation_level=None, timeout=options["timeout"]
    )
    for statement in options["init_command"].split(";"):
        connection.execute(statement)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def in_process(engine: Engine, database: str, *words: str) -> str:
    """Run Python with these arguments on a database; return what it printed."""
    environ = os.environ | {
        "DATABASE_URL": engine.url(database),
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "settings.testing"),
    }
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(
            f"{' '.join(words)} failed on {engine.name}:\n{done.stdout}{done.stderr}".rstrip()
        )
    return done.stdout


def manage(engine: Engine, database: str, *words: str) -> str:
    """Run a management command; return what it printed."""
    return in_process(engine, database, "manage.py", *words)


def ask_json(engine: Engine, database: str, *words: str) -> dict[str, Any]:
    """Run Python with these arguments on a database; return the JSON document it printed."""
    told: dict[str, Any] = json.loads(in_process(engine, database, *words))
    return told
