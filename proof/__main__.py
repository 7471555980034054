"""
Nothing lost, nothing doubled: every experiment on both engines, and one table at the end.

    .venv/bin/python -m proof                       about an hour, on two cores
    .venv/bin/python -m proof --kills 10000         a longer storm
    .venv/bin/python -m proof --only life --engine postgresql --seed 7
    .venv/bin/python -m proof --report docs/proof.md

Each finding is printed as it is there, and Ctrl-C ends with the table of those that are.
Each engine has a process and a database of its own, and experiments fork from it, so that hundreds
of kills a minute are possible. Each experiment has a control that must fail: a naive implementation
under the same fire. It ends with 1 if anything speaks against the app, or against an experiment.
"""

import argparse
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from proof.findings import Finding, page, table

ENGINES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Plan:
    """How much of everything; figures are for each engine."""

    seed: int
    kills: int
    lost: int
    crashes: int
    operations: int
    steps: int
    notices: int
    professionals: int
    months: int
    years: int


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
    parser.add_argument("--steps", type=int, default=10_000, help="of the model (default: 10,000)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page of it as well")
    options = parser.parse_args()
    engines = [options.engine] if options.engine else list(ENGINES)
    plan = Plan(
        seed=options.seed,
        kills=-(-options.kills // len(engines)),
        lost=500,
        crashes=20,
        operations=-(-options.operations // len(engines)),
        steps=options.steps,
        notices=100,
        professionals=1_000_000,
        months=50,
        years=10,
    )
    names = options.only or list(EXPERIMENTS)
    _say(f"seed {options.seed}; {', '.join(names)}; {' and '.join(engines)}")
    begun, today = time.monotonic(), datetime.now(UTC).date()
    findings: list[Finding] = []
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
    _say(f"\n{table(findings)}\n")
    against = [sentence for finding in findings for sentence in finding.against]
    if findings and not against:
        _say("Nothing lost, nothing doubled; every control failed as it must.")
    _say(*against, f"seed {options.seed}, {(time.monotonic() - begun) / 60:.0f} minutes")
    sys.exit(bool(against) or not findings)


def _stages(names: list[str]) -> list[list[str]]:
    """Return what is done after one another: a measure of time wants the machine for itself."""
    alone, rest = ["latency"], [name for name in names if name != "latency"]
    return [stage for stage in (alone if "latency" in names else [], rest) if stage]


def _everywhere(engines: list[str], names: list[str], plan: Plan) -> Iterator[Finding]:
    """Run the experiments on all engines at once; yield each finding when it is there."""
    children = {}
    reading, writing = os.pipe()
    for engine in engines:
        if (child := os.fork()) == 0:
            os.close(reading)
            os._exit(_on_engine(engine, names, plan, writing))
        children[child] = engine
    os.close(writing)
    with os.fdopen(reading) as lines:
        for line in lines:
            yield Finding(**_as_tuples(json.loads(line)))
    for child, engine in children.items():
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            yield _broke_down("the stage", engine, "see above")


def _broke_down(name: str, engine: str, why: str) -> Finding:
    return Finding(name, engine, 0, "trials", (f"it broke down: {why}",), 0, 0, 0.0)


def _on_engine(engine: str, names: list[str], plan: Plan, writing: int) -> int:
    from proof.stage import stage

    try:
        with stage(engine), os.fdopen(writing, "w", buffering=1) as pipe:
            for name in names:
                for finding in _of_one(name, plan, engine):
                    # One write each: the two engines share the pipe.
                    pipe.write(json.dumps(asdict(finding)) + "\n")
    except KeyboardInterrupt:
        return 1
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


def _kill_storm(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.kill_storm import SCENES, storm

    kills = -(-plan.kills // len(SCENES))
    for kind in SCENES:
        yield storm(kind, kills=kills, control_kills=25, seed=plan.seed)


def _crash_points(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.crash_points import SCENES, every_point

    return (every_point(name) for name in SCENES)


def _lost_answers(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.lost_answers import by_termination, through_proxy

    if engine == "postgresql":
        yield through_proxy(times=plan.lost, control_times=20, seed=plan.seed)
    yield by_termination(times=plan.lost, control_times=20, seed=plan.seed)


def _database_crash(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.database_crash import crashes

    if engine == "postgresql":
        yield crashes(times=plan.crashes, control_times=3, seed=plan.seed)


def _life(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.life_goes_on import life_goes_on

    yield life_goes_on(operations=plan.operations, control_operations=2_000, seed=plan.seed)


def _bad_rows(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.bad_rows import JOBS, bad_rows

    return (bad_rows(name, professionals=5_000) for name in JOBS)


def _full_disk(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.full_disk import COMMANDS, full_disk

    return (full_disk(name, professionals=20_000) for name in COMMANDS)


def _model(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.model import model

    yield model(steps=plan.steps, seed=plan.seed)


def _delivery(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.mail_services import SERVICES
    from proof.notices import delivery

    # What a service does to a sender is the same on both engines: it is done on one.
    if engine == "sqlite":
        for service in SERVICES:
            yield delivery(service, notices=plan.notices, kills=6, seed=plan.seed)


def _latency(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.latency import latency

    # SQLite has one writer: there a spend waits for the chunk at hand, whoever it is about.
    if engine == "postgresql":
        yield latency(professionals=plan.professionals, quiet_seconds=30, seed=plan.seed)


def _time(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.time_travel import months_without_the_day, years, zones

    yield months_without_the_day()
    yield zones()
    yield years(plan.years, seed=plan.seed)


def _runners(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.runner_storm import storm

    yield storm(periods=plan.months, control_periods=5)


def _tamper(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.tamper import behind, migrations, refused

    return (experiment() for experiment in (refused, behind, migrations))


EXPERIMENTS: dict[str, Callable[[Plan, str], Iterable[Finding]]] = {
    "latency": _latency,
    "kills": _kill_storm,
    "crash-points": _crash_points,
    "lost-answers": _lost_answers,
    "database-crash": _database_crash,
    "bad-rows": _bad_rows,
    "full-disk": _full_disk,
    "tamper": _tamper,
    "model": _model,
    "runners": _runners,
    "time": _time,
    "life": _life,
    "delivery": _delivery,
}


def _as_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
