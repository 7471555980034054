"""Every experiment by its name, and how much of everything it is given."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from proof.findings import Finding


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


def _kill_storm(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.kill_scenes import SCENES
    from proof.kill_storm import storm

    kinds = [scene for scene in SCENES if scene.engine in {"", engine}]
    kills = -(-plan.kills // len(kinds))
    for kind in kinds:
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

    yield life_goes_on(
        operations=plan.operations, a_day=200, control_operations=2_000, seed=plan.seed
    )


def _bad_rows(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.bad_rows import JOBS, bad_rows

    return (bad_rows(name, professionals=5_000) for name in JOBS)


def _full_disk(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.full_disk import COMMANDS, full_disk

    return (full_disk(name, professionals=20_000) for name in COMMANDS)


def _model(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.model import model

    # Other steps on each engine: with one seed they would be the same.
    yield model(steps=plan.steps, seed=plan.seed + (engine == "postgresql"))


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
    from proof.cron_zones import zones
    from proof.odd_days import months_without_the_day
    from proof.time_travel import BEGIN, years

    yield months_without_the_day()
    yield zones()
    # Other years on each engine.
    later = plan.years if engine == "postgresql" else 0
    yield years(plan.years, seed=plan.seed, begin=BEGIN.replace(year=BEGIN.year + later))


def _runners(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.runner_storm import storm

    yield storm(periods=plan.months, control_periods=5)


def _tamper(plan: Plan, engine: str) -> Iterable[Finding]:
    from proof.tamper import behind, migrations, refused

    return (experiment() for experiment in (refused, behind, migrations))


# The longest first: what is left for the end should be short.
EXPERIMENTS: dict[str, Callable[[Plan, str], Iterable[Finding]]] = {
    "latency": _latency,
    "life": _life,
    "time": _time,
    "kills": _kill_storm,
    "model": _model,
    "delivery": _delivery,
    "lost-answers": _lost_answers,
    "crash-points": _crash_points,
    "runners": _runners,
    "bad-rows": _bad_rows,
    "database-crash": _database_crash,
    "full-disk": _full_disk,
    "tamper": _tamper,
}
