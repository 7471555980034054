"""What is measured at which size, and how often: a whole run within forty minutes."""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.bars import FEW_ROUNDS
from benchmarks.engines import Engine, fresh_copy
from benchmarks.importing import measure_import
from benchmarks.measuring import WRITERS, ask, measure_writers, paired
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
    tell: Callable[[Figure], None],
) -> list[Figure]:
    """
    Measure works at one size, and leave no database behind.

    Args:
        rounds: of floor and job; without it as many as the bars want.
        is_largest: whether this is the size that traffic is measured at.
    """
    found: list[Figure] = []

    def note(figure: Figure) -> None:
        tell(figure)
        found.append(figure)

    writers = [work for work in WRITERS if work in works]
    if writers or "room" in works:
        _measure_shallow(engine, size, writers, works, rounds, note, is_largest=is_largest)
    if any(work in works for work in DEEP):
        _measure_deep(engine, size, works, rounds, note, is_largest=is_largest)
    if "import" in works and size <= MOST_IMPORTED:
        for figure in measure_import(engine, size, rounds=rounds or FEW_ROUNDS):
            note(figure)
    return found


def _measure_shallow(
    engine: Engine,
    size: int,
    writers: list[str],
    works: list[str],
    rounds: int | None,
    note: Callable[[Figure], None],
    *,
    is_largest: bool,
) -> None:
    seed(engine, size)
    is_huge = size > 1_000_000
    for figure in measure_writers(
        engine,
        size,
        writers,
        rounds=1 if is_huge else rounds,
        with_rivals=size <= MOST_LOOPED,
    ):
        note(figure)
    if "room" in works and is_largest:
        with fresh_copy(engine) as copy:
            for work in ("reset", "expiry-5", "warnings"):
                ask(engine, copy, "job", work)
            note(room(engine, size, copy))
    engine.drop("seed")


def _measure_deep(
    engine: Engine,
    size: int,
    works: list[str],
    rounds: int | None,
    note: Callable[[Figure], None],
    *,
    is_largest: bool,
) -> None:
    # Nothing is copied: to verify changes nothing, and the reset comes last.
    seed(engine, size, moves=MOVES, name="deep")
    if "verify" in works:
        pairs = []
        for _ in range(rounds or FEW_ROUNDS):
            scan = ask(engine, "deep", "floor", "verify")
            pairs.append((replace(scan, rows=size), ask(engine, "deep", "job", "verify")))
        for figure in paired(engine, size, "verify", pairs):
            note(figure)
    if "spends" in works and is_largest and engine.key == "postgresql":
        for figure in measure_spends(
            engine, size, "deep", seconds=TRAFFIC_SECONDS / 2, rounds=FEW_ROUNDS
        ):
            note(figure)
    if "latency" in works and is_largest:
        note(measure_latency(engine, size, "deep", seconds=TRAFFIC_SECONDS))
    engine.drop("deep")
