"""
One measurement in a process of its own: ``python -m benchmarks.worker WAY WORK --most N``.

The ways are the floor, our job, and what else there is; the answer is one line of JSON.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import floors
from benchmarks.engines import bare_connection
from settings import environment


@dataclass(frozen=True)
class Taken:
    """What one doing took."""

    rows: int
    seconds: float
    written: int
    """Bytes of write-ahead log on PostgreSQL; on SQLite all that the process wrote."""

    memory: int
    """The most bytes of memory that the process ever had."""

    again: float = 0.0
    """Seconds of the same once more, with nothing left to do; zero where it was not asked."""


def memory() -> int:
    """Return the most bytes of memory that this process ever had."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # It may count what the process was before it became this one.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _written(execute: Callable[[str], Any]) -> int:
    """Return the bytes that were written so far; ``execute`` asks PostgreSQL, or is None."""
    counts = Path("/proc/self/io")
    if execute is not None:
        return int(execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()[0])
    if counts.exists():
        for line in counts.read_text().splitlines():
            if line.startswith("wchar:"):
                return int(line.split()[1])
    return 0


def floor(url: str, work: str) -> Taken:
    """Do a work as single statements in one database transaction."""
    key = "sqlite" if url.startswith("sqlite") else "postgresql"
    with closing(bare_connection(url)) as connection:
        asks = None if key == "sqlite" else connection.execute
        before, rows = _written(asks), 0
        begun = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE" if key == "sqlite" else "BEGIN")
        for statement in floors.statements(work, key):
            done = connection.execute(statement)
            if work == "verify":
                done.fetchall()
            rows = rows or done.rowcount
        connection.execute("COMMIT")
        seconds = time.perf_counter() - begun
        return Taken(rows, seconds, _written(asks) - before, memory())


def job(work: str) -> Taken:
    """Do a work as this project does, and reset a second time where a reset was asked for."""
    from benchmarks.ours import DOINGS, again

    taken = timed(lambda: DOINGS[work](_as_of(work)))
    begun = time.perf_counter()
    if not again(work, _as_of(work)):
        return taken
    return Taken(**(asdict(taken) | {"again": time.perf_counter() - begun}))


def workers(work: str) -> Taken:
    """Do a work as this project does, with several workers."""
    from benchmarks.ours import together

    return timed(lambda: together(work, _as_of(work)))


def rival(way: str, work: str, most: int) -> Taken:
    """Do a part of a work in another way."""
    from benchmarks.rivals import WAYS

    return timed(lambda: WAYS[way, work](_as_of(work), most))


def timed(act: Callable[[], int]) -> Taken:
    """Do something through Django that returns the rows it was about; return what it took."""
    from django.db import connection

    with connection.cursor() as cursor:

        def ask(statement: str) -> Any:
            cursor.execute(statement)
            return cursor

        asks = None if connection.vendor == "sqlite" else ask
        before = _written(asks)
        begun = time.perf_counter()
        rows = act()
        seconds = time.perf_counter() - begun
        return Taken(rows, seconds, _written(asks) - before, memory())


def _as_of(work: str) -> datetime:
    return datetime.fromisoformat(floors.WORKS[work][1]).replace(tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("way", choices=["floor", "job", "workers", "bulk", "loop"])
    parser.add_argument("work", choices=floors.WORKS)
    parser.add_argument("--most", type=int, default=10**9)
    options = parser.parse_args()
    if options.way == "floor":
        taken = floor(environment.text("DATABASE_URL"), options.work)
    else:
        import django

        django.setup()
        if options.way == "job":
            taken = job(options.work)
        elif options.way == "workers":
            taken = workers(options.work)
        else:
            taken = rival(options.way, options.work, options.most)
    print(json.dumps(asdict(taken)))  # noqa: T201


if __name__ == "__main__":
    main()
