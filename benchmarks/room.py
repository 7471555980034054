"""Bytes that a row takes, its share of the indexes included, and a professional's year."""

from contextlib import closing
from typing import Any

from benchmarks.engines import Engine, bare_connection
from benchmarks.results import Figure

YEAR = {
    "credits_credittransaction": 12 + 2 + 1 + 24,
    "credits_creditallocation": 1 + 12,
    "credits_notice": 12 + 2 + 1,
}
"""
Rows of a year that is assumed: twelve resets, two purchases of which one lot expires, 24 spends of
which half draw from a lot; a notice for each reset, two warnings, a receipt.
"""

_TABLES = (*YEAR, "credits_creditbalance")

# dbstat knows an index by its own name; sqlite_master knows whose it is.
_PAGES = """
SELECT SUM(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN
    (SELECT name FROM sqlite_master WHERE tbl_name = '{table}')
"""


def room(engine: Engine, size: int, database: str) -> Figure:
    """Return bytes a row of each table, and of a year, where the jobs have been."""
    with closing(bare_connection(engine.url(database))) as connection:
        each = {table: _bytes_a_row(connection, engine.key, table) for table in _TABLES}
    extra = {f"{table} bytes": bytes_ for table, bytes_ in each.items()}
    extra["rows a year"] = float(sum(YEAR.values()))
    extra["bytes a year"] = sum(count * each[table] for table, count in YEAR.items())
    return Figure(
        engine=engine.name,
        size=size,
        work="room",
        way="job",
        rounds=1,
        rows=size,
        seconds=0.0,
        extra=extra,
    )


def _bytes_a_row(connection: Any, key: str, table: str) -> float:
    (rows,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    statement = (
        _PAGES.format(table=table)
        if key == "sqlite"
        else f"SELECT pg_total_relation_size('{table}')"
    )
    (size,) = connection.execute(statement).fetchone()
    return float(size) / max(rows, 1)
