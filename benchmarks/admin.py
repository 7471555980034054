"""
How long does each page of the admin take? Asked in-process, on what ``benchmarks.fill`` made.

    .venv/bin/python -m benchmarks.admin --database-url sqlite:////tmp/marketplace.sqlite3

Each page is asked once to warm up and five times for the median; then every combination of the
filters of transactions and of balances, of which the slowest are told. The dashboard has 100 ms,
every other page 300, and none may take more than 20 statements, however many rows there are: else
the exit code is 1. It takes two minutes. ``--export`` downloads the whole ledger as well, and tells
how soon it began, how fast it was, and how much memory it took.
"""

import argparse
import os
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

BUDGET, DASHBOARD_BUDGET = 300, 100

MOST_STATEMENTS = 20

ROUNDS = 5

ROOT = "/admin/credits/"
TRANSACTIONS, BALANCES, NOTICES = (
    f"{ROOT}{name}/" for name in ("credittransaction", "creditbalance", "notice")
)

TYPES = ("purchase", "spend", "refund", "bonus", "monthly_reset", "expiry", "adjustment")
POOLS = ("free", "paid")
STATUSES = ("pending", "sent", "delivered", "bounced", "complained", "parked", "failed")
KINDS = ("reset", "expiry_warning", "expiry_receipt", "run_failure")


def pages(samples: dict[str, Any]) -> dict[str, str]:
    """Return the pages by name: lists, searches, drill-downs, rows' own pages."""
    pro, busy, row, run = (samples[name] for name in ("pro", "busy", "row", "run"))
    month, ended = samples["month"], samples["ended"]
    of_one = f"{TRANSACTIONS}?professional__exact="
    # As the dashboard's chart of what expires has it.
    expiring = {
        "remaining_amount__gt": 0,
        "expires_at__gte": f"{samples['soon']:%Y-%m-01 00:00:00+00:00}",
        "expires_at__lt": f"{samples['later']:%Y-%m-01 00:00:00+00:00}",
    }
    searches = {
        "by e-mail": pro.email,
        "by id": pro.pk,
        "by a first name": pro.first_name,
        "by a last name": pro.last_name,
        "by whole name": f"{pro.first_name} {pro.last_name}",
        "by business": pro.business_name,
        "by nobody's name": "Zzyzx",
    }
    return {
        "dashboard": ROOT,
        "balances": BALANCES,
        "balances, last page": f"{BALANCES}?p={samples['last']}",
        **{f"balances, {name}": f"{BALANCES}?q={term}" for name, term in searches.items()},
        "professional": f"{BALANCES}{pro.pk}/change/",
        "professional, on a date": f"{BALANCES}{pro.pk}/change/?on={month}-01",
        "professional, busy": f"{BALANCES}{busy.pk}/change/",
        "transactions": TRANSACTIONS,
        "transactions, last page": f"{TRANSACTIONS}?p={samples['last']}",
        "transactions, by e-mail": f"{TRANSACTIONS}?q={pro.email}",
        "transactions, by id": f"{TRANSACTIONS}?q={row.pk}",
        "transactions, by key": f"{TRANSACTIONS}?q={row.idempotency_key}",
        "transactions, of one": f"{of_one}{pro.pk}",
        "transactions, of one, busy": f"{of_one}{busy.pk}",
        "transactions, expiring": f"{TRANSACTIONS}?{urlencode(expiring)}",
        "transactions, month": f"{TRANSACTIONS}?month={month}",
        "transactions, month that ended": f"{TRANSACTIONS}?month={ended}",
        "transactions, year": f"{TRANSACTIONS}?month={month[:4]}",
        "transaction": f"{TRANSACTIONS}{row.pk}/change/",
        "runs": f"{ROOT}jobrun/",
        "run": f"{ROOT}jobrun/{run.pk}/change/",
        "notices": NOTICES,
        "notices, last page": f"{NOTICES}?p={samples['last']}",
        **{f"notices, {kind}": f"{NOTICES}?kind__exact={kind}" for kind in KINDS},
        **{f"notices, {status}": f"{NOTICES}?status__exact={status}" for status in STATUSES},
        "notices, by address": f"{NOTICES}?q={pro.email}",
        "report": f"{ROOT}monthlytotal/",
    }


def combinations(samples: dict[str, Any]) -> list[str]:
    """Return the addresses of every combination of the filters of the two long lists."""
    of_transactions = product(
        ("", *(f"transaction_type__exact={kind}" for kind in TYPES)),
        ("", *(f"credit_type__exact={pool}" for pool in POOLS)),
        ("", f"month={samples['month']}", f"month={samples['ended']}", "month=2020"),
        ("", "lot=open"),
    )
    of_balances = product(
        ("", "verified=yes", "verified=no"), ("", "expiring=30"), ("", "holding=none")
    )
    return [f"{TRANSACTIONS}?{'&'.join(filter(None, asked))}" for asked in of_transactions] + [
        f"{BALANCES}?{'&'.join(filter(None, asked))}" for asked in of_balances
    ]


