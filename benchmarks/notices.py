"""
How fast are notices? Staging against one raw statement, then the way from pending to handed over.

    .venv/bin/python -m benchmarks.notices --professionals 1000000 --rounds 3 --sent 5000

Staging promises a warning to every professional. Sending uses Django's in-memory backend, so what
is left is ours: the table says where the time goes. PostgreSQL runs without fsync, SQLite with it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.jobs import ROOT, Engine, PostgreSQL, SQLite, floor, fresh_copy, seed
from tests.plugins.postgres import throwaway_cluster

AS_OF = "2026-10-28T08:00:00+00:00"
UNTIL = "2026-11-04T08:00:00+00:00"

WARNING_FLOOR = (
    f"""
    INSERT INTO credits_notice (kind, key, professional_id, run_id, context, address, language,
        status, reason, attempts, next_attempt_at, message_id, created_at)
    SELECT 'expiry_warning', 'expiry_warning:2026-11-01:7:' || professional_id, professional_id,
        NULL, {{json}}('day', '2026-11-01', 'lead', 7, 'credits', SUM(remaining_amount)), '', '',
        'pending', '', 0, '{AS_OF}', '', '{AS_OF}'
    FROM credits_credittransaction
    WHERE remaining_amount > 0 AND expires_at > '{AS_OF}' AND expires_at < '{UNTIL}'
    GROUP BY professional_id
    """,
)


def worker(engine: Engine, database: str, task: str, count: int) -> dict[str, Any]:
    """Do one task in a process of its own; return what it measured."""
    environment = os.environ | {
        "DATABASE_URL": engine.url(database),
        "DJANGO_SETTINGS_MODULE": "settings.testing",
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.notices", "--task", task, "--sent", str(count)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{task} failed on {engine.name}:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def stage() -> dict[str, Any]:
    """Stage every warning that is due."""
    from credits.jobs.notices import stage_expiry_warnings

    begin = time.perf_counter()
    count = stage_expiry_warnings(as_of=datetime.fromisoformat(AS_OF))
    return {"count": count, "seconds": time.perf_counter() - begin}


def send(count: int) -> dict[str, Any]:
    """Stage warnings, send ``count`` of them and say where the time went."""
    from django.core import mail

    from credits.notices import claiming, sending
    from credits.notices.handing_over import Mailer
    from credits.notices.pacing import Pace

    spent: dict[str, float] = {}

    def timed(place: Any, name: str, label: str) -> None:
        act: Callable[..., Any] = getattr(place, name)

        def measured(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            try:
                return act(*args, **kwargs)
            finally:
                spent[label] = spent.get(label, 0) + time.perf_counter() - begin

        setattr(place, name, measured)

    timed(claiming, "claim", "claim")
    timed(claiming, "waiting_beside", "look for others")
    timed(sending, "recipient_for", "recipient")
    timed(sending, "why_not", "suppression")
    timed(sending, "compose", "compose")
    timed(claiming, "begin", "mark, COMMIT")
    timed(Mailer, "hand_over", "hand over")
    timed(claiming, "end_sent", "record, COMMIT")

    stage()
    sent = 0

    def forget(done: int) -> None:
        nonlocal sent
        # What the in-memory backend keeps would be all the memory there is.
        sent += len(mail.outbox)
        mail.outbox.clear()

    mail.outbox = []
    as_of = datetime.fromisoformat(AS_OF)
    begin, used = time.perf_counter(), time.process_time()
    sender = sending.Sender(
        Mailer(),
        clock=lambda: as_of + timedelta(seconds=time.perf_counter() - begin),
        pace=Pace(1_000_000),
        using="default",
        progress=forget,
    )
    sender.send_due(limit=count)
    seconds = time.perf_counter() - begin
    if sent != count:
        raise SystemExit(f"{sent} of {count} were handed over: {sender.counts}")
    return {
        "count": sent,
        "seconds": seconds,
        "cpu": time.process_time() - used,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "spent": spent | {"the rest": seconds - sum(spent.values())},
    }


def measure(engine: Engine, professionals: int, rounds: int, sent: int) -> None:
    """Print the figures of one engine."""
    seed(engine, professionals)
    pairs = []
    for _ in range(rounds):
        least = floor(engine, WARNING_FLOOR)
        with fresh_copy(engine) as name:
            ours = worker(engine, name, "stage", 0)
        if ours["count"] != professionals:
            raise SystemExit(f"{ours['count']} of {professionals} were promised.")
        pairs.append((least, ours["seconds"]))
    ratio = statistics.median(seconds / least for least, seconds in pairs)
    least, seconds = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(  # noqa: T201
        f"{engine.name:<11} stage {professionals:>9,}: floor {least:.2f} s, job {seconds:.2f} s,"
        f" ratio {ratio:.2f}x",
        flush=True,
    )
    for count in (sent, 4 * sent):
        with fresh_copy(engine) as name:
            done = worker(engine, name, "send", count)
        parts = sorted(done["spent"].items(), key=lambda part: -part[1])
        each = done["cpu"] / count * 1000
        shares = ", ".join(f"{name} {took / done['seconds']:.0%}" for name, took in parts)
        print(  # noqa: T201
            f"{engine.name:<11} send  {count:>9,}: {count / done['seconds']:,.0f} a second,"
            f" {each:.1f} ms of processor each, {done['memory']:.0f} MB; {shares}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--professionals", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sent", type=int, default=2_000)
    parser.add_argument("--task", choices=["stage", "send"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        import django

        django.setup()
        result = stage() if options.task == "stage" else send(options.sent)
        print(json.dumps(result))  # noqa: T201
        return
    with tempfile.TemporaryDirectory() as directory:
        measure(SQLite(Path(directory)), options.professionals, options.rounds, options.sent)
    with throwaway_cluster() as server:
        measure(PostgreSQL(server), options.professionals, options.rounds, options.sent)


if __name__ == "__main__":
    main()
