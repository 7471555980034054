"""What is measured at which size, and how often: a whole run within forty minutes."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.bars import FEW_ROUNDS
from benchmarks.engines import Engine, fresh_copy
from benchmarks.importing import measure_import
from benchmarks.measuring import WRITERS, ask, measure_writers, paired, with_workers
from benchmarks.results import Figure
from benchmarks.room import room
from benchmarks.seeding import seed
from benchmarks.traffic import measure_latency, measure_spends

DEEP = ("verify", "latency", "spends")
"""The works that want ten transactions for each professional."""

WORKS = (*WRITERS, "verify", "import", "latency", "spends", "room")

MOVES = 8
"""Besides the bonus and the lot."""

MOST_IMPORTED = 10_000
"""Accounts: an import takes longer than all else, and grows with its documents."""

MOST_LOOPED = 10_000
"""At more professionals the other ways are not measured again."""

TRAFFIC_SECONDS = 10.0
"""In quiet; of eight threads half as long."""


def measure(
    engine: Engine,
    size: int,
    *,
    works: list[str],
    rounds: int | None,
    is_largest: bool,
) -> Iterator[Figure]:
    """
    Measure works at one size, and leave no database behind; yield each figure when it is there.

    Args:
        rounds: of floor and job; without it as many as the bars want.
        is_largest: whether this is the size that traffic is measured at.
    """
    writers = [work for work in WRITERS if work in works]
    if writers or "room" in works:
        yield from _shallow(engine, size, writers, works, rounds, is_largest=is_largest)
    if any(work in works for work in DEEP):
        yield from _deep(engine, size, works, rounds, is_largest=is_largest)
    if "import" in works and size <= MOST_IMPORTED:
        yield from measure_import(engine, size, rounds=rounds or FEW_ROUNDS)


def _shallow(
    engine: Engine,
    size: int,
    writers: list[str],
    works: list[str],
    rounds: int | None,
    *,
    is_largest: bool,
) -> Iterator[Figure]:
    seed(engine, size)
    is_huge = size > 1_000_000
    yield from measure_writers(
        engine,
        size,
        writers,
        rounds=1 if is_huge else rounds,
        with_rivals=size <= MOST_LOOPED,
    )
    if "room" in works and is_largest:
        with fresh_copy(engine) as copy:
            for work in ("reset", "expiry-5", "warnings"):
                ask(engine, copy, "job", work)
            yield room(engine, size, copy)
    engine.drop("seed")


def _deep(
    engine: Engine,
    size: int,
    works: list[str],
    rounds: int | None,
    *,
    is_largest: bool,
) -> Iterator[Figure]:
    # Nothing is copied: to verify changes nothing, and the reset comes last.
    seed(engine, size, moves=MOVES, name="deep")
    if "verify" in works:
        pairs = []
        for _ in range(rounds or FEW_ROUNDS):
            scan = ask(engine, "deep", "floor", "verify")
            pairs.append((replace(scan, rows=size), ask(engine, "deep", "job", "verify")))
        yield from paired(engine, size, "verify", pairs)
        yield with_workers(engine, size, "verify", pairs, ask(engine, "deep", "workers", "verify"))
    if "spends" in works and is_largest and engine.key == "postgresql":
        yield from measure_spends(
            engine, size, "deep", seconds=TRAFFIC_SECONDS / 2, rounds=FEW_ROUNDS
        )
    if "latency" in works and is_largest:
        yield measure_latency(engine, size, "deep", seconds=TRAFFIC_SECONDS)
    engine.drop("deep")