@dataclass(frozen=True)
class Cost:
    """What one page takes."""

    milliseconds: float
    """Median of what a user waits."""

    busy: float
    """Milliseconds of a processor, here and in PostgreSQL: what it takes on an idle machine."""

    statements: int

    def tell(self, name: str) -> bool:
        """Print one line; say whether the page is too slow or asks too much."""
        is_slow = self.milliseconds > (DASHBOARD_BUDGET if name == "dashboard" else BUDGET)
        asks_much = self.statements > MOST_STATEMENTS
        mark = "  too slow" * is_slow + "  too many" * asks_much
        print(  # noqa: T201
            f"{name:<64}{self.milliseconds:6.0f} ms {self.busy:6.0f} ms busy"
            f" {self.statements:4} queries{mark}",
            flush=True,
        )
        return is_slow or asks_much


def measure(client: Any, url: str, *, rounds: int = ROUNDS) -> Cost:
    """Ask a page once to count its statements, then some times for its cost."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        answer = client.get(url)
    # At once: the next request forgets them.
    statements = len(captured)
    if answer.status_code != 200:
        sys.exit(f"{url} answered {answer.status_code}.")
    times, busy = [], seconds_busy()
    for _ in range(rounds):
        started = time.perf_counter()
        client.get(url)
        times.append((time.perf_counter() - started) * 1_000)
    busy = (seconds_busy() - busy) * 1_000 / rounds
    return Cost(statistics.median(times), busy, statements)


def seconds_busy() -> float:
    """Return the seconds of a processor that this process took, and PostgreSQL for it."""
    from django.db import connection

    seconds = time.process_time()
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        stat = Path(f"/proc/{connection.connection.info.backend_pid}/stat")
        if stat.exists():
            # Fields 14 and 15, after the name in brackets: in user mode and in the kernel.
            user, kernel = stat.read_text().rpartition(")")[2].split()[11:13]
            seconds += (int(user) + int(kernel)) / os.sysconf("SC_CLK_TCK")
    return seconds


def export(client: Any, query: str) -> None:
    """Download transactions as a spreadsheet would, and print what it took."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    answer = client.get(f"{TRANSACTIONS}export/{query}")
    lines, size, first = -1, 0, 0.0
    for piece in answer.streaming_content:
        first = first or time.perf_counter() - started
        lines += piece.count(b"\n")
        size += len(piece)
    seconds = time.perf_counter() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(  # noqa: T201
        f"export{query}: {lines:,} rows, {size / 1e6:,.0f} MB in {seconds:.0f} s"
        f" ({lines / seconds:,.0f} a second), the first byte after {first * 1_000:.0f} ms,"
        f" {grown / 1_024:.0f} MB of memory more"
    )


def samples_of() -> dict[str, Any]:
    """Return the rows and moments that the pages are asked about."""
    from django.utils import timezone

    from credits.models import CreditBalance, CreditTransaction, JobRun
    from credits.periods import add_months
    from homezy.models import User

    now = timezone.now()
    balances = CreditBalance.objects.order_by("-pk")
    middle = balances.filter(pk__lte=balances[0].pk // 2)[0].pk
    return {
        "last": max(min(CreditBalance.objects.count(), 10_000) // 50, 1),
        "pro": User.objects.get(pk=middle),
        "busy": User.objects.get(email="buyer@example.com"),
        "row": CreditTransaction.objects.filter(
            professional_id=middle, idempotency_key__isnull=False
        ).latest("pk"),
        "run": JobRun.objects.order_by("-error_count")[0],
        "month": f"{now:%Y-%m}",
        "ended": f"{add_months(now, -2):%Y-%m}",
        "soon": add_months(now, 1),
        "later": add_months(now, 2),
    }


def main() -> None:
    """Ask every page, and say which is too slow."""
    parser = argparse.ArgumentParser(description="Time the pages of the admin.")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--export", action="store_true", help="download the ledger, too")
    arguments = parser.parse_args()
    os.environ["DATABASE_URL"] = arguments.database_url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.testing")
    import django

    django.setup()
    from django.test import Client

    from homezy.models import User

    client = Client()
    client.force_login(User.objects.filter(is_superuser=True)[0])
    samples = samples_of()
    bad = sum(measure(client, url).tell(name) for name, url in pages(samples).items())
    combined = {url: measure(client, url, rounds=3) for url in combinations(samples)}
    slowest = sorted(combined, key=lambda url: combined[url].milliseconds, reverse=True)
    print(f"of {len(combined)} combinations of filters, the slowest:")  # noqa: T201
    for place, url in enumerate(slowest):
        if place < 10 or combined[url].milliseconds > BUDGET:
            bad += combined[url].tell(url.removeprefix(ROOT))
    if arguments.export:
        for query in ("", f"?month={samples['ended']}&transaction_type__exact=spend"):
            export(client, query)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
