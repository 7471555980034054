"""
What do more workers bring? One run of each job by 1, 2 and 4 of Celery's, on PostgreSQL.

    .venv/bin/python -m benchmarks.celery --professionals 200000 --rounds 3

Every round starts from a fresh copy of the same database, the plain command and the workers by
turns; the run's own seconds count, from its start to its end. Behind the times stands how much
faster than the command that is. Workers and PostgreSQL share this machine's cores.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.engines import Engine, bare_connection, fresh_copy, manage, opened
from benchmarks.seeding import seed
from tests.workers import Workers, throwaway_redis

WORKERS = (1, 2, 4)
MOST_SECONDS = 600

TOOK = "SELECT EXTRACT(EPOCH FROM finished_at - started_at), success_count FROM credits_jobrun"


def alone_by(engine: Engine, command: str, count: int) -> float:
    """Let the plain command do a job; return its own seconds."""
    with fresh_copy(engine) as name:
        result = json.loads(manage(engine, name, command, "--json", "-v0"))
        if result["succeeded"] != count:
            raise SystemExit(f"{command} did {result['succeeded']} of {count}.")
        return float(result["seconds"])


def shared(engine: Engine, broker: str, command: str, count: int, workers: int) -> float:
    """Let so many workers do a job; return the seconds of its run."""
    with fresh_copy(engine) as name, tempfile.TemporaryDirectory() as directory:
        started = Workers(
            broker,
            Path(directory, "log"),
            database=engine.url(name),
            settings=os.environ["DJANGO_SETTINGS_MODULE"],
        )
        try:
            started.start(workers)
            started.send("credits.run_job", command)
            seconds = wait_for_end(engine, name, command, count)
        finally:
            started.end()
        manage(engine, name, "verify_credits", "-v0")
        return seconds


def wait_for_end(engine: Engine, name: str, command: str, count: int) -> float:
    """Return the seconds of the run when it is over."""
    deadline = time.monotonic() + MOST_SECONDS
    with closing(bare_connection(engine.url(name))) as connection:
        while time.monotonic() < deadline:
            time.sleep(0.2)
            found = connection.execute(
                f"{TOOK} WHERE job = %s AND finished_at IS NOT NULL", [command]
            ).fetchone()
            if found is not None:
                seconds, done = found
                if done != count:
                    raise SystemExit(f"{command} did {done} of {count}.")
                return float(seconds)
    raise SystemExit(f"{command} has not ended in {MOST_SECONDS} s.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--professionals", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.testing")

    heads = "".join(f"{f'{number} workers':>18}" for number in WORKERS)
    print(f"{'job':<22} {'count':>9} {'command':>9}{heads}")  # noqa: T201
    with opened("postgresql") as engine, throwaway_redis() as broker:
        # All lots are due: the workers' clocks show today.
        seed(engine, options.professionals, late="2026-11-02 00:00:30")
        for command, count in (
            ("reset_monthly_credits", options.professionals - options.professionals // 5),
            ("expire_credits", options.professionals),
        ):
            times: dict[int, list[float]] = {number: [] for number in (0, *WORKERS)}
            for _ in range(options.rounds):
                times[0].append(alone_by(engine, command, count))
                for number in WORKERS:
                    times[number].append(shared(engine, broker, command, count, number))
            alone = statistics.median(times[0])
            cells = ""
            for number in WORKERS:
                seconds = statistics.median(times[number])
                ratio = statistics.median(
                    plain / own for plain, own in zip(times[0], times[number], strict=True)
                )
                cells += f"{seconds:9.2f} s {ratio:5.2f}x"
            print(  # noqa: T201
                f"{command:<22} {count:>9,} {alone:7.2f} s{cells}", flush=True
            )


if __name__ == "__main__":
    main()
