"""
How fast is it? Each work against the floor, on SQLite and on a PostgreSQL of its own.

    python -m benchmarks --engine sqlite --sizes 10000 100000 --rounds 3 --only reset verify

The results are kept in docs/performance.json: works that are measured again replace what is there,
the rest stays. docs/performance.md is written from it; --from-results measures nothing and writes
the page anew. The exit code is 1 where a bar is missed.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from benchmarks import page, results
from benchmarks.bars import judge
from benchmarks.engines import ROOT, opened
from benchmarks.plan import WORKS, measure
from benchmarks.results import Figure
from tests.plugins.postgres import PostgreSQLUnavailable

KEYS = ("sqlite", "postgresql")
SIZES = (10_000, 100_000, 1_000_000)

RESULTS = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"


def main(words: list[str] | None = None) -> int:
    """Measure, keep, write, judge; return the exit code."""
    options = _options(words)
    page.refuse_unmarked(options.page)
    begun = monotonic()
    known = results.load(options.results)
    if not options.from_results:
        for now in _measured(options):
            # At once: what took half an hour outlives a failure of what comes after it.
            known = results.merged(known, now)
            results.save(known, options.results)
    if known is None:
        raise SystemExit(f"There is no {options.results}: measure first.")
    page.write(known, options.page)
    missed = 0
    for verdict in judge(known):
        missed += not verdict.is_met
        caveat = f" ({verdict.caveat})" if verdict.caveat else ""
        _say(
            f"{'met   ' if verdict.is_met else 'MISSED'} {verdict.engine:<10} {verdict.bar}:"
            f" {verdict.measured}, {verdict.limit}{caveat}"
        )
    _say(f"{options.page} is written; it took {monotonic() - begun:.0f} s.")
    if missed:
        _say(f"{missed} bars are missed.")
    return 1 if missed else 0


def _measured(options: argparse.Namespace) -> Iterator[results.Results]:
    versions = []
    for key in options.engine or KEYS:
        try:
            with opened(key) as engine:
                versions.append(engine.version())
                sizes = [*options.sizes, *([10_000_000] if options.ten_million else [])]
                for size in sizes:
                    for figure in measure(
                        engine,
                        size,
                        works=["reset"] if size > max(SIZES) else options.only or list(WORKS),
                        rounds=options.rounds,
                        is_largest=size == max(options.sizes),
                    ):
                        _tell(figure)
                        yield results.measured_now([figure], versions=versions, command=_command())
        except PostgreSQLUnavailable as error:
            raise SystemExit(str(error)) from error


def _command() -> str:
    return f"python -m benchmarks {' '.join(sys.argv[1:])}".strip()


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--engine", nargs="+", choices=KEYS, help="default: both")
    parser.add_argument(
        "--sizes", nargs="+", type=_size, default=list(SIZES), help="professionals, any number of"
    )
    parser.add_argument(
        "--rounds",
        type=_positive,
        help="of floor and job (default: 5 of reset and expiry, 3 of the rest)",
    )
    parser.add_argument("--only", nargs="+", choices=WORKS, metavar="WORK", help=", ".join(WORKS))
    parser.add_argument(
        "--ten-million", action="store_true", help="also reset ten million, one round (long)"
    )
    parser.add_argument(
        "--from-results", action="store_true", help="measure nothing, write the page anew"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    return parser.parse_args(words)


def _positive(word: str) -> int:
    try:
        number = int(word)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of at least 1")
    return number


def _size(word: str) -> int:
    number = _positive(word.replace("_", "").replace(",", ""))
    if number < 100:
        raise argparse.ArgumentTypeError(f"{word} are too few: 100 at least, so that a lot is due")
    return number


def _tell(figure: Figure) -> None:
    ratio = "" if figure.ratio is None else f"{figure.ratio:8.3f}x"
    extra = ", ".join(f"{name} {value:,.4g}" for name, value in figure.extra.items())
    _say(
        f"{figure.engine:<10} {figure.size:>10,} {figure.work:<13} {figure.way:<5}"
        f" {figure.seconds:9.3f} s {figure.microseconds:9.1f} µs each"
        f" {figure.memory / 2**20:6.0f} MB {figure.written / 2**20:8.0f} MB written {ratio} {extra}"
    )


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
