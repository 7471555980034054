"""
How long does each page of the admin take? Asked in-process, on what ``benchmarks.fill`` made.

    .venv/bin/python -m benchmarks.admin --database-url sqlite:////tmp/marketplace.sqlite3

Each page is asked once to warm up and five times for the median. The dashboard has 100 ms, every
other page 300; the exit code is 1 where one takes longer.
"""

import argparse
import os
import statistics
import sys
import time
from typing import Any

BUDGET, DASHBOARD_BUDGET = 300, 100

ROUNDS = 5


def pages(middle: int, month: str) -> dict[str, str]:
    """Return the pages by name: lists, searches, filters, combinations, and rows' own pages."""
    root = "/admin/credits/"
    transactions, balances = f"{root}credittransaction/", f"{root}creditbalance/"
    of_type, of_pool = f"{transactions}?transaction_type__exact=", "credit_type__exact="
    types = ("purchase", "spend", "refund", "bonus", "monthly_reset", "expiry", "adjustment")
    return {
        "dashboard": root,
        "balances": balances,
        "balances, page 50": f"{balances}?p=50",
        "balances, by e-mail": f"{balances}?q=pro{middle}@example.com",
        "balances, by id": f"{balances}?q={middle}",
        "balances, by name": f"{balances}?q=Name{middle}",
        "balances, verified": f"{balances}?verified=yes",
        "balances, not verified": f"{balances}?verified=no",
        "balances, expiring": f"{balances}?expiring=30",
        "balances, zero": f"{balances}?holding=none",
        "professional": f"{balances}{middle}/change/",
        "professional, on a date": f"{balances}{middle}/change/?on=2026-06-30",
        "transactions": transactions,
        "transactions, page 50": f"{transactions}?p=50",
        **{f"transactions, {kind}": f"{of_type}{kind}" for kind in types},
        "transactions, free": f"{transactions}?{of_pool}free",
        "transactions, paid": f"{transactions}?{of_pool}paid",
        "transactions, paid bonus": f"{of_type}bonus&{of_pool}paid",
        "transactions, free purchase": f"{of_type}purchase&{of_pool}free",
        "transactions, open lots": f"{transactions}?lot=open",
        "transactions, year and pool": f"{transactions}?month={month[:4]}&{of_pool}paid",
        "transactions, month": f"{transactions}?month={month}",
        "transactions, month and type": f"{of_type}spend&month={month}",
        "transactions, by e-mail": f"{transactions}?q=pro{middle}@example.com",
        "transactions, by key": f"{transactions}?q=fill:{middle}:3",
        "transactions, of one": f"{transactions}?professional__exact={middle}",
        "transaction": f"{transactions}{middle * 10 - 7}/change/",
        "runs": f"{root}jobrun/",
        "run": f"{root}jobrun/1/change/",
        "notices": f"{root}notice/",
        "notices, bounced": f"{root}notice/?status__exact=bounced",
        "notices, failed": f"{root}notice/?status__exact=failed",
        "notices, run failures": f"{root}notice/?kind__exact=run_failure",
        "notices, by address": f"{root}notice/?q=pro{middle - middle % 2}@example.com",
        "report": f"{root}monthlytotal/",
    }


def measure(client: Any, url: str) -> tuple[float, int]:
    """Return the median milliseconds of a page, and the statements it takes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        answer = client.get(url)
    # At once: the next request forgets them.
    statements = len(captured)
    if answer.status_code != 200:
        sys.exit(f"{url} answered {answer.status_code}.")
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        client.get(url)
        times.append((time.perf_counter() - started) * 1_000)
    return statistics.median(times), statements


def main() -> None:
    """Ask every page, and say which is too slow."""
    parser = argparse.ArgumentParser(description="Time the pages of the admin.")
    parser.add_argument("--database-url", required=True)
    arguments = parser.parse_args()
    os.environ["DATABASE_URL"] = arguments.database_url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.testing")
    import django

    django.setup()
    from django.test import Client
    from django.utils import timezone

    from credits.models import CreditBalance
    from homezy.models import User

    operator = User.objects.filter(is_superuser=True).first() or User.objects.create_superuser(
        "operator@homezy.example", None
    )
    client = Client()
    client.force_login(operator)
    last = CreditBalance.objects.order_by("-pk").values_list("pk", flat=True)[0]
    too_slow = 0
    for name, url in pages(last // 2, f"{timezone.now():%Y-%m}").items():
        milliseconds, statements = measure(client, url)
        is_slow = milliseconds > (DASHBOARD_BUDGET if name == "dashboard" else BUDGET)
        too_slow += is_slow
        mark = "  too slow" if is_slow else ""
        print(f"{name:<32}{milliseconds:8.0f} ms {statements:4} queries{mark}", flush=True)  # noqa: T201
    sys.exit(1 if too_slow else 0)


if __name__ == "__main__":
    main()
