"""
The import, against its rows alone: the same users, balances, transactions and allocations, known
already, put into an empty database by the driver's fastest means (COPY; executemany on SQLite).

The floor reads no documents, replays no account and asks no invariant: most of what an import is.
So its ratio is told, and there is no bar. The documents are the demo's, as often as it takes, each
copy with ids and addresses of its own.
"""

import argparse
import gzip
import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.engines import ROOT, Engine, ask_json, bare_connection, fresh_copy, manage
from benchmarks.measuring import paired
from benchmarks.results import Figure
from benchmarks.worker import Taken

DEMO = ROOT / "homezy" / "demo_data"

TABLES = (
    "homezy_user",
    "credits_creditbalance",
    "credits_credittransaction",
    "credits_creditallocation",
)

_ID = re.compile(r"\b[0-9a-f]{24}\b")


def measure_import(engine: Engine, size: int, *, rounds: int) -> Iterator[Figure]:
    """Yield the figures of an import of about ``size`` accounts."""
    engine.create("empty")
    manage(engine, "empty", "migrate", "-v0")
    engine.settle("empty")
    pairs = []
    with TemporaryDirectory(prefix="bench-export-") as directory:
        write_documents(Path(directory), size)
        for _ in range(rounds):
            with fresh_copy(engine, "empty") as copy:
                words = ["-m", "benchmarks.importing", directory]
                ours = Taken(**ask_json(engine, copy, *words))
                engine.copy("empty", "other")
                try:
                    least = rows_alone(engine.url(copy), engine.url("other"))
                finally:
                    engine.drop("other")
            pairs.append((least, ours))
    engine.drop("empty")
    yield from paired(engine, size, "import", pairs)


def write_documents(directory: Path, size: int) -> None:
    """Write an export of at least ``size`` accounts."""
    texts = {
        path.name.partition(".")[0]: gzip.decompress(path.read_bytes()).decode().rstrip("\n")
        for path in DEMO.glob("*.json.gz")
    }
    copies = -(-size // len(texts["users"].splitlines()))
    for name, text in texts.items():
        with Path(directory, f"{name}.json").open("w", encoding="utf-8") as file:
            file.writelines(_renamed(text, copy) + "\n" for copy in range(copies))


def _renamed(text: str, copy: int) -> str:
    text = _ID.sub(lambda found: sha256(f"{copy}{found[0]}".encode()).hexdigest()[:24], text)
    return text.replace('"email":"', f'"email":"{copy}-')


def rows_alone(source: str, target: str) -> Taken:
    """Put the rows of one database into an empty one; return what the writing took."""
    with closing(bare_connection(source)) as connection:
        held = {table: _read(connection, table) for table in TABLES}
        (accounts,) = connection.execute("SELECT COUNT(*) FROM homezy_user").fetchone()
    with closing(bare_connection(target)) as connection:
        begun = time.perf_counter()
        connection.execute("BEGIN")
        for table, rows in held.items():
            _write(connection, table, rows)
        connection.execute("COMMIT")
        seconds = time.perf_counter() - begun
    return Taken(rows=accounts, seconds=seconds, written=0, memory=0)


def _read(connection: Any, table: str) -> Any:
    if hasattr(connection, "pgconn"):
        with connection.cursor().copy(f"COPY {table} TO STDOUT") as pieces:
            return b"".join(pieces)
    return connection.execute(f"SELECT * FROM {table}").fetchall()


def _write(connection: Any, table: str, rows: Any) -> None:
    if hasattr(connection, "pgconn"):
        with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
            copy.write(rows)
    elif rows:
        places = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


def import_documents(directory: Path) -> int:
    """Import what is there; return how many users it brought."""
    from homezy.importing.importer import run_import
    from homezy.importing.reading import ExportFiles
    from homezy.importing.staging import Staging

    with Staging() as staging:
        report = run_import(ExportFiles(directory), staging)
        if report.broken:
            raise SystemExit(report.broken)
        return report.written["users"]


def main() -> None:
    """Import a directory, and print what it took."""
    import django

    from benchmarks.worker import timed

    parser = argparse.ArgumentParser(description="Import an export, timed.")
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    django.setup()
    print(json.dumps(asdict(timed(lambda: import_documents(options.directory)))))  # noqa: T201


if __name__ == "__main__":
    main()
