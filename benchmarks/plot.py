"""Time and memory against size, as an SVG that is readable on white and on black."""

from collections.abc import Callable, Sequence
from math import log10

from benchmarks.bars import ENGINES, MEGABYTE
from benchmarks.results import Figure, Results

LINES = (
    ("job", "our job", "ours"),
    ("floor", "single statements", "least"),
    ("loop", "one by one, extrapolated", "slow"),
)

STYLE = """
    .ground { fill: #fff; stroke: #d0d5dd; }
    .word { fill: #1d2939; font-weight: 600; }
    .soft { fill: #667085; font-size: 12px; }
    .grid { stroke: #d0d5dd; }
    .ours { stroke: #175cd3; fill: #175cd3; }
    .least { stroke: #475467; fill: #475467; stroke-dasharray: 5 4; }
    .slow { stroke: #b42318; fill: #b42318; stroke-dasharray: 2 4; }
    polyline { fill: none !important; stroke-width: 2; }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #161b22; stroke: #3d444d; }
      .word { fill: #e6edf3; }
      .soft { fill: #9da7b3; }
      .grid { stroke: #3d444d; }
      .ours { stroke: #6cb6ff; fill: #6cb6ff; }
      .least { stroke: #9da7b3; fill: #9da7b3; }
      .slow { stroke: #ff7b72; fill: #ff7b72; }
    }
"""

WIDTH, HEIGHT = 330, 200

Point = tuple[float, float]


def svg(results: Results) -> str:
    """Return the plot of the reset: seconds above, memory of the process below."""
    panels = [
        _panel(results, engine, name, value, ways, left=70 + 400 * column, top=50 + 280 * row)
        for column, engine in enumerate(ENGINES)
        for row, (name, value, ways) in enumerate(
            (
                ("seconds", lambda figure: figure.seconds, ("job", "floor", "loop")),
                ("MB of memory", lambda figure: figure.memory / MEGABYTE, ("job",)),
            )
        )
    ]
    key = "".join(
        f'<path class="{style}" d="M{70 + 230 * place} 598 h24" stroke-width="2"/>'
        f'<text class="soft" x="{102 + 230 * place}" y="602">{label}</text>\n'
        for place, (_, label, style) in enumerate(LINES)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 620" role="img"'
        ' aria-labelledby="title story" font-family="system-ui, sans-serif" font-size="14">\n'
        '<title id="title">The monthly reset: time and memory against size</title>\n'
        f'<desc id="story">{_story(results)}</desc>\n<style>{STYLE}</style>\n'
        '<rect class="ground" x=".5" y=".5" width="839" height="619" rx="8"/>\n'
        f"{''.join(panels)}{key}</svg>\n"
    )


def _story(results: Results) -> str:
    parts = []
    for engine in ENGINES:
        figures = _figures(results, engine, "job")
        told = ", ".join(
            f"{figure.size:,}: {figure.seconds:.2f} s and {figure.memory / MEGABYTE:.0f} MB"
            for figure in figures
        )
        parts.append(f"{engine}, by professionals: {told or 'not measured'}.")
    return " ".join(parts)


def _panel(
    results: Results,
    engine: str,
    name: str,
    value: Callable[[Figure], float],
    ways: Sequence[str],
    *,
    left: int,
    top: int,
) -> str:
    lines = {way: _line(results, engine, way, value) for way in ways}
    points = [point for line in lines.values() for point in line]
    parts = [f'<text class="word" x="{left}" y="{top - 14}">{engine}: {name}</text>\n']
    if not points:
        return f'{parts[0]}<text class="soft" x="{left}" y="{top + 20}">not measured</text>\n'
    across = _scale([x for x, _ in points], left, left + WIDTH)
    is_memory = ways == ("job",)
    up = (
        _linear(100.0, top + HEIGHT, top)
        if is_memory
        else _scale([y for _, y in points], top + HEIGHT, top)
    )
    marks = [0, 20, 40, 60, 80, 100] if is_memory else _decades([y for _, y in points])
    for mark in marks:
        y = up(mark)
        parts.append(
            f'<path class="grid" d="M{left} {y:.1f} h{WIDTH}"/>'
            f'<text class="soft" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>\n'
        )
    parts += [
        f'<text class="soft" x="{across(x):.1f}" y="{top + HEIGHT + 18}"'
        f' text-anchor="middle">{_short(x)}</text>\n'
        for x in sorted({x for x, _ in points})
    ]
    styles = {way: style for way, _, style in LINES}
    for way, line in lines.items():
        at = [(across(x), up(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline class="{styles[way]}" points="{path}"/>\n')
        parts += [f'<circle class="{styles[way]}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in at]
    return "".join(parts) + "\n"


def _figures(results: Results, engine: str, way: str) -> list[Figure]:
    found = [
        results.find(engine, size, "reset", way) for size in results.sizes(engine, "reset", way)
    ]
    return [figure for figure in found if figure is not None]


def _line(results: Results, engine: str, way: str, value: Callable[[Figure], float]) -> list[Point]:
    if way != "loop":
        return [(figure.size, value(figure)) for figure in _figures(results, engine, way)]
    loops, jobs = _figures(results, engine, "loop"), _figures(results, engine, "job")
    if not loops:
        return []
    return [(job.size, loops[-1].microseconds * job.rows / 1e6) for job in jobs]


def _decades(values: list[float]) -> list[float]:
    first, last = _ends(values)
    return [10.0**power for power in range(first, last + 1)]


def _ends(values: list[float]) -> tuple[int, int]:
    logs = [log10(max(value, 1e-3)) for value in values]
    first = int(min(logs) // 1)
    return first, max(first + 1, int(-(-max(logs) // 1)))


def _scale(values: list[float], start: float, end: float) -> Callable[[float], float]:
    first, last = _ends(values)

    def place(value: float) -> float:
        return start + (log10(max(value, 1e-3)) - first) / (last - first) * (end - start)

    return place


def _linear(most: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + min(value / most, 1.05) * (end - start)


def _short(count: float) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return f"{count:g}"
