"""Figures, and the file that keeps them: a run of some works replaces these and leaves the rest."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django


@dataclass(frozen=True)
class Figure:
    """What one work took on one engine, at one size, done in one way."""

    engine: str
    size: int
    """Professionals."""

    work: str
    way: str
    """
    ``floor``, ``job``, ``workers`` (the job with two), ``again`` (the job with nothing left to do),
    ``bulk`` or ``loop``.
    """

    rounds: int
    rows: int
    """Professionals, lots or notices that it was about: what the seconds are for."""

    seconds: float
    ratio: float | None = None
    """Of the job, to the floor: the median of the rounds' own. Of ``again``, to the first."""

    memory: int = 0
    """The most bytes the process had."""

    written: int = 0
    """Bytes of write-ahead log; on SQLite of the log and the file."""

    extra: dict[str, float] = field(default_factory=dict)
    """What this work alone has to say, by name."""

    day: str = ""

    @property
    def identity(self) -> tuple[str, int, str, str]:
        """What a later figure of the same replaces this by."""
        return self.engine, self.size, self.work, self.way

    @property
    def microseconds(self) -> float:
        """What each row took."""
        return self.seconds / max(self.rows, 1) * 1e6


@dataclass(frozen=True)
class Results:
    """All that is known."""

    figures: tuple[Figure, ...]
    machine: str
    versions: str
    command: str
    """Of the latest run."""

    day: str

    def find(self, engine: str, size: int, work: str, way: str) -> Figure | None:
        """Return a figure, if it was measured."""
        wanted = engine, size, work, way
        return next((figure for figure in self.figures if figure.identity == wanted), None)

    def sizes(self, engine: str, work: str, way: str = "job") -> list[int]:
        """Return the sizes that a work was measured at, the smallest first."""
        return sorted(
            figure.size
            for figure in self.figures
            if (figure.engine, figure.work, figure.way) == (engine, work, way)
        )


def measured_now(figures: Iterable[Figure], *, versions: list[str], command: str) -> Results:
    """Return results of a run that has just ended."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    return Results(
        figures=tuple(replace(figure, day=day) for figure in figures),
        machine=_machine(),
        versions=", ".join(
            [f"Python {platform.python_version()}", f"Django {django.__version__}", *versions]
        ),
        command=command,
        day=day,
    )


def merged(before: Results | None, now: Results) -> Results:
    """Return the results with those of a later run in their places."""
    if before is None:
        return now
    together = {figure.identity: figure for figure in (*before.figures, *now.figures)}
    return replace(now, figures=tuple(together[identity] for identity in sorted(together)))


def save(results: Results, path: Path) -> None:
    """Write results to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1, sort_keys=True) + "\n", "utf-8")


def load(path: Path) -> Results | None:
    """
    Return what a file holds; ``None`` where there is no file.

    Raises:
        SystemExit: it holds something else than results.
    """
    if not path.exists():
        return None
    try:
        held: dict[str, Any] = json.loads(path.read_text("utf-8"))
        figures = tuple(Figure(**figure) for figure in held.pop("figures"))
        return Results(figures=figures, **held)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SystemExit(f"{path} holds no results of benchmarks: {error}") from error


def _machine() -> str:
    name = platform.processor() or platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({name}), {memory:.0f} GB of memory, {platform.system()}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
