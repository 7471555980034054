"""
Fill an empty database with a marketplace: ten transactions for each professional, books in order.

    .venv/bin/python -m benchmarks.fill --professionals 1000000 --database-url postgresql://…

Every professional lives one of two lives, told below row by row and copied by the database: three
in ten hold an open lot, which expires within the next six months.
"""

import argparse
import os
import sys
import time

STEPS = 10

# step, type, pool, amount, granted, remaining, price, remaining price, months ago, before, after,
# months from then to its expiry, step of its origin
BOTH = """
    (1, 'bonus', 'free', 100, 0, 0, NULL, NULL, 12, 0, 100, NULL, NULL),
    (2, 'purchase', 'paid', 50, 50, 0, 250, 0, 11, 100, 150, 5, NULL),
    (3, 'spend', 'free', -100, 0, 0, NULL, NULL, 10, 150, 50, NULL, NULL),
    (4, 'spend', 'paid', -20, 0, 0, NULL, NULL, 9, 50, 30, NULL, NULL),
    (5, 'monthly_reset', 'free', 100, 0, 0, NULL, NULL, 6, 30, 130, NULL, NULL),
    (6, 'expiry', 'paid', -30, 0, 0, NULL, NULL, 5, 130, 100, NULL, 2),
    (7, 'spend', 'free', -40, 0, 0, NULL, NULL, 4, 100, 60, NULL, NULL),
"""
HOLDER = """
    (8, 'purchase', 'paid', 40, 40, 40, 200, 200, 3, 60, 100, 6, NULL),
    (9, 'refund', 'free', 10, 0, 0, NULL, NULL, 2, 100, 110, NULL, 7),
    (10, 'monthly_reset', 'free', 30, 0, 0, NULL, NULL, 0, 110, 140, NULL, NULL)
"""
SPENDER = """
    (8, 'bonus', 'free', 40, 0, 0, NULL, NULL, 3, 60, 100, NULL, NULL),
    (9, 'refund', 'free', 10, 0, 0, NULL, NULL, 2, 100, 110, NULL, 7),
    (10, 'monthly_reset', 'free', -10, 0, 0, NULL, NULL, 0, 110, 100, NULL, NULL)
"""

USERS = """
INSERT INTO homezy_user (id, email, password, role, verification, business_name, first_name,
    last_name, language, time_zone, is_active, is_staff, is_superuser, date_joined)
SELECT n, 'pro' || n || '@example.com', '', 'pro',
    CASE WHEN n % 20 = 0 THEN 'pending' ELSE 'basic' END, 'Company ' || n, 'Name' || n,
    'Family' || (n % 1000), 'en', 'Asia/Dubai', TRUE, FALSE, FALSE, '2025-01-01 00:00:00+00:00'
FROM numbers
"""

LEDGER = """
INSERT INTO credits_credittransaction (id, professional_id, transaction_type, credit_type, amount,
    granted_amount, remaining_amount, price, remaining_price, currency, expires_at, balance_before,
    balance_after, description, metadata, idempotency_key, origin_id, created_at)
SELECT (n - 1) * 10 + step, n, kind, pool, amount, granted, remaining, price, remaining_price,
    CASE WHEN price IS NULL THEN '' ELSE 'AED' END, {expires_at}, before_, after_, 'Filled', '{{}}',
    CASE WHEN kind = 'monthly_reset' THEN 'reset:' || {month} || ':' || n
        ELSE 'fill:' || n || ':' || step END,
    CASE WHEN origin IS NULL THEN NULL ELSE (n - 1) * 10 + origin END, {created_at}
FROM numbers CROSS JOIN story ORDER BY n, step
"""

ALLOCATIONS = """
INSERT INTO credits_creditallocation (lot_id, transaction_id, amount, price)
SELECT (n - 1) * 10 + 2, (n - 1) * 10 + step, amount, amount * 5
FROM numbers CROSS JOIN (SELECT 4 AS step, -20 AS amount UNION ALL SELECT 6, -30) drawn
ORDER BY n, step
"""

BALANCES = """
INSERT INTO credits_creditbalance (professional_id, free_credits, paid_credits, lifetime_earned,
    lifetime_spent, lifetime_expired, last_reset_period)
SELECT n, 100, CASE WHEN n % 10 < 3 THEN 40 ELSE 0 END, CASE WHEN n % 10 < 3 THEN 320 ELSE 290 END,
    150, CASE WHEN n % 10 < 3 THEN 30 ELSE 40 END, '{month}' FROM numbers
"""

RUNS = """
INSERT INTO credits_jobrun (job, period, as_of, status, trigger, is_whole, started_at, heartbeat_at,
    finished_at, host, process_id, chunk_count, total_count, success_count, error_count,
    credits_granted, credits_expired, notices_staged, error_summary)
SELECT job, '', {at}, 'succeeded', 'command', TRUE, {at}, {at}, {end}, 'web-1', 1, 1, 0, 0, 0, 0, 0,
    0, '' FROM numbers CROSS JOIN (SELECT 'expire_credits' AS job UNION ALL
    SELECT 'reset_monthly_credits') jobs WHERE n <= 60 ORDER BY n DESC
"""

