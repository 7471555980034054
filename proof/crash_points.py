"""
Every crash point: killed before each statement and around each COMMIT, one after the other.

After each kill every invariant must hold, and the same call again must do what is left, or find
that it is done. Between a statement and the next nothing happens that a database could see, so
these are all the points there are.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count

from django.db import connection

from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import Balance, balance_of, lots_of
from credits.models import CreditTransaction, TransactionType
from proof import naive
from proof.findings import Finding
from proof.stage import clear
from tests.acts import ACTS, prepare
from tests.books import broken_invariants
from tests.factories import (
    AUGUST,
    JULY_15,
    MARCH,
    give_lot,
    make_professional,
    make_professionals,
)
from tests.processes import at_point, die, run_in_child


@dataclass(frozen=True)
class Scene:
    """An act in a world of its own, and what must be so when it was done twice."""

    act: Callable[[], object]
    complaints: Callable[[], list[str]]


def _reset(act: Callable[[], object]) -> Scene:
    low = make_professional(free=30, paid=5)
    high = make_professional(free=120)
    (new,) = make_professionals(1)
    keys = [low.pk, high.pk, new.pk]

    def complaints() -> list[str]:
        rows = CreditTransaction.objects.filter(
            professional__in=keys, transaction_type=TransactionType.MONTHLY_RESET
        )
        return _unequal(
            ("amounts", list(rows.order_by("professional").values_list("amount", flat=True))),
            [70, -20, 100],
        ) + [
            line
            for key, paid in zip(keys, (5, 0, 0), strict=True)
            for line in _unequal(("balance", balance_of(key)), Balance(free=100, paid=paid))
        ]

    return Scene(act, complaints)


def _expiry(act: Callable[[], object]) -> Scene:
    aisha = make_professional(free=10, paid=5)
    give_lot(aisha, 7, expires_at=JULY_15 + timedelta(days=1))
    lasting = give_lot(aisha, 11, expires_at=AUGUST + timedelta(days=1))
    omar = make_professional(paid=3)

    def complaints() -> list[str]:
        return [
            *_unequal(("Aisha's balance", balance_of(aisha.pk)), Balance(free=10, paid=11)),
            *_unequal(("Aisha's lots", list(lots_of(aisha.pk))), [lasting]),
            *_unequal(("Omar's balance", balance_of(omar.pk)), Balance(0, 0)),
        ]

    return Scene(act, complaints)


def _ledger_function(name: str) -> Scene:
    act = prepare(name)
    ledger = CreditTransaction.objects.order_by("pk")
    before = ledger.count()

    def complaints() -> list[str]:
        # Called a third time it returns what there is.
        return _unequal(("rows", list(ledger[before:])), act())

    return Scene(act, complaints)


SCENES: dict[str, Callable[[], Scene]] = {
    "reset": lambda: _reset(partial(reset_monthly_credits, as_of=MARCH)),
    "expiry": lambda: _expiry(partial(expire_credits, as_of=AUGUST)),
    **{name: partial(_ledger_function, name) for name in ACTS},
}

CONTROLS: dict[str, Callable[[], Scene]] = {
    "reset": lambda: _reset(partial(naive.reset, as_of=MARCH, period="2026-03")),
    "expiry": lambda: _expiry(partial(naive.expire, as_of=AUGUST)),
}


def every_point(name: str, *, step: int = 1) -> Finding:
    """
    Kill the app at each of its points, then, for a job, the control at each of its own.

    Args:
        step: of the app's points take the first, then every so manieth.
    """
    begun = time.monotonic()
    points, complaints = _kill_at_each(SCENES[name], step)
    control_points, control_complaints = 0, []
    if name in CONTROLS:
        control_points, control_complaints = _kill_at_each(CONTROLS[name])
    return Finding(
        experiment=f"every crash point: {name}",
        engine=connection.vendor,
        trials=points,
        trial="points",
        complaints=tuple(complaints),
        control_trials=control_points,
        control_bad=len(control_complaints),
        seconds=time.monotonic() - begun,
        needs_control=name in CONTROLS,
    )


def _kill_at_each(set_scene: Callable[[], Scene], step: int = 1) -> tuple[int, list[str]]:
    """Kill at point 1, in a new scene at a later one, until one lives; return how many died."""
    complaints = []
    died = 0
    for number in count(1, step):
        clear()
        scene = set_scene()
        exit_code = run_in_child(partial(_run_to, number, scene.act))
        if found := [*_broken(), *_again(scene)]:
            complaints.append(f"killed at point {number}: {'; '.join(found)}")
        if exit_code == 0:
            break
        died += 1
    clear()
    return died, complaints


def _run_to(number: int, act: Callable[[], object]) -> None:
    with at_point(number, die):
        act()


def _again(scene: Scene) -> Iterator[str]:
    try:
        scene.act()
    except Exception as error:
        yield f"again it failed with {type(error).__name__}"
    yield from scene.complaints()
    yield from _broken()


def _broken() -> list[str]:
    return [f"{name}: {count} offend" for name, count in broken_invariants().items()]


def _unequal(what: tuple[str, object], expected: object) -> list[str]:
    name, found = what
    return [] if found == expected else [f"{name}: {found}, not {expected}"]
