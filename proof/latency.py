"""
How long a spend takes while the month is reset, against how long it takes when all is quiet.

A few people spend, a moment apart, out of half a million; the 99th of a hundred spends may take
twice as long at most. It is quiet once before and once after, as long as the reset takes or longer,
and both count as one. A spend waits only where its professional is in the chunk at hand, so the
control is a reset of many in one chunk.

On a machine of few processors a reset also takes one of them, so it is judged where it rests
between its chunks (``CREDITS["NICE_RATIO"]``). What it does without a rest is told beside it, and
what a busy processor does alone: spends while a process counts, and touches no database.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.test import override_settings

from credits.exceptions import InsufficientCredits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import spend
from credits.reports.run_history import percentile
from proof.findings import Finding
from tests.crowds import crowd
from tests.factories import APRIL, FEBRUARY, MARCH, new_key
from tests.processes import Child, Tell

SPENDERS = 2
PAUSE = 0.02
"""Seconds between two spends of one person: people think, too."""

MOST = 2.0

NICE_RATIO = 9
RESTED = f"NICE_RATIO {NICE_RATIO}"
SHARE = 8
"""Of so many professionals one is reset with rests, which takes ten times as long."""

MANY = 500_000
FEWEST = 3_000
"""Spends in a phase from which a 99th of a hundred can be told: thirty are slower."""


def latency(*, professionals: int, quiet_seconds: float, seed: int) -> Finding:
    """
    Measure spends in quiet, and during resets: in chunks, with rests between them, in one chunk.

    Args:
        quiet_seconds: before the reset; after it it is quiet as long as the reset took.
    """
    begun = time.monotonic()
    with crowd(professionals) as users:
        keys = list(users.values_list("pk", flat=True))
        _settle()
        quiet = spends_during(None, keys, seconds=quiet_seconds, seed=seed)
        reset_begun = time.monotonic()
        chunked = spends_during(lambda: reset_monthly_credits(as_of=MARCH), keys, seed=seed + 1)
        seconds = time.monotonic() - reset_begun
        _settle()
        quiet += spends_during(None, keys, seconds=seconds, seed=seed + 3)
        nice = spends_during(
            lambda: reset_nicely(as_of=APRIL, limit=professionals // SHARE), keys, seed=seed + 5
        )
        beside = spends_during(lambda: _count(quiet_seconds), keys, seed=seed + 4)
        at_once = spends_during(
            # A fourth of them are enough to be in the way.
            lambda: reset_monthly_credits(
                as_of=APRIL, limit=professionals // 4, chunk_size=professionals
            ),
            keys,
            seed=seed + 2,
        )
    times = {
        "quiet": quiet,
        RESTED: nice,
        "chunked": chunked,
        "at once": at_once,
        "busy processor": beside,
    }
    p99 = {name: percentile(each, 99) for name, each in times.items()}
    ratio = p99[RESTED] / p99["quiet"]
    complaints = [] if ratio <= MOST else [f"p99 is {ratio:.1f} times its quiet value"]
    if professionals >= MANY and (few := min(len(quiet), len(nice))) < FEWEST:
        complaints.append(f"{few} spends are too few to tell the 99th of a hundred")
    return Finding(
        experiment="spend latency",
        engine=connection.vendor,
        trials=len(nice),
        trial="spends",
        complaints=tuple(complaints),
        control_trials=1,
        control_bad=int(p99["at once"] / p99["quiet"] > MOST),
        seconds=time.monotonic() - begun,
        remarks="p50/p99 ms: "
        + ", ".join(
            f"{name} {1000 * percentile(each, 50):.1f}/{1000 * p99[name]:.1f}"
            for name, each in times.items()
        ),
    )


def reset_nicely(*, as_of: datetime, limit: int, **wanted: int) -> None:
    """Reset so many professionals with rests between the chunks, and what else is wanted so."""
    nice = settings.CREDITS | {"NICE_RATIO": NICE_RATIO} | wanted
    with override_settings(CREDITS=nice):
        reset_monthly_credits(as_of=as_of, limit=limit)


def _count(seconds: float) -> None:
    """Keep a processor busy for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))


def _settle() -> None:
    """Do at once what autovacuum and the checkpointer would do in the middle of a phase."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


def spends_during(
    job: Callable[[], object] | None, keys: list[int], *, seconds: float = 0.0, seed: int
) -> list[float]:
    """Return how many seconds each spend took while the job ran, or for so many seconds."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        notebooks = [Path(directory, str(number)) for number in range(SPENDERS)]
        spenders = [
            stack.enter_context(Child(Spender(keys, notebook, seed + number)))
            for number, notebook in enumerate(notebooks)
        ]
        for spender in spenders:
            spender.hear()
        if job is None:
            time.sleep(seconds)
        else:
            with Child(lambda tell: job()) as child:
                assert child.wait() == 0, "The job failed."
        for spender in spenders:
            spender.kill()
            spender.wait()
        return [float(line) for each in notebooks for line in each.read_text().split()]


class Spender:
    """Spends a credit of somebody's, again and again, and writes down how long it took."""

    def __init__(self, keys: list[int], notebook: Path, seed: int) -> None:
        self._keys = keys
        self._notebook = notebook
        self._chance = random.Random(seed)

    def __call__(self, tell: Tell) -> None:
        """Spend until killed."""
        file = os.open(self._notebook, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        connection.ensure_connection()
        tell("begun")
        while True:
            key = self._chance.choice(self._keys)
            begun = time.perf_counter()
            try:
                spend(
                    professional_id=key,
                    amount=1,
                    at=FEBRUARY,
                    idempotency_key=f"{new_key('latency')}-{os.getpid()}",
                )
            except InsufficientCredits:
                continue
            os.write(file, f"{time.perf_counter() - begun}\n".encode())
            time.sleep(PAUSE)
