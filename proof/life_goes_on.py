"""
Life goes on: spends, purchases, refunds, grants and adjustments during resets and expiries.

Eight threads act for the same professionals while simulated days pass and both jobs run; one
statement in a hundred ends in a deadlock or a serialization failure. A reader takes snapshots all
the while and asks each of them every invariant, as Jepsen's bank test does: no drift, ever. The
control's threads read a balance and write it back.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import stamina
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.test import override_settings

from credits.exceptions import CreditsError
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import adjust, grant_bonus, purchase, refund, spend
from credits.models import CreditBalance, CreditTransaction, CreditType, JobRun, TransactionType
from credits.periods import period_of
from proof.findings import Finding
from proof.stage import clear
from tests.books import broken_invariants
from tests.factories import JANUARY, give_lot, make_professional, make_user
from tests.faults import RandomFaults

THREADS = 8
PROFESSIONALS = 60
PAUSE = 0.002
"""Seconds between two acts of a thread, on SQLite."""

ONE_IN = 100
"""Statements to an injected fault."""


class World:
    """What the threads share: the professionals, the day, and what was seen to be wrong."""

    def __init__(self, operations: int, *, a_day: int) -> None:
        clear()
        self.now = JANUARY
        self.clerk = make_user(role="admin").pk
        holders = [make_professional(free=50, paid=50) for _ in range(PROFESSIONALS)]
        for day, holder in enumerate(holders * 2, start=1):
            # Something to write off every day from the first.
            give_lot(holder, 20, expires_at=JANUARY + timedelta(days=day // 2 + 1))
        self.keys = [holder.pk for holder in holders]
        self.complaints: list[str] = []
        self.snapshots = 0
        self.days = 0
        self.faults = 0
        self._left = operations
        self._a_day = a_day
        self._lock = threading.Lock()
        self.is_day_over = threading.Event()
        self.is_over = threading.Event()

    def take_turn(self) -> bool:
        """Count one operation; say whether there was one left to do."""
        with self._lock:
            self._left -= 1
            if self._left % self._a_day == 0:
                self.is_day_over.set()
            return self._left >= 0 and not self.is_over.is_set()

    def complain(self, sentence: str) -> None:
        with self._lock:
            self.complaints.append(sentence)

    def count_faults(self, raised: int) -> None:
        with self._lock:
            self.faults += raised


class Actor:
    """One thread's acts; each has a key, and is done again with it when the database gave up."""

    def __init__(self, number: int, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(f"{seed} actor {number}")
        self._number = number
        self._turn = 0
        self._spends: list[str] = []

    def act(self) -> None:
        """Do something to somebody; what the rules refuse is an answer too."""
        self._turn += 1
        key = f"life-{self._number}-{self._turn}"
        act = self._choose(key)
        while True:
            try:
                act()
            except CreditsError:
                return
            except DatabaseError as error:
                if not isinstance(error, OperationalError):
                    raise
                connections.close_all()
            else:
                return

    def _choose(self, key: str) -> Callable[[], Any]:
        chance, now = self.chance, self.world.now
        own = {"professional_id": chance.choice(self.world.keys), "at": now}
        amount = chance.randint(1, 20)
        kind = chance.choices(
            ["spend", "purchase", "refund", "grant", "adjust"], weights=[50, 15, 15, 10, 10]
        )[0]
        if kind == "refund" and self._spends:
            spent = self._spends.pop(chance.randrange(len(self._spends)))
            part = chance.choice([None, 1])
            return lambda: refund(spend_key=spent, amount=part, at=now, idempotency_key=key)
        if kind == "purchase":
            price = Decimal(5 * amount) - Decimal("0.01")
            paid = {"price": price, "currency": "AED", "payment_reference": key}
            return lambda: purchase(**own, amount=amount, **paid)
        if kind == "grant":
            return lambda: grant_bonus(**own, amount=amount, idempotency_key=key)
        if kind == "adjust":
            pool = chance.choice([CreditType.FREE, CreditType.PAID])
            by = {"reason": "A miscount.", "actor_id": self.world.clerk, "idempotency_key": key}
            change = chance.choice([amount, -amount])
            return lambda: adjust(**own, amount=change, credit_type=pool, **by)
        self._spends = [*self._spends[-50:], key]
        return lambda: spend(**own, amount=amount, idempotency_key=key)


class NaiveActor(Actor):
    """Reads a balance, writes it back, and writes the row."""

    def _choose(self, key: str) -> Callable[[], Any]:
        professional = self.chance.choice(self.world.keys)
        amount = self.chance.randint(1, 20)

        def grant() -> None:
            balance = CreditBalance.objects.get(pk=professional)
            before = balance.total
            balance.free_credits += amount
            balance.lifetime_earned += amount
            balance.save()
            CreditTransaction.objects.create(
                professional_id=professional,
                transaction_type=TransactionType.BONUS,
                credit_type=CreditType.FREE,
                amount=amount,
                balance_before=before,
                balance_after=before + amount,
                idempotency_key=key,
                created_at=self.world.now,
            )

        return grant


def life_goes_on(*, operations: int, a_day: int, control_operations: int, seed: int) -> Finding:
    """
    Do ``operations`` in eight threads while the jobs run and a reader looks.

    Args:
        a_day: after so many operations a day passes, on a slow machine as on a fast one.
    """
    begun = time.monotonic()
    with _no_pauses(), override_settings(ADMINS=[]):
        world = _live(World(operations, a_day=a_day), Actor, seed, with_jobs=True)
        rows = CreditTransaction.objects.count()
        control = _live(World(control_operations, a_day=a_day), NaiveActor, seed, with_jobs=False)
    clear()
    return Finding(
        experiment="life goes on",
        engine=connection.vendor,
        trials=operations,
        trial="operations",
        complaints=tuple(world.complaints),
        control_trials=control_operations,
        control_bad=len(control.complaints),
        seconds=time.monotonic() - begun,
        remarks=f"{world.snapshots} snapshots, {world.days} days, {world.faults:,} faults,"
        f" {rows:,} rows",
    )


def _live(world: World, kind: type[Actor], seed: int, *, with_jobs: bool) -> World:
    actors = [
        threading.Thread(target=_act, args=(world, kind(number, world, seed), seed + number))
        for number in range(THREADS)
    ]
    reader = threading.Thread(target=_look, args=(world,))
    for thread in [*actors, reader]:
        thread.start()
    try:
        while with_jobs and any(actor.is_alive() for actor in actors):
            if world.is_day_over.wait(0.1):
                world.is_day_over.clear()
                _pass_a_day(world, seed)
    except BaseException:
        world.is_over.set()
        raise
    finally:
        for actor in actors:
            actor.join()
        world.is_over.set()
        reader.join()
    # At rest the books must be in order whatever the snapshots said.
    _judge(world, "in the end")
    return world


def _act(world: World, actor: Actor, seed: int) -> None:
    try:
        with _faults(world, seed):
            while world.take_turn():
                actor.act()
                if connection.vendor == "sqlite":
                    # Its lock is not given in turn. Who never pauses has it again at once, and
                    # a job that asks ten times a second goes away without, after 30 seconds.
                    time.sleep(PAUSE)
    except Exception as error:
        world.complain(f"an act failed with {type(error).__name__}: {error}")
    finally:
        connections.close_all()


def _pass_a_day(world: World, seed: int) -> None:
    """Let a day pass: the expiry, and on the 1st the reset."""
    world.now += timedelta(days=1)
    world.days += 1
    with _faults(world, seed + world.days):
        runs = [expire_credits(as_of=world.now, chunk_size=20)]
        if world.now.day == 1:
            runs.append(reset_monthly_credits(as_of=world.now, chunk_size=20))
    for run in runs:
        if run.status != JobRun.Status.SUCCEEDED:
            world.complain(f"{run} ended {run.status}: {run.error_summary}")
    if world.now.day == 1:
        _check_reset(world)


def _check_reset(world: World) -> None:
    resets = CreditTransaction.objects.filter(
        transaction_type=TransactionType.MONTHLY_RESET, created_at=world.now
    )
    if (count := resets.values("professional").distinct().count()) != PROFESSIONALS:
        world.complain(f"{count} of {PROFESSIONALS} were reset in {period_of(world.now)}")


def _look(world: World) -> None:
    try:
        pause = 0.0
        while not world.is_over.wait(pause):
            begun = time.monotonic()
            with _snapshot():
                _judge(world, f"in snapshot {world.snapshots + 1}")
            world.snapshots += 1
            # A twentieth of the time at most: it is there to look, not to be in the way.
            pause = 19 * (time.monotonic() - begun)
    except Exception as error:
        world.complain(f"the reader failed with {type(error).__name__}: {error}")
    finally:
        connections.close_all()


def _judge(world: World, when: str) -> None:
    for name, count in broken_invariants().items():
        world.complain(f"{when} {name} is broken by {count}")


@contextmanager
def _snapshot() -> Iterator[None]:
    """Read everything as of one moment, and hold nobody up."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            # Not atomic(): that begins IMMEDIATE here, with the write lock.
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
        else:
            with transaction.atomic():
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield


@contextmanager
def _faults(world: World, seed: int) -> Iterator[None]:
    faults = RandomFaults(seed=seed, one_in=ONE_IN)
    try:
        with connection.execute_wrapper(faults):
            yield
    finally:
        world.count_faults(faults.raised)


@contextmanager
def _no_pauses() -> Iterator[None]:
    """Try again as often as in earnest, without the pauses between."""
    with stamina.set_testing(True, attempts=20, cap=False):
        yield