NOTICES = """
INSERT INTO credits_notice (kind, key, professional_id, context, address, language, status, reason,
    attempts, next_attempt_at, message_id, created_at, sent_at)
SELECT 'reset', 'fill:' || n, n, '{{}}', 'pro' || n || '@example.com', 'en',
    CASE WHEN n % 50 = 0 THEN 'bounced' WHEN n % 100 = 2 THEN 'failed' ELSE 'delivered' END, '', 1,
    {now}, 'message-' || n, {now}, {now} FROM numbers WHERE n % 2 = 0
"""

MOMENTS = {
    "sqlite": {
        # Spread over the month, as text in Django's own form.
        "created_at": "MIN(strftime('%Y-%m-%d %H:%M:%S', 'now', 'start of month',"
        " '-' || ago || ' months', '+' || (n * 37 % 1900000) || ' seconds'),"
        " strftime('%Y-%m-%d %H:%M:%S', 'now'))",
        "expires_at": "CASE WHEN months IS NULL THEN NULL WHEN step = 2 THEN strftime("
        "'%Y-%m-%d %H:%M:%S', 'now', 'start of month', '-6 months') ELSE strftime("
        "'%Y-%m-%d %H:%M:%S', 'now', '+' || (n * 61 % 15000000 + 3600) || ' seconds') END",
        "month": "strftime('%Y-%m', 'now', 'start of month', '-' || ago || ' months')",
        "at": "strftime('%Y-%m-%d %H:%M:%S', 'now', '-' || n || ' days')",
        "end": "strftime('%Y-%m-%d %H:%M:%S', 'now', '-' || n || ' days', '+' || (n % 40) ||"
        " ' seconds')",
        "now": "strftime('%Y-%m-%d %H:%M:%S', 'now')",
    },
    "postgresql": {
        "created_at": "LEAST(now(), date_trunc('month', now()) - ago * interval '1 month'"
        " + (n * 37 % 1900000) * interval '1 second')",
        "expires_at": "CASE WHEN months IS NULL THEN NULL WHEN step = 2 THEN"
        " date_trunc('month', now()) - interval '6 months'"
        " ELSE now() + (n * 61 % 15000000 + 3600) * interval '1 second' END",
        "month": "to_char(date_trunc('month', now()) - ago * interval '1 month', 'YYYY-MM')",
        "at": "now() - n * interval '1 day'",
        "end": "now() - n * interval '1 day' + (n % 40) * interval '1 second'",
        "now": "now()",
    },
}

NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
    " WHERE n < {count})",
    "postgresql": "WITH numbers(n) AS (SELECT n::bigint FROM generate_series(1, {count}) n)",
}

STORY = (
    ", story(step, kind, pool, amount, granted, remaining, price, remaining_price, ago, before_,"
    " after_, months, origin) AS (VALUES {rows})"
)


def fill(professionals: int) -> None:
    """Fill the configured database; it must hold nobody yet."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from credits.engine.totals import roll_up

    call_command("migrate", verbosity=0)
    if get_user_model().objects.exists():
        sys.exit("This database holds people already: name an empty one with --database-url.")
    vendor = connection.vendor
    numbers = NUMBERS[vendor].format(count=professionals)
    moments = MOMENTS[vendor]
    month = f"{timezone.now():%Y-%m}"
    statements = [("users", numbers + USERS)]
    for name, story, which in (
        ("holders", BOTH + HOLDER, "n % 10 < 3"),
        ("spenders", BOTH + SPENDER, "n % 10 >= 3"),
    ):
        ledger = LEDGER.format(**moments).replace("ORDER BY", f"WHERE {which} ORDER BY")
        statements.append((name, numbers + STORY.format(rows=story) + ledger))
    statements += [
        ("allocations", numbers + ALLOCATIONS),
        ("balances", numbers + BALANCES.format(month=month)),
        ("runs", numbers + RUNS.format(**moments)),
        ("notices", numbers + NOTICES.format(**moments)),
    ]
    with connection.cursor() as cursor:
        for name, statement in statements:
            started = time.perf_counter()
            if vendor == "sqlite":
                # WITH stands before INSERT there; in PostgreSQL too.
                cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.execute(statement)
            print(f"{name:<12} {time.perf_counter() - started:6.1f} s", flush=True)  # noqa: T201
        if vendor == "postgresql":
            for table in ("homezy_user", "credits_credittransaction"):
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) FROM {table}"
                )
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("ANALYZE")
    print(f"counted {roll_up(using='default'):,} transactions")  # noqa: T201


def main() -> None:
    """Read the arguments, then fill."""
    parser = argparse.ArgumentParser(description="Fill an empty database with a marketplace.")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--professionals", type=int, default=100_000)
    arguments = parser.parse_args()
    os.environ["DATABASE_URL"] = arguments.database_url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.testing")
    import django

    django.setup()
    fill(arguments.professionals)


if __name__ == "__main__":
    main()
