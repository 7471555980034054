"""
How fast are notices sent? The way from pending to handed over, and where the time goes on it.

    python -m benchmarks.sending --professionals 20000 --sent 2000

Sending uses Django's in-memory backend, so what is left is ours. PostgreSQL runs without fsync,
SQLite with it. What promising costs is measured by ``python -m benchmarks --only warnings``.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from benchmarks.engines import Engine, ask_json, fresh_copy, opened
from benchmarks.seeding import WARNED, seed

AS_OF = datetime.fromisoformat(f"{WARNED}+00:00")


def send(count: int) -> dict[str, Any]:
    """Stage warnings, send ``count`` of them and say where the time went."""
    from django.core import mail

    from credits.jobs.notices import stage_expiry_warnings
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

    stage_expiry_warnings(as_of=AS_OF)
    sent = 0

    def forget(done: int) -> None:
        nonlocal sent
        # What the in-memory backend keeps would be all the memory there is.
        sent += len(mail.outbox)
        mail.outbox.clear()

    mail.outbox = []
    begin, used = time.perf_counter(), time.process_time()
    sender = sending.Sender(
        Mailer(),
        clock=lambda: AS_OF + timedelta(seconds=time.perf_counter() - begin),
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


def measure(engine: Engine, professionals: int, sent: int) -> None:
    """Print the figures of one engine."""
    seed(engine, professionals)
    for count in (sent, 4 * sent):
        with fresh_copy(engine) as name:
            done = ask_json(engine, name, "-m", "benchmarks.sending", "--send", str(count))
        parts = sorted(done["spent"].items(), key=lambda part: -part[1])
        each = done["cpu"] / count * 1000
        shares = ", ".join(f"{name} {took / done['seconds']:.0%}" for name, took in parts)
        print(  # noqa: T201
            f"{engine.name:<11} send  {count:>9,}: {count / done['seconds']:,.0f} a second,"
            f" {each:.1f} ms of processor each, {done['memory']:.0f} MB; {shares}",
            flush=True,
        )


def main() -> None:
    """Measure both engines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--professionals", type=int, default=20_000)
    parser.add_argument("--sent", type=int, default=2_000)
    parser.add_argument("--send", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        import django

        django.setup()
        print(json.dumps(send(options.send)))  # noqa: T201
        return
    if 4 * options.sent > options.professionals * 9 // 10:
        parser.error("there are notices for nine in ten professionals: --sent 4 times is too many")
    for key in ("sqlite", "postgresql"):
        with opened(key) as engine:
            measure(engine, options.professionals, options.sent)


if __name__ == "__main__":
    main()
