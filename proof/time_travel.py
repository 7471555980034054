"""
Years in minutes: what is due at every hour of them, whatever clocks and crons do.

The present is told to the app, as the database tells it in earnest. Every month of the calendar
must have one reset or one word that it was missed, every lot must expire once and never early, and
warnings must come before. Cron's zones are real ones: an hour that does not exist, one that comes
twice. The control is the original's schedule: each job at its minute, when the host is up.
"""

import calendar
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from dateutil.relativedelta import relativedelta
from django.db import connection
from django.test import override_settings

from credits.exceptions import InsufficientCredits
from credits.jobs.expiry import expire_credits
from credits.jobs.named import JobName
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.run_due import run_due_credit_jobs
from credits.ledger import balance_of, spend
from credits.models import CreditTransaction, JobRun, TransactionType
from credits.monitoring import watchers
from credits.periods import period_of
from credits.signals import jobs_checked
from homezy.models import User
from proof.findings import Finding
from proof.stage import clear
from tests.books import broken_invariants
from tests.factories import buy, make_professional, make_professionals

BEGIN = datetime(2026, 1, 1, 0, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

WATCHERS = "credits.watchers"


def years(count: int, *, seed: int) -> Finding:
    """Live ``count`` years: checks every few hours, outages, clocks that jump, people who buy."""
    begun = time.monotonic()
    chance = random.Random(f"{seed} years")
    clear()
    people = make_professionals(3)
    checks = 0
    down: list[tuple[datetime, datetime]] = []
    with _only_jobs():
        for as_of in _moments(count, chance, down):
            checks += 1
            run_due_credit_jobs(as_of=as_of)
            if not chance.randrange(40):
                buy(chance.choice(people), chance.randint(1, 50), at=as_of)
        complaints = [*_judge_months(count, down), *_judge_lots(BEGIN + relativedelta(years=count))]
    complaints += [f"{name} is broken by {number}" for name, number in broken_invariants().items()]
    runs = JobRun.objects.count()
    control_bad = _missed_by_cron(count, down)
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
        remarks=f"{count} years, {len(down)} outages, {runs:,} runs recorded",
    )


def _moments(
    count: int, chance: random.Random, down: list[tuple[datetime, datetime]]
) -> Iterator[datetime]:
    """Yield when somebody asks: every few hours, after outages, by clocks that were set back."""
    now, end = BEGIN, BEGIN + relativedelta(years=count)
    # One of 45 days over a whole month, and some of a week over the 1st.
    planned = [(BEGIN + timedelta(days=100), 45)] if count > 0 else []
    planned += [
        (BEGIN + timedelta(days=chance.randrange(200, 365 * count)), 7) for _ in range(2 * count)
    ]
    for begin, days in sorted(planned):
        if begin > now and begin + timedelta(days=days) < end:
            yield from _steps(now, begin, chance)
            now = begin + timedelta(days=days)
            down.append((begin, now))
    yield from _steps(now, end, chance)


def _steps(now: datetime, end: datetime, chance: random.Random) -> Iterator[datetime]:
    while now < end:
        yield now
        if not chance.randrange(200):
            # A clock that was wrong for a moment: back by a day, then right again.
            yield now - timedelta(days=1)
        now += timedelta(hours=chance.randrange(3, 19), seconds=chance.randrange(3600))


def _judge_months(count: int, down: list[tuple[datetime, datetime]]) -> Iterator[str]:
    """Each month has one whole reset, or one word that it was missed if it passed in an outage."""
    resets = JobRun.objects.filter(job=JobRun.Job.RESET)
    by_period = Counter(resets.values_list("period", "status"))
    for number in range(12 * count):
        begin = BEGIN + relativedelta(months=number)
        end = begin + relativedelta(months=1)
        was_down = any(since <= begin and end <= until for since, until in down)
        wanted = JobRun.Status.MISSED if was_down else JobRun.Status.SUCCEEDED
        for status in (JobRun.Status.SUCCEEDED, JobRun.Status.MISSED):
            found = by_period[period_of(begin), status.value]
            if found != (status == wanted):
                yield f"{period_of(begin)} was {status} {found} times"
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


def _missed_by_cron(count: int, down: list[tuple[datetime, datetime]]) -> int:
    """Return in how many months the original's cron, on the same host, would have reset nobody."""
    firsts = [BEGIN + relativedelta(months=number, minutes=1) for number in range(12 * count)]
    return sum(any(since <= first < until for since, until in down) for first in firsts)


ZONES: dict[str, datetime] = {
    # 00:01 on 1 October did not exist: at midnight it was one o'clock.
    "America/Asuncion": datetime(2023, 9, 29, tzinfo=UTC),
    # 00:01 on 1 November comes twice: at one o'clock it is midnight again.
    "America/Havana": datetime(2026, 10, 30, tzinfo=UTC),
    # 00:01 on the 1st is still the evening of the month before.
    "Asia/Dubai": datetime(2026, 10, 30, tzinfo=UTC),
    "Pacific/Kiritimati": datetime(2026, 10, 30, tzinfo=UTC),
    "Pacific/Pago_Pago": datetime(2026, 10, 30, tzinfo=UTC),
}
DAYS = 4
"""From two days before the turn of the month to two days after it."""


