"""The generated part of docs/performance.md: tables of what was measured, between two marks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.bars import ENGINES, MEGABYTE, judge
from benchmarks.plot import svg
from benchmarks.results import Figure, Results
from benchmarks.traffic import PHASES

BEGIN = "<!-- Written by `make bench`, from here … -->"
END = "<!-- … to here. -->"

PICTURE = "pictures/performance.svg"

TITLES = {
    "reset": "the monthly reset, 80 of 100 eligible",
    "expiry-1": "the expiry, 1 of 100 lots due",
    "expiry-5": "the expiry, 5 of 100 lots due",
    "warnings": "promising expiry warnings, to 95 of 100",
    "reset-notices": "promising reset notices, to 80 of 100",
    "verify": "`verify_credits`, ten transactions each",
    "import": "`import_homezy`",
}

HEAD = "| engine | professionals | | seconds | µs each | times the floor | memory | written ² |"

WAYS = {
    "floor": "floor",
    "job": "**our job**",
    "workers": "our job with two workers",
    "again": "our job again, nothing to do",
    "bulk": "bulk ORM ¹",
    "loop": "one by one ¹",
}


def refuse_unmarked(page: Path) -> None:
    """
    Ask, before anything is measured, whether the figures have a place.

    Raises:
        SystemExit: the page is not there, or has not the two marks.
    """
    try:
        text = page.read_text("utf-8")
    except OSError as error:
        raise SystemExit(f"{page} cannot be read: {error.strerror}.") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{page} does not say where the figures go: it needs {BEGIN} and {END}.")


def write(results: Results, page: Path) -> None:
    """Put the results between the marks of a page, and the plot beside it."""
    head, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{generated(results)}\n{END}{tail}", "utf-8")
    picture = page.parent / PICTURE
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(svg(results), "utf-8")


def generated(results: Results) -> str:
    """Return the tables in Markdown."""
    return "\n".join(_lines(results))


def _lines(results: Results) -> Iterator[str]:
    yield f"Measured on {results.day}: {results.machine}; {results.versions}. The command:"
    yield ""
    yield f"```console\n$ {results.command}\n```"
    yield ""
    yield f"![Time and memory of the reset against size]({PICTURE})"
    yield ""
    yield "## The bars"
    yield ""
    yield "| engine | bar | measured | limit | |"
    yield "|---|---|---|---|---|"
    for verdict in judge(results):
        mark = "met" if verdict.is_met else "**missed**"
        caveat = f" ({verdict.caveat})" if verdict.caveat else ""
        yield (
            f"| {verdict.engine} | {verdict.bar}{caveat} | {verdict.measured} | {verdict.limit}"
            f" | {mark} |"
        )
    yield ""
    for work, title in TITLES.items():
        if rows := [row for engine in ENGINES for row in _rows(results, engine, work)]:
            yield f"## {title[0].upper()}{title[1:]}"
            yield ""
            yield HEAD
            yield "|---|--:|---|--:|--:|--:|--:|--:|"
            yield from rows
            yield ""
    yield from _traffic(results)
    yield from _room(results)


def _rows(results: Results, engine: str, work: str) -> Iterator[str]:
    for size in results.sizes(engine, work):
        for way, title in WAYS.items():
            figure = results.find(engine, size, work, way)
            if figure is not None and way in {"bulk", "loop"}:
                job = results.find(engine, size, work, "job")
                yield _row(_extrapolated(figure, job), title)
            elif figure is not None:
                yield _row(figure, title)


def _extrapolated(figure: Figure, job: Figure | None) -> Figure:
    """Return what the whole would take, at so many microseconds for each row."""
    floor_seconds = job.seconds / job.ratio if job and job.ratio else 0.0
    rows = job.rows if job else figure.rows
    seconds = figure.microseconds * rows / 1e6
    ratio = seconds / floor_seconds if floor_seconds else None
    return replace(
        figure,
        rows=rows,
        seconds=seconds,
        ratio=ratio,
        written=figure.written * rows // max(figure.rows, 1),
    )


def _row(figure: Figure, title: str) -> str:
    ratio = "–" if figure.ratio is None else f"{figure.ratio:.2f}"
    if figure.way == "again":
        ratio = f"{figure.ratio:.2%} of the first"
    memory = f"{figure.memory / MEGABYTE:.0f} MB" if figure.memory else "–"
    written = f"{figure.written / MEGABYTE:,.0f} MB" if figure.written else "–"
    several = "s" if figure.rounds > 1 else ""
    rounds = f" ({figure.rounds} round{several})" if figure.way == "job" else ""
    return (
        f"| {figure.engine} | {figure.size:,} | {title}{rounds} | {figure.seconds:,.2f} |"
        f" {figure.microseconds:,.1f} | {ratio} | {memory} | {written} |"
    )


def _traffic(results: Results) -> Iterator[str]:
    rows = []
    for engine in ENGINES:
        for size in results.sizes(engine, "latency"):
            figure = results.find(engine, size, "latency", "job")
            assert figure is not None
            told = " / ".join(
                f"{1000 * figure.extra[name]:.1f}"
                for name in (f"{when} {share}" for when in PHASES for share in ("p50", "p99"))
            )
            rows.append(
                f"| {engine} | {size:,} | p50 / p99 in quiet, in a reset, in one with"
                f" `NICE_RATIO`, ms | {told} |"
            )
        for size in results.sizes(engine, "spends"):
            ours, least = (results.find(engine, size, "spends", way) for way in ("job", "floor"))
            assert ours is not None
            assert least is not None
            rows.append(
                f"| {engine} | {size:,} | spends a second from eight threads, and the floor's |"
                f" {ours.extra['per second']:,.0f}, {least.extra['per second']:,.0f} |"
            )
    if rows:
        yield "## Spends, in a ledger of ten transactions for each professional"
        yield ""
        yield "| engine | professionals | | |"
        yield "|---|--:|---|--:|"
        yield from rows
        yield ""


def _room(results: Results) -> Iterator[str]:
    found = [
        figure
        for engine in ENGINES
        for size in results.sizes(engine, "room")[-1:]
        if (figure := results.find(engine, size, "room", "job"))
    ]
    if not found:
        return
    tables = [name for name in sorted(found[0].extra) if name.startswith("credits_")]
    yield "## Room, with the indexes"
    yield ""
    heads = " | ".join(name.removeprefix("credits_").removesuffix(" bytes") for name in tables)
    yield f"| engine | {heads} | rows a year | a year |"
    yield f"|---|{'--:|' * (len(tables) + 2)}"
    for figure in found:
        cells = " | ".join(f"{figure.extra[name]:,.0f} B" for name in tables)
        year = figure.extra["bytes a year"] / 1024
        yield f"| {figure.engine} | {cells} | {figure.extra['rows a year']:.0f} | {year:,.1f} KB |"
    yield ""
