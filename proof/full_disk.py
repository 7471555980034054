"""
A full disk: the run fails in one sentence, the books are in order, and the next run finishes.

SQLite is given no more pages (``max_page_count``); PostgreSQL stands on a small tmpfs that a file
of zeros fills up. There is no control: without a database transaction there would be nothing to
roll back, which the kill storm shows.
"""

import io
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections

from credits.models import CreditTransaction, TransactionType
from proof.cluster import DURABLE, on_cluster
from proof.findings import Finding
from proof.stage import present
from tests.books import broken_invariants
from tests.crowds import crowd
from tests.factories import AUGUST, JULY_15, MARCH
from tests.plugins.postgres import PostgreSQLUnavailable, Server

MEGABYTE = 2**20
TMPFS = 220 * MEGABYTE

COMMANDS: dict[str, tuple[str, datetime, TransactionType]] = {
    "reset": ("reset_monthly_credits", MARCH, TransactionType.MONTHLY_RESET),
    "expiry": ("expire_credits", AUGUST, TransactionType.EXPIRY),
}


def full_disk(name: str, *, professionals: int) -> Finding:
    """Let the disk be full in the middle of a job over ``professionals``, on either engine."""
    full = {"sqlite": sqlite_is_full, "postgresql": postgresql_is_full}
    return full[connection.vendor](name, professionals=professionals)


def sqlite_is_full(name: str, *, professionals: int) -> Finding:
    """Let SQLite have a few pages more than it has when the job begins."""
    begun = time.monotonic()
    with crowd(professionals, lots_expire_at=JULY_15):
        # Neither free pages nor pages that stand in the log alone.
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.execute("PRAGMA page_count")
            (pages,) = cursor.fetchone()
            cursor.execute(f"PRAGMA max_page_count = {pages + professionals // 100}")
        complaints = _fails(name)
        # The limit is the connection's.
        connections.close_all()
        complaints += _finishes(name, professionals)
    return _finding(name, complaints, begun)


def postgresql_is_full(name: str, *, professionals: int) -> Finding:
    """Let PostgreSQL have a few megabytes more than it has when the job begins."""
    begun = time.monotonic()
    small = {**DURABLE, "max_wal_size": "32MB", "min_wal_size": "32MB", "wal_level": "minimal"}
    small |= {"max_wal_senders": "0", "shared_buffers": "16MB", "autovacuum": "off"}
    with (
        _small_disk() as disk,
        on_cluster(small, within=disk) as server,
        crowd(professionals, lots_expire_at=JULY_15),
    ):
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        ballast = disk / "ballast"
        _fill(ballast, disk, leave=2 * MEGABYTE)
        complaints = _fails(name)
        ballast.unlink()
        connections.close_all()
        _revive(server)
        complaints += _finishes(name, professionals)
    return _finding(name, complaints, begun)


def _fails(name: str) -> list[str]:
    command, as_of, _ = COMMANDS[name]
    try:
        with present(as_of):
            call_command(command, chunk_size="1000", stdout=io.StringIO(), stderr=io.StringIO())
    except CommandError as error:
        if error.returncode != 1 or "\n" in str(error):
            return [f"it ended with {error.returncode}: {error}"]
        return []
    return ["the disk was not full"]


def _finishes(name: str, professionals: int) -> list[str]:
    command, as_of, kind = COMMANDS[name]
    complaints = [f"{what} is broken by {count}" for what, count in broken_invariants().items()]
    try:
        with present(as_of):
            call_command(command, stdout=io.StringIO())
    except CommandError as error:
        return [*complaints, f"the next run ended with {error.returncode}: {error}"]
    rows = CreditTransaction.objects.filter(transaction_type=kind)
    if (count := rows.values("professional").distinct().count()) != professionals:
        complaints.append(f"{count} of {professionals} were done in the end")
    return [
        *complaints,
        *(f"{what} is broken by {count}" for what, count in broken_invariants().items()),
    ]


def _finding(name: str, complaints: list[str], begun: float) -> Finding:
    return Finding(
        experiment=f"full disk: {name}",
        engine=connection.vendor,
        trials=1,
        trial="full disk",
        complaints=tuple(complaints),
        control_trials=0,
        control_bad=0,
        seconds=time.monotonic() - begun,
        needs_control=False,
    )


@contextmanager
def _small_disk() -> Iterator[Path]:
    """
    Mount a small tmpfs.

    Raises:
        PostgreSQLUnavailable: this process may not mount.
    """
    with tempfile.TemporaryDirectory(prefix="credits-disk-", dir="/tmp") as name:
        mount = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={TMPFS},mode=755", "tmpfs", name],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        if mount.returncode:
            raise PostgreSQLUnavailable(f"No small disk can be had: {mount.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)  # noqa: S607


def _fill(ballast: Path, disk: Path, *, leave: int) -> None:
    """Write zeros until only ``leave`` bytes are free."""
    with ballast.open("wb") as file:
        while _free(disk) > leave:
            file.write(bytes(min(MEGABYTE, _free(disk) - leave)))
            file.flush()


def _free(disk: Path) -> int:
    space = os.statvfs(disk)
    return space.f_bavail * space.f_frsize


def _revive(server: Server) -> None:
    """Start the server again if the full disk brought it down."""
    try:
        connection.ensure_connection()
    except DatabaseError:
        server.crash()
        server.start()
