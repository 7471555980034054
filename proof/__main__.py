"""
Nothing lost, nothing doubled: every experiment on both engines, and one table at the end.

    .venv/bin/python -m proof                       45 minutes, on two cores
    .venv/bin/python -m proof --kills 10000         a longer storm
    .venv/bin/python -m proof --only life --engine postgresql --seed 7
    .venv/bin/python -m proof --report docs/proof.md

Each finding is printed as it is there, and Ctrl-C ends with the table of those that are.
For each processor there is a process with a database of its own, on one engine or the other, and
experiments fork from it, so that hundreds of kills a minute are possible; when all of an engine's
are taken, it takes over some of the other's. Each experiment has a control that must fail: a naive
implementation under the same fire. It ends with 1 if anything speaks against the app, or against
an experiment.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from proof.experiments import EXPERIMENTS, Plan
from proof.findings import Finding, page, table

ENGINES = ("sqlite", "postgresql")

YEARS = 10
"""That are lived in all, a part of them on each engine."""

INTERRUPTED = 130
"""The exit code after Ctrl-C; an engine that ends so is followed by no other."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m proof",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # MariaDB when it is asked for: not every machine has what it needs.
    parser.add_argument("--engine", choices=(*ENGINES, "mariadb"), help="only this one")
    parser.add_argument("--only", choices=EXPERIMENTS, action="append", help="only this experiment")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--kills", type=int, default=2_000, help="in all (default: 2,000)")
    parser.add_argument("--operations", type=int, default=200_000, help="in all (default: 200,000)")
    parser.add_argument("--steps", type=int, default=10_000, help="of the model, in all")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page of it as well")
    options = parser.parse_args()
    engines = [options.engine] if options.engine else list(ENGINES)
    plan = Plan(
        seed=options.seed,
        kills=-(-options.kills // len(engines)),
        lost=500,
        crashes=20,
        operations=-(-options.operations // len(engines)),
        steps=-(-options.steps // len(engines)),
        notices=100,
        professionals=500_000,
        months=50,
        years=-(-YEARS // len(engines)),
    )
    names = options.only or list(EXPERIMENTS)
    _say(f"seed {options.seed}; {', '.join(names)}; {' and '.join(engines)}")
    begun, today = time.monotonic(), datetime.now(UTC).date()
    findings: list[Finding] = []
    is_whole = False
    # Ctrl-C ends it early, and what was found until then is shown.
    with suppress(KeyboardInterrupt):
        for finding in chain.from_iterable(
            _everywhere(engines, stage, plan) for stage in _stages(names)
        ):
            minutes = (time.monotonic() - begun) / 60
            findings.append(finding)
            _say(f"{minutes:>5.1f} min  {finding.line}", *finding.against)
            if options.report:
                conditions = f"{today}, seed {options.seed}, {minutes:.0f} minutes"
                options.report.write_text(page(findings, conditions), encoding="utf-8")
        is_whole = True
    _say(f"\n{table(findings)}\n")
    against = [sentence for finding in findings for sentence in finding.against]
    if not is_whole:
        _say("It was stopped: what is not in the table was not tried.")
    elif findings and not against:
        _say("Nothing lost, nothing doubled; every control failed as it must.")
    _say(*against, f"seed {options.seed}, {(time.monotonic() - begun) / 60:.0f} minutes")
    sys.exit(int(bool(against) or not findings) if is_whole else INTERRUPTED)


def _stages(names: list[str]) -> list[list[str]]:
    """Return what is done after one another: a measure of time wants the machine for itself."""
    alone, rest = ["latency"], [name for name in names if name != "latency"]
    return [stage for stage in (alone if "latency" in names else [], rest) if stage]


def _everywhere(engines: list[str], names: list[str], plan: Plan) -> Iterator[Finding]:
    """Run the experiments on all engines at once; yield each finding when it is there."""
    # Of each engine what is left to do, one byte each: whoever reads a byte does it.
    left = {engine: _filled(bytes(range(len(names)))) for engine in engines}
    children = {}
    reading, writing = os.pipe()
    for number in range(max(len(engines), os.cpu_count() or 1)):
        first = number % len(engines)
        if (child := os.fork()) == 0:
            os.close(reading)
            os._exit(_lane(engines[first:] + engines[:first], left, names, plan, writing))
        children[child] = engines[first]
    os.close(writing)
    broken: list[str] = []
    try:
        with os.fdopen(reading) as lines:
            for line in lines:
                yield Finding(**_as_tuples(json.loads(line)))
    finally:
        # On Ctrl-C as well: no server and no directory is left behind.
        for pipe in left.values():
            os.close(pipe)
        for child, engine in children.items():
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                broken.append(engine)
    yield from (_broke_down("the stage", engine, "see above") for engine in broken)


def _filled(content: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


def _broke_down(name: str, engine: str, why: str) -> Finding:
    return Finding(name, engine, 0, "trials", (f"it broke down: {why}",), 0, 0, 0.0)


def _lane(
    engines: list[str], left: dict[str, int], names: list[str], plan: Plan, writing: int
) -> int:
    """Do what is left of one engine, then of the next, each in a process of its own."""
    # Ctrl-C is for the process of the engine; here its end is awaited.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 0
    for engine in engines:
        if first := os.read(left[engine], 1):
            # Settings are read once in a process.
            if (child := os.fork()) == 0:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                os._exit(_on_engine(engine, first, left[engine], names, plan, writing))
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if ended == INTERRUPTED:
                return ended
            code |= bool(ended)
    return code


def _on_engine(
    engine: str, first: bytes, left: int, names: list[str], plan: Plan, writing: int
) -> int:
    from proof.stage import stage

    try:
        with stage(engine), os.fdopen(writing, "w", buffering=1) as pipe:
            number = first
            while number:
                for finding in _of_one(names[number[0]], plan, engine):
                    # One write each: the lanes share the pipe.
                    pipe.write(json.dumps(asdict(finding)) + "\n")
                number = os.read(left, 1)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _of_one(name: str, plan: Plan, engine: str) -> Iterator[Finding]:
    """Yield what an experiment finds; the others are made even if it breaks down."""
    try:
        yield from EXPERIMENTS[name](plan, engine)
    except Exception as error:
        traceback.print_exc()
        yield _broke_down(name, engine, f"{type(error).__name__}, see above")


def _as_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
