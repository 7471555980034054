"""Floor and job by turns, on fresh copies of one seed; what else there is once, and in part."""

import statistics
from collections.abc import Iterator

from benchmarks.bars import FEW_ROUNDS, ROUNDS
from benchmarks.engines import Engine, ask_json, fresh_copy, manage
from benchmarks.results import Figure
from benchmarks.worker import Taken

WRITERS = ("reset", "expiry-1", "expiry-5", "warnings", "reset-notices")
"""The works that write, each in its rounds of floor and job."""

RIVALLED = ("reset", "expiry-5", "warnings", "reset-notices")
"""Those that are also done in bulk and one by one."""

SHARED = ("reset", "expiry-5")
"""Those that several workers may share; on PostgreSQL alone, where it helps."""

MOST = {"bulk": 10_000, "loop": 2_000}
"""Rows that the other ways do; what a million would take is computed from these."""


def measure_writers(
    engine: Engine, size: int, works: list[str], *, rounds: int | None, with_rivals: bool
) -> Iterator[Figure]:
    """Yield the figures of each work on a seed that is there; the job's books are verified once."""
    for work in works:
        yield from _work(
            engine,
            size,
            work,
            rounds=rounds or ROUNDS.get(work, FEW_ROUNDS),
            with_rivals=with_rivals,
        )


def _work(
    engine: Engine, size: int, work: str, *, rounds: int, with_rivals: bool
) -> Iterator[Figure]:
    pairs = []
    for number in range(rounds):
        # Who goes second finds a warmer machine, or a busier disk.
        ways = ("floor", "job") if number % 2 == 0 else ("job", "floor")
        taken = {way: taken_by(engine, way, work, verify=not number) for way in ways}
        if taken["floor"].rows != taken["job"].rows:
            raise SystemExit(
                f"{work} on {engine.name}: the floor wrote {taken['floor'].rows:,} rows,"
                f" the job {taken['job'].rows:,}."
            )
        pairs.append((taken["floor"], taken["job"]))
    yield from paired(engine, size, work, pairs)
    if engine.key == "postgresql" and work in SHARED:
        together = taken_by(engine, "workers", work, verify=True)
        yield with_workers(engine, size, work, pairs, together)
    for way in ("bulk", "loop"):
        if with_rivals and work in RIVALLED:
            yield figure_of(engine, size, work, way, [taken_by(engine, way, work)])


def taken_by(engine: Engine, way: str, work: str, *, verify: bool = False) -> Taken:
    """Do a work once on a fresh copy."""
    with fresh_copy(engine) as copy:
        taken = ask(engine, copy, way, work)
        if verify and way != "floor":
            manage(engine, copy, "verify_credits", "-v0")
        return taken


def ask(engine: Engine, database: str, way: str, work: str) -> Taken:
    """Let a process of its own do a work on a database."""
    words = ["-m", "benchmarks.worker", way, work]
    if way in MOST:
        words += ["--most", str(MOST[way])]
    return Taken(**ask_json(engine, database, *words))


def paired(
    engine: Engine, size: int, work: str, pairs: list[tuple[Taken, Taken]]
) -> Iterator[Figure]:
    """Yield what rounds of floor and job come to: the ratio is the median of the rounds' own."""
    floors, jobs = zip(*pairs, strict=True)
    yield figure_of(engine, size, work, "floor", floors)
    ratio = statistics.median(ours.seconds / least.seconds for least, ours in pairs)
    yield figure_of(engine, size, work, "job", jobs, ratio=ratio)
    if work == "reset":
        yield Figure(
            engine=engine.name,
            size=size,
            work=work,
            way="again",
            rounds=len(jobs),
            rows=jobs[0].rows,
            seconds=statistics.median(ours.again for ours in jobs),
            ratio=statistics.median(ours.again / ours.seconds for ours in jobs),
        )


def with_workers(
    engine: Engine, size: int, work: str, pairs: list[tuple[Taken, Taken]], together: Taken
) -> Figure:
    """Return what several workers took, against the floors of one."""
    least = statistics.median(floor.seconds for floor, _ in pairs)
    return figure_of(engine, size, work, "workers", [together], ratio=together.seconds / least)


def figure_of(
    engine: Engine,
    size: int,
    work: str,
    way: str,
    taken: list[Taken] | tuple[Taken, ...],
    *,
    ratio: float | None = None,
) -> Figure:
    """Return the medians of several doings, and of their memory the most."""
    return Figure(
        engine=engine.name,
        size=size,
        work=work,
        way=way,
        rounds=len(taken),
        rows=taken[0].rows,
        seconds=statistics.median(each.seconds for each in taken),
        ratio=ratio,
        memory=max(each.memory for each in taken),
        written=int(statistics.median(each.written for each in taken)),
    )
