"""
Years in minutes: what is due at any hour of them, whatever the clock and the host do.

The present is told to the app, as the database tells it in earnest. Every month of the calendar
must have one reset or one word that it was missed, every lot must expire once and never early. The
control is the original's schedule: each job at its minute, when the host is up.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from dateutil.relativedelta import relativedelta
from django.db import connection
from django.test import override_settings

from credits.jobs.run_due import run_due_credit_jobs
from credits.models import CreditTransaction, JobRun, TransactionType
from credits.monitoring import watchers
from credits.periods import period_of
from credits.signals import jobs_checked
from proof.findings import Finding
from proof.stage import clear
from tests.books import broken_invariants
from tests.factories import buy, make_professionals

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

WATCHERS = "credits.watchers"


def years(count: int, *, seed: int, begin: datetime = BEGIN) -> Finding:
    """Live ``count`` years: checks day and night, outages, clocks that jump, people who buy."""
    begun = time.monotonic()
    end = begin + relativedelta(years=count)
    chance = random.Random(f"{seed} years")
    clear()
    people = make_professionals(3)
    checks = 0
    down: list[tuple[datetime, datetime]] = []
    with only_jobs():
        for as_of in _moments(begin, end, chance, down):
            checks += 1
            run_due_credit_jobs(as_of=as_of)
            if not chance.randrange(40):
                buy(chance.choice(people), chance.randint(1, 50), at=as_of)
        complaints = [*_judge_months(begin, end, down), *_judge_lots(end)]
    complaints += [f"{name} is broken by {number}" for name, number in broken_invariants().items()]
    runs = JobRun.objects.count()
    control_bad = _missed_by_cron(begin, end, down)
    clear()
    return Finding(
        experiment="time: years",
        engine=connection.vendor,
        trials=checks,
        trial="checks",
        complaints=tuple(complaints),
        control_trials=12 * count,
        control_bad=control_bad,
        seconds=time.monotonic() - begun,
        remarks=f"{begin.year} to {end.year - 1}, {len(down)} outages, {runs:,} runs recorded",
    )


def _moments(
    begin: datetime,
    end: datetime,
    chance: random.Random,
    down: list[tuple[datetime, datetime]],
) -> Iterator[datetime]:
    """Yield when somebody asks: day and night, after outages, by clocks that were set back."""
    now, days_in_all = begin, (end - begin).days
    # One of 45 days over a whole month, and two a year of a week, some of them over the 1st.
    planned = [(begin + timedelta(days=100), 45)]
    planned += [
        (begin + timedelta(days=chance.randrange(200, days_in_all)), 7)
        for _ in range(days_in_all // 182)
    ]
    for since, days in sorted(planned):
        if since > now and since + timedelta(days=days) < end:
            yield from _steps(now, since, chance)
            now = since + timedelta(days=days)
            down.append((since, now))
    yield from _steps(now, end, chance)


def _steps(now: datetime, end: datetime, chance: random.Random) -> Iterator[datetime]:
    while now < end:
        yield now
        if not chance.randrange(200):
            # A clock that was wrong for a moment: back by a day, then right again.
            yield now - timedelta(days=1)
        # Every few hours where a month turns; elsewhere a day is as good as the next.
        hours = (2, 10) if now.day == 1 or (now + timedelta(days=1)).day == 1 else (8, 32)
        now += timedelta(hours=chance.randrange(*hours), seconds=chance.randrange(3600))


def _judge_months(
    begin: datetime, end: datetime, down: list[tuple[datetime, datetime]]
) -> Iterator[str]:
    """Each month has one whole reset, or one word that it was missed if it passed in an outage."""
    resets = JobRun.objects.filter(job=JobRun.Job.RESET)
    by_period = Counter(resets.values_list("period", "status"))
    for first in _firsts(begin, end):
        next_first = first + relativedelta(months=1)
        was_down = any(since <= first and next_first <= until for since, until in down)
        wanted = JobRun.Status.MISSED if was_down else JobRun.Status.SUCCEEDED
        for status in (JobRun.Status.SUCCEEDED, JobRun.Status.MISSED):
            found = by_period[period_of(first), status.value]
            if found != (status == wanted):
                yield f"{period_of(first)} was {status} {found} times"
    early = [
        run
        for run in resets.filter(status=JobRun.Status.SUCCEEDED)
        if run.period > period_of(run.as_of)
    ]
    if early:
        yield f"{len(early)} resets were early"


def _judge_lots(end: datetime) -> Iterator[str]:
    lots = CreditTransaction.objects.filter(transaction_type=TransactionType.PURCHASE)
    for lot in lots:
        written_off = [
            row.created_at
            for row in CreditTransaction.objects.filter(
                origin=lot, transaction_type=TransactionType.EXPIRY
            )
        ]
        assert lot.expires_at is not None
        if any(at < lot.expires_at for at in written_off):
            yield f"lot {lot.pk} was written off before its expiry"
        # 46 days: nobody was there for 45.
        should = lot.expires_at + timedelta(days=46) < end
        if len(written_off) > 1 or (should and not written_off):
            yield f"lot {lot.pk} was written off {len(written_off)} times"


def _missed_by_cron(begin: datetime, end: datetime, down: list[tuple[datetime, datetime]]) -> int:
    """Return in how many months the original's cron, on the same host, would have reset nobody."""
    minutes = [first + timedelta(minutes=1) for first in _firsts(begin, end)]
    return sum(any(since <= minute < until for since, until in down) for minute in minutes)


def _firsts(begin: datetime, end: datetime) -> list[datetime]:
    months = 12 * (end.year - begin.year)
    return [begin + relativedelta(months=number) for number in range(months)]


@contextmanager
def only_jobs() -> Iterator[None]:
    """Nobody to write to or to tell: ten years of mails and alerts are not what this is about."""
    jobs_checked.disconnect(dispatch_uid=WATCHERS)
    try:
        with override_settings(
            ADMINS=[], EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"
        ):
            yield
    finally:
        jobs_checked.connect(watchers.jobs_checked, dispatch_uid=WATCHERS)