def zones() -> Finding:
    """Fire cron's lines as a host in each zone would, over the turn of a month."""
    begun = time.monotonic()
    complaints: list[str] = []
    fired = control_bad = 0
    with _only_jobs():
        for zone, begin in ZONES.items():
            found, firings = _in_zone(zone, begin, with_due_check=True)
            complaints += [f"{zone}: {complaint}" for complaint in found]
            fired += firings
            control_bad += bool(_in_zone(zone, begin, with_due_check=False)[0])
    clear()
    return Finding(
        experiment="time: cron's zones",
        engine=connection.vendor,
        trials=fired,
        trial="firings",
        complaints=tuple(complaints),
        control_trials=len(ZONES),
        control_bad=control_bad,
        seconds=time.monotonic() - begun,
        remarks="the control has no due check",
    )


def _in_zone(zone: str, begin: datetime, *, with_due_check: bool) -> tuple[list[str], int]:
    clear()
    people = [make_professional(free=30, at=begin - timedelta(days=60)) for _ in range(2)]
    # An installation that is at work: last month's reset is in its history.
    reset_monthly_credits(as_of=begin - timedelta(days=5))
    for person in people:
        spend(
            professional_id=person.pk,
            amount=70,
            at=begin,
            idempotency_key=f"{zone}-{person.pk}-{with_due_check}",
        )
    lines = {JobName.RESET: "1 0 1 * *", JobName.EXPIRY: "0 2 * * *"}
    if with_due_check:
        lines[JobName.DUE] = "7-59/15 * * * *"
    firings = sorted(
        (moment, name) for name, line in lines.items() for moment in _moments_of(line, zone, begin)
    )
    for moment, name in firings:
        if name == JobName.RESET:
            reset_monthly_credits(as_of=moment)
        elif name == JobName.EXPIRY:
            expire_credits(as_of=moment)
        else:
            run_due_credit_jobs(as_of=moment)
    return [*_judge_turns(begin, people)], len(firings)


def _moments_of(line: str, zone: str, begin: datetime) -> Iterator[datetime]:
    for local in CronSim(line, begin.astimezone(ZoneInfo(zone))):
        moment = local.astimezone(UTC)
        if moment >= begin + timedelta(days=DAYS):
            return
        yield moment


def _judge_turns(begin: datetime, people: list[User]) -> Iterator[str]:
    """On the 1st, by UTC and before the day is over, everybody is reset, once."""
    turn = (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
    while turn < begin + timedelta(days=DAYS):
        for person in people:
            rows = CreditTransaction.objects.filter(
                professional=person,
                transaction_type=TransactionType.MONTHLY_RESET,
                created_at__gte=turn,
                created_at__lt=turn + timedelta(days=1),
            )
            if (count := rows.count()) != 1:
                yield f"on {turn:%Y-%m-%d} professional {person.pk} was reset {count} times"
        turn += relativedelta(months=1)


def months_without_the_day() -> Finding:
    """Buy on every date that has no same day six months later; expire a microsecond around it."""
    begun = time.monotonic()
    complaints: list[str] = []
    clear()
    days = [BEGIN + timedelta(days=number, hours=9) for number in range(365 * 4 + 1)]
    odd = [day for day in days if day.day > _length(_months_later(day))]
    with _only_jobs():
        for day in odd:
            complaints += [f"{day:%Y-%m-%d}: {complaint}" for complaint in _one_lot(day)]
    control = sum(_as_javascript(day) != _clamped(day) for day in odd)
    clear()
    return Finding(
        experiment="time: days that are not",
        engine=connection.vendor,
        trials=len(odd),
        trial="dates",
        complaints=tuple(complaints),
        control_trials=len(odd),
        control_bad=control,
        seconds=time.monotonic() - begun,
        remarks="the control is setMonth(+6)",
    )


def _one_lot(day: datetime) -> Iterator[str]:
    person = make_professional()
    lot = buy(person, 10, at=day)
    expires_at = _clamped(day)
    if lot.expires_at != expires_at:
        yield f"expires at {lot.expires_at}, not {expires_at}"
    only = [person.pk]
    if expire_credits(as_of=expires_at - MOMENT, professionals=only).success_count:
        yield "was written off a microsecond early"
    one = {"professional_id": person.pk, "amount": 1}
    spend(**one, at=expires_at - MOMENT, idempotency_key=f"last-{person.pk}")
    try:
        spend(**one, at=expires_at, idempotency_key=f"late-{person.pk}")
        yield "could be spent at its expiry"
    except InsufficientCredits:
        pass
    written = [
        expire_credits(as_of=expires_at + after, professionals=only).credits_expired
        for after in (timedelta(0), MOMENT)
    ]
    if written != [9, 0] or balance_of(person.pk).total:
        yield f"wrote off {written}, not [9, 0]"


def _months_later(day: datetime) -> tuple[int, int]:
    """Return year and month six months later, by arithmetic of this file's own."""
    year, month = divmod(day.year * 12 + day.month - 1 + 6, 12)
    return year, month + 1


def _length(month: tuple[int, int]) -> int:
    return calendar.monthrange(*month)[1]


def _clamped(day: datetime) -> datetime:
    year, month = _months_later(day)
    return day.replace(year=year, month=month, day=min(day.day, _length((year, month))))


def _as_javascript(day: datetime) -> datetime:
    year, month = _months_later(day)
    return day.replace(year=year, month=month, day=1) + timedelta(days=day.day - 1)


@contextmanager
def _only_jobs() -> Iterator[None]:
    """Nobody to write to or to tell: ten years of mails and alerts are not what this is about."""
    jobs_checked.disconnect(dispatch_uid=WATCHERS)
    try:
        with override_settings(
            ADMINS=[], EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"
        ):
            yield
    finally:
        jobs_checked.connect(watchers.jobs_checked, dispatch_uid=WATCHERS)
