"""
PostgreSQL stopped ``immediate`` under load: what was acknowledged must be there when it is back.

Writers spend and purchase as fast as they can, and write down each call that returned, in a file
that has nothing to do with the database. The control is the same load on a server that
acknowledges before it writes (``synchronous_commit=off``).
"""

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path

from django.db import DatabaseError, connections

from credits.exceptions import InsufficientCredits
from credits.ledger import purchase, spend
from credits.models import CreditTransaction
from proof.cluster import DURABLE, on_cluster
from proof.findings import Finding
from tests.books import broken_invariants
from tests.factories import JANUARY, make_professional
from tests.processes import Child, Tell

WRITERS = 4
PROFESSIONALS = 16

FORGETFUL = {**DURABLE, "synchronous_commit": "off", "wal_writer_delay": "10s"}


def crashes(*, times: int, control_times: int, seed: int) -> Finding:
    """Crash the server ``times`` times under load, and the control's too."""
    begun = time.monotonic()
    acknowledged, complaints = _under_load(DURABLE, times, seed)
    _, control = _under_load(FORGETFUL, control_times, seed)
    return Finding(
        experiment="database crash",
        engine="postgresql",
        trials=times,
        trial="crashes",
        complaints=tuple(complaints),
        control_trials=control_times,
        control_bad=len(control),
        seconds=time.monotonic() - begun,
        remarks=f"{acknowledged:,} acknowledged",
    )


def _under_load(parameters: Mapping[str, str], times: int, seed: int) -> tuple[int, list[str]]:
    chance = random.Random(f"{seed} crash")
    complaints = []
    with tempfile.TemporaryDirectory() as directory, on_cluster(parameters) as server:
        notebook = Path(directory, "acknowledged")
        notebook.touch()
        keys = [make_professional(free=20, paid=50).pk for _ in range(PROFESSIONALS)]
        with _writers(keys, notebook):
            for number in range(1, times + 1):
                heard = len(_noted(notebook))
                _wait_for_more(notebook, heard + 20)
                time.sleep(chance.uniform(0, 0.3))
                # Our own connection would be cut off like the others'.
                connections.close_all()
                server.crash()
                noted = _noted(notebook)
                server.start()
                if missing := set(noted) - _written():
                    complaints.append(f"crash {number}: {len(missing)} acknowledged are missing")
                if broken := broken_invariants():
                    complaints.append(f"crash {number}: {broken}")
        return len(_noted(notebook)), complaints


@contextmanager
def _writers(keys: list[int], notebook: Path) -> Iterator[None]:
    children = [Child(partial(_write, number, keys, notebook)) for number in range(WRITERS)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def _write(number: int, keys: list[int], notebook: Path, tell: Tell) -> None:
    """Act until killed; a call that failed is made again with its key until it returns."""
    file = os.open(notebook, os.O_WRONLY | os.O_APPEND)
    for turn in count():
        key = f"crash-{number}-{turn}"
        professional = {"professional_id": keys[(number + turn) % len(keys)], "at": JANUARY}
        act: Callable[[], object] = (
            partial(
                purchase,
                **professional,
                amount=7,
                price=Decimal(35),
                currency="AED",
                payment_reference=key,
            )
            if turn % 2
            else partial(spend, **professional, amount=3, idempotency_key=key)
        )
        while True:
            try:
                act()
            except InsufficientCredits:
                break
            except DatabaseError:
                connections.close_all()
            else:
                os.write(file, f"{key}\n".encode())
                break


def _noted(notebook: Path) -> list[str]:
    return notebook.read_text().splitlines()


def _wait_for_more(notebook: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    while len(_noted(notebook)) < lines:
        assert time.monotonic() < deadline, "The writers came to nothing."
        time.sleep(0.02)


def _written() -> set[str | None]:
    """Return the keys of the writers' rows."""
    rows = CreditTransaction.objects.filter(idempotency_key__startswith="crash-")
    return set(rows.values_list("idempotency_key", flat=True))
