"""What must be reached: each bar of issue 7, judged on what was measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.results import Figure, Results

POSTGRESQL, SQLITE = "PostgreSQL", "SQLite"
ENGINES = (SQLITE, POSTGRESQL)

MEGABYTE = 2**20

TO_FLOOR: dict[str, dict[str, float]] = {
    "reset": {POSTGRESQL: 1.1, SQLITE: 1.1},
    "expiry-5": {POSTGRESQL: 1.3, SQLITE: 1.3},
    "warnings": {POSTGRESQL: 1.3, SQLITE: 1.2},
    "reset-notices": {POSTGRESQL: 1.3, SQLITE: 1.2},
    "verify": {POSTGRESQL: 3.0, SQLITE: 3.0},
}
"""Times the floor, at most."""

ROUNDS = {"reset": 5, "expiry-5": 5}
"""Of floor and job in turn; a ratio of fewer is told with that caveat."""

FEW_ROUNDS = 3
"""Of the other works: what takes longest of these varies least."""

FASTER_THAN_LOOP = 60.0
AGAIN = 0.02
"""Of the first reset, at most, for a second one that has nothing to do."""

MEMORY = 80 * MEGABYTE
MEMORY_GROWS = 1.15
"""What "the same at every size" leaves for noise: the largest size against the smallest."""

P99 = 2.0
"""Times the quiet value, at most, for spends during a reset."""


@dataclass(frozen=True)
class Verdict:
    """How one bar stands."""

    engine: str
    bar: str
    measured: str
    limit: str
    is_met: bool
    caveat: str = ""


def judge(results: Results, *, most: int = 1_000_000) -> list[Verdict]:
    """Judge every bar on the largest size, up to ``most``, that its work was measured at."""
    return [verdict for engine in ENGINES for verdict in _of_engine(results, engine, most)]


def _of_engine(results: Results, engine: str, most: int) -> Iterator[Verdict]:
    for work, limits in TO_FLOOR.items():
        if figure := _largest(results, engine, work, most):
            assert figure.ratio is not None
            least = ROUNDS.get(work, FEW_ROUNDS)
            few = f"{figure.rounds} rounds of {least}" if figure.rounds < least else ""
            yield _at_most(figure, "times the floor", figure.ratio, limits[engine], few)
            if together := results.find(engine, figure.size, work, "workers"):
                assert together.ratio is not None
                what = "times the floor, with two workers"
                yield _at_most(together, what, together.ratio, limits[engine])
    if figure := _largest(results, engine, "reset", most):
        together = results.find(engine, figure.size, "reset", "workers")
        loop = _loop_of(results, figure)
        for ours, how in ((figure, ""), (together, ", with two workers")):
            if loop is None or ours is None:
                continue
            faster = loop.microseconds / ours.microseconds
            yield Verdict(
                engine,
                f"reset of {figure.size:,}: faster than one by one{how}",
                f"{faster:.0f}x",
                f">= {FASTER_THAN_LOOP:.0f}x",
                faster >= FASTER_THAN_LOOP,
                f"the loop at {loop.rows:,}, extrapolated",
            )
        if again := results.find(engine, figure.size, "reset", "again"):
            assert again.ratio is not None
            yield Verdict(
                engine,
                f"second reset of {figure.size:,}: part of the first",
                f"{again.ratio:.2%}",
                f"<= {AGAIN:.0%}",
                again.ratio <= AGAIN,
            )
    yield from _of_memory(results, engine)
    if figure := _largest(results, engine, "latency", most):
        for name, what in (("reset", "a reset"), ("nice", "one with `NICE_RATIO`")):
            ratio = figure.extra[f"{name} p99"] / figure.extra["quiet p99"]
            yield _at_most(figure, f"p99 during {what}, times its quiet value", ratio, P99)


def _of_memory(results: Results, engine: str) -> Iterator[Verdict]:
    for work in ("reset", "expiry-5"):
        sizes = results.sizes(engine, work)
        figures = [results.find(engine, size, work, "job") for size in sizes]
        held = {figure.size: figure.memory for figure in figures if figure is not None}
        if not held:
            continue
        most = max(held.values())
        yield Verdict(
            engine,
            f"{work}: peak memory at every size up to {max(held):,}",
            f"{most / MEGABYTE:.0f} MB",
            f"<= {MEMORY // MEGABYTE} MB",
            most <= MEMORY,
        )
        if len(held) > 1:
            growth = held[max(held)] / held[min(held)]
            yield Verdict(
                engine,
                f"{work}: peak memory at {max(held):,}, times that at {min(held):,}",
                f"{growth:.2f}x",
                f"<= {MEMORY_GROWS}x",
                growth <= MEMORY_GROWS,
            )


def _at_most(figure: Figure, what: str, ratio: float, limit: float, caveat: str = "") -> Verdict:
    return Verdict(
        figure.engine,
        f"{figure.work} of {figure.size:,}: {what}",
        f"{ratio:.2f}x",
        f"<= {limit}x",
        ratio <= limit,
        caveat,
    )


def _largest(results: Results, engine: str, work: str, most: int) -> Figure | None:
    sizes = [size for size in results.sizes(engine, work) if size <= most]
    return results.find(engine, sizes[-1], work, "job") if sizes else None


def _loop_of(results: Results, figure: Figure) -> Figure | None:
    """Return the loop over as many professionals as were done, at whatever size."""
    sizes = results.sizes(figure.engine, figure.work, "loop")
    return results.find(figure.engine, sizes[-1], figure.work, "loop") if sizes else None
