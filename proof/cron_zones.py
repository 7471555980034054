"""
The turn of a month by cron, in zones whose hours do not exist or come twice.

Cron's lines are fired as a host in each zone would, real ones, and the database decides what is
due. The control is cron without the due check.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from dateutil.relativedelta import relativedelta
from django.db import connection

from credits.jobs.expiry import expire_credits
from credits.jobs.named import JobName
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.run_due import run_due_credit_jobs
from credits.ledger import spend
from credits.models import CreditTransaction, TransactionType
from homezy.models import User
from proof.findings import Finding
from proof.stage import clear
from proof.time_travel import only_jobs
from tests.factories import make_professional

ZONES: dict[str, datetime] = {
    # 00:01 on 1 October did not exist: at midnight it was one o'clock.
    "America/Asuncion": datetime(2023, 9, 30, tzinfo=UTC),
    # 00:01 on 1 November comes twice: at one o'clock it is midnight again.
    "America/Havana": datetime(2026, 10, 31, tzinfo=UTC),
    # 00:01 on the 1st is still the evening of the month before.
    "Asia/Dubai": datetime(2026, 10, 31, tzinfo=UTC),
    "Pacific/Kiritimati": datetime(2026, 10, 31, tzinfo=UTC),
    "Pacific/Pago_Pago": datetime(2026, 10, 31, tzinfo=UTC),
}
DAYS = 2
"""From a day before the turn of the month to a day after it: no zone is further from UTC."""


def zones() -> Finding:
    """Fire cron's lines as a host in each zone would, over the turn of a month."""
    begun = time.monotonic()
    complaints: list[str] = []
    fired = control_bad = 0
    with only_jobs():
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
