"""
How fast is the ledger sealed and verified? In transactions a second, on a database that was filled.

    .venv/bin/python -m benchmarks.fill --professionals 100000 --database-url postgresql://…
    .venv/bin/python -m benchmarks.seals --database-url postgresql://…

The first seal covers all that is there; verifying it reads the same again.
"""

import argparse
import os
import resource
import time


def measure() -> None:
    """Seal what is not sealed yet, then verify every seal."""
    from django.conf import settings
    from django.utils import timezone

    from credits.engine.seals import check_seals
    from credits.jobs.sealing import seal_days

    now = timezone.now()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    seal = seal_days(as_of=now)
    sealing = time.perf_counter() - started
    started = time.perf_counter()
    report = check_seals(keys=[settings.CREDITS["SEAL_KEY"]], as_of=now, using="default")
    verifying = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if seal is not None:
        told("sealed", seal.transaction_count, sealing)
    told("verified", report.transactions, verifying)
    print(f"breaches {len(report.breaches)}, memory grew by {grown:.0f} MB")  # noqa: T201


def told(done: str, count: int, seconds: float) -> None:
    """Say how many transactions a second that were."""
    print(f"{done:<9} {count:>12,} in {seconds:6.1f} s: {count / seconds:>9,.0f} a second")  # noqa: T201


def main() -> None:
    """Read the arguments, then measure."""
    parser = argparse.ArgumentParser(description="Time the seals.")
    parser.add_argument("--database-url", required=True)
    os.environ["DATABASE_URL"] = parser.parse_args().database_url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.testing")
    import django

    django.setup()
    measure()


if __name__ == "__main__":
    main()
