"""
People who spend: how long one waits, alone and during a reset, and how many spends a second.

    python -m benchmarks.traffic latency|job|floor --seconds 5

The floor of a spend is one UPDATE and one INSERT in a transaction, by the bare driver: it looks for
no earlier call, draws no lot, and does not say no.
"""

import argparse
import json
import os
import random
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any

from benchmarks.engines import Engine, ask_json, bare_connection
from benchmarks.results import Figure
from settings import environment

THREADS = 8
SEED = 42

AT = datetime.fromisoformat("2026-10-30T12:00:00+00:00")
RESET_AT = datetime.fromisoformat("2026-11-01T00:01:00+00:00")
NICE_RESET_AT = datetime.fromisoformat("2026-12-01T00:01:00+00:00")

NICELY: dict[str, dict[str, int]] = {
    "postgresql": {"limit": 100_000},
    # One writer: a spend waits for the chunk at hand, whoever it is about.
    "sqlite": {"limit": 5_000, "CHUNK_SIZE": 100},
}
"""How many are reset with rests, which takes ten times as long, and in what chunks."""

PHASES = ("quiet", "reset", "nice")

MODULE = ("-m", "benchmarks.traffic")


def measure_latency(engine: Engine, size: int, database: str, *, seconds: float) -> Figure:
    """Return how long spends take; the database is reset by this."""
    told = ask_json(engine, database, *MODULE, "latency", "--seconds", str(seconds))
    return Figure(
        engine=engine.name,
        size=size,
        work="latency",
        way="job",
        rounds=1,
        rows=int(told.pop("spends")),
        seconds=told.pop("seconds"),
        extra=told,
    )


def measure_spends(
    engine: Engine, size: int, database: str, *, seconds: float, rounds: int
) -> list[Figure]:
    """Return how many spends a second eight threads do, and how many of the floor's."""
    rates: dict[str, list[float]] = {"floor": [], "job": []}
    for number in range(rounds):
        for way in sorted(rates, reverse=bool(number % 2)):
            told = ask_json(engine, database, *MODULE, way, "--seconds", str(seconds))
            rates[way].append(told["per second"])
    ratio = statistics.median(
        least / ours for least, ours in zip(rates["floor"], rates["job"], strict=True)
    )
    return [
        Figure(
            engine=engine.name,
            size=size,
            work="spends",
            way=way,
            rounds=rounds,
            rows=THREADS,
            seconds=seconds,
            ratio=ratio if way == "job" else None,
            extra={"per second": statistics.median(each)},
        )
        for way, each in rates.items()
    ]


def latency(seconds: float) -> dict[str, float]:
    """Let two people spend in quiet, then during a reset, then during one with rests."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    from credits.jobs.reset import reset_monthly_credits
    from credits.reports.run_history import percentile
    from proof.latency import reset_nicely, spends_during

    keys = list(get_user_model().objects.order_by("pk").values_list("pk", flat=True))
    quiet = spends_during(None, keys, seconds=seconds, seed=SEED)
    begun = time.perf_counter()
    during = spends_during(lambda: reset_monthly_credits(as_of=RESET_AT), keys, seed=SEED + 1)
    taken = time.perf_counter() - begun
    nice = spends_during(
        lambda: reset_nicely(as_of=NICE_RESET_AT, **NICELY[connection.vendor]), keys, seed=SEED + 2
    )
    told = {"seconds": taken, "spends": float(len(during))}
    for name, times in zip(PHASES, (quiet, during, nice), strict=True):
        for share in (50, 99):
            told[f"{name} p{share}"] = percentile(times, share)
    return told


def rate(spender: Callable[[int, threading.Event], int], seconds: float) -> float:
    """Return how many spends a second so many threads do."""
    stop = threading.Event()
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda number=number: counts.append(spender(number, stop)))
        for number in range(THREADS)
    ]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    if len(counts) < THREADS:
        raise SystemExit("A thread that spends has failed.")
    return sum(counts) / (time.perf_counter() - begun)


def spend_by_ledger(most: int) -> Callable[[int, threading.Event], int]:
    """Return what a thread does that spends as the project does."""
    from django.db import connection

    from credits.exceptions import InsufficientCredits
    from credits.ledger import spend

    def spender(number: int, stop: threading.Event) -> int:
        chance, done = random.Random(SEED + number), 0
        with closing(connection):
            while not stop.is_set():
                key = f"spend-{os.getpid()}-{number}-{done}"
                try:
                    spend(
                        professional_id=chance.randint(1, most),
                        amount=1,
                        at=AT,
                        idempotency_key=key,
                    )
                except InsufficientCredits:
                    continue
                done += 1
        return done

    return spender


UPDATE = """
UPDATE credits_creditbalance SET free_credits = free_credits - 1,
    lifetime_spent = lifetime_spent + 1, last_spend_at = %s
WHERE professional_id = %s AND free_credits > 0
RETURNING free_credits + paid_credits
"""

INSERT = """
INSERT INTO credits_credittransaction (professional_id, transaction_type, credit_type, amount,
    granted_amount, remaining_amount, balance_before, balance_after, description, metadata,
    currency, idempotency_key, created_at)
VALUES (%s, 'spend', 'free', -1, 0, 0, %s, %s, '', '{}', '', %s, %s)
"""


def spend_barely(url: str) -> Callable[[int, threading.Event], int]:
    """Return what a thread does that writes a spend's two rows and nothing else."""

    def spender(number: int, stop: threading.Event) -> int:
        chance, done = random.Random(SEED + number), 0
        with closing(bare_connection(url)) as connection:
            (most,) = connection.execute("SELECT MAX(id) FROM homezy_user").fetchone()
            while not stop.is_set():
                done += _spend_barely(
                    connection, chance.randint(1, most), f"bare-{os.getpid()}-{number}-{done}"
                )
        return done

    return spender


def _spend_barely(connection: Any, owner: int, key: str) -> bool:
    with connection.transaction():
        left = connection.execute(UPDATE, (AT, owner)).fetchone()
        if left is None:
            return False
        connection.execute(INSERT, (owner, left[0] + 1, left[0], key, AT))
    return True


def main() -> None:
    """Measure in this process, and print it."""
    parser = argparse.ArgumentParser(description="People who spend.")
    parser.add_argument("what", choices=["latency", "job", "floor"])
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    if options.what == "floor":
        spender = spend_barely(environment.text("DATABASE_URL"))
        told = {"per second": rate(spender, options.seconds)}
    else:
        import django

        django.setup()
        if options.what == "latency":
            told = latency(options.seconds)
        else:
            from django.contrib.auth import get_user_model

            most = get_user_model().objects.latest("pk").pk
            told = {"per second": rate(spend_by_ledger(most), options.seconds)}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
