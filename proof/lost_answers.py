"""
The answer to a COMMIT is lost: it was done, and the client cannot know.

By a proxy that swallows the answer, and by ``pg_terminate_backend`` right after the COMMIT. The
call that met it, and the same call made again, must both return what was written once. The control
does what a client without keys does when the connection breaks: the same again.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import stamina
from django.db import OperationalError, connection, connections, transaction

from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.models import CreditBalance, CreditTransaction, CreditType, TransactionType
from proof.cluster import led_to
from proof.findings import Finding
from proof.proxy import proxy_before
from proof.stage import clear
from tests.acts import ACTS, prepare
from tests.books import broken_invariants
from tests.factories import AUGUST, MARCH, make_professional, make_professionals
from tests.faults import lost_answers

TRIALS_TO_A_WORLD = 20

Act = Callable[[], Any]
Lose = Callable[[int, Act], bool]
"""Do the act and lose the answer to its n-th COMMIT; say whether there was such an answer."""


def through_proxy(*, times: int, control_times: int, seed: int) -> Finding:
    """Lose answers between the server and the client; PostgreSQL only."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        server = Path(connection.settings_dict["HOST"])
        proxy = stack.enter_context(proxy_before(server, directory))
        stack.enter_context(led_to(directory))

        def lose(number: int, act: Act) -> bool:
            before = proxy.lost
            proxy.lose_answer(number)
            try:
                act()
            finally:
                proxy.lose_answer(0)
            return proxy.lost > before

        return _experiment("lost answer: proxy", lose, times, control_times, seed)


def by_termination(*, times: int, control_times: int, seed: int) -> Finding:
    """Let the server end the connection after a COMMIT; SQLite says it was busy."""

    def lose(number: int, act: Act) -> bool:
        with lost_answers([number]) as lost:
            act()
        return bool(lost)

    return _experiment("lost answer: terminated", lose, times, control_times, seed)


def _experiment(name: str, lose: Lose, times: int, control_times: int, seed: int) -> Finding:
    begun = time.monotonic()
    chance = random.Random(f"{seed} {name}")
    complaints: list[str] = []
    done = 0
    with _no_pauses():
        while done < times:
            if done % TRIALS_TO_A_WORLD == 0:
                clear()
            kind = chance.choice([*ACTS, "reset", "expiry"])
            act, check = _job(kind) if kind in _JOBS else _ledger_function(kind)
            number = chance.randint(1, 4) if kind in _JOBS else 1
            if not lose(number, act):
                continue
            done += 1
            found = check() + [f"{name}: {count}" for name, count in broken_invariants().items()]
            complaints += [f"{kind}, trial {done}: {'; '.join(found)}"] if found else []
        control_bad = sum(_control(lose) for _ in range(control_times))
    clear()
    return Finding(
        experiment=name,
        engine=connection.vendor,
        trials=done,
        trial="answers lost",
        complaints=tuple(complaints),
        control_trials=control_times,
        control_bad=control_bad,
        seconds=time.monotonic() - begun,
    )


def _ledger_function(name: str) -> tuple[Act, Callable[[], list[str]]]:
    act = prepare(name)
    ledger = CreditTransaction.objects.order_by("pk")
    before = ledger.count()
    returned: list[list[CreditTransaction]] = []

    def check() -> list[str]:
        written = list(ledger[before:])
        found = [] if returned == [written] else ["it returned something else than it wrote"]
        if act() != written or list(ledger[before:]) != written:
            found.append("called again it did not return the first result")
        return found

    return lambda: returned.append(act()), check


_JOBS: dict[str, Callable[[], Any]] = {
    "reset": partial(reset_monthly_credits, as_of=MARCH, chunk_size=2),
    "expiry": partial(expire_credits, as_of=AUGUST, chunk_size=2),
}


def _job(name: str) -> tuple[Act, Callable[[], list[str]]]:
    # In books of their own: a job is about everybody.
    clear()
    for amount in (30, 120, 100):
        make_professional(free=amount, paid=5)
    make_professionals(1)

    def check() -> list[str]:
        kind, count = {
            "reset": (TransactionType.MONTHLY_RESET, 4),
            "expiry": (TransactionType.EXPIRY, 3),
        }[name]
        rows = CreditTransaction.objects.filter(transaction_type=kind)
        found = [] if rows.count() == count else [f"{rows.count()} rows, not {count}"]
        if _JOBS[name]().success_count:
            found.append("something was left to do")
        return found

    return _JOBS[name], check


def _control(lose: Lose) -> bool:
    """Grant without a key, again when the connection breaks; say whether it was granted twice."""
    clear()
    professional = make_professional(free=10)

    def grant() -> None:
        with transaction.atomic():
            balance = CreditBalance.objects.select_for_update().get(pk=professional.pk)
            before = balance.free_credits
            balance.free_credits += 5
            balance.lifetime_earned += 5
            balance.save()
            CreditTransaction.objects.create(
                professional=professional,
                transaction_type=TransactionType.BONUS,
                credit_type=CreditType.FREE,
                amount=5,
                balance_before=before,
                balance_after=before + 5,
                created_at=MARCH,
            )

    def grant_until_it_works() -> None:
        while True:
            try:
                return grant()
            except OperationalError:
                connections.close_all()

    lose(1, grant_until_it_works)
    return CreditBalance.objects.get(pk=professional.pk).free_credits != 15


@contextmanager
def _no_pauses() -> Iterator[None]:
    """Try again as often as in earnest, without the pauses between."""
    with stamina.set_testing(True, attempts=6, cap=True):
        yield
