"""
Eight runners at once, month after month: cron's command, signed requests, "run now" in the admin.

All begin at the same moment; the lease lets one through. In every fifth month the one at work is
frozen with SIGSTOP until its lease is over and another has taken its place, and then woken: it must
write nothing. The control are eight of the original's jobs.
"""

import io
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any
from unittest import mock

from dateutil.relativedelta import relativedelta
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from credits.exceptions import LeaseLost
from credits.jobs import detached
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.running import Watch
from credits.models import CreditTransaction, JobRun, JobStart, TransactionType
from credits.periods import period_of
from credits.triggering.signing import make_token
from proof import naive
from proof.findings import Finding
from proof.kill_scenes import SETTINGS
from proof.stage import clear, present
from tests.books import broken_invariants
from tests.factories import make_professionals
from tests.processes import Child, Tell, stop

BEGIN = datetime(2020, 1, 1, 0, 1, tzinfo=UTC)
PROFESSIONALS = 24
FROZEN_EVERY = 5
JOB = JobRun.Job.RESET.value
SECRET = secrets.token_urlsafe(48)

OWN = SETTINGS | {"LEASE_SECONDS": 1, "TRIGGER_SECRET": SECRET, "TRIGGER_JOBS": [JOB]}


def storm(*, periods: int, control_periods: int) -> Finding:
    """Let eight runners reset ``periods`` months."""
    begun = time.monotonic()
    complaints: list[str] = []
    with override_settings(CREDITS=OWN, ADMINS=[], ALLOWED_HOSTS=["testserver"]):
        clear()
        make_professionals(PROFESSIONALS)
        admin = get_user_model().objects.create_superuser("admin@example.com", "password")
        runners = [_by_cron] * 3 + [_by_request] * 3 + [partial(_in_admin, admin)] * 2
        frozen = 0
        for number in range(1, periods + 1):
            as_of = BEGIN + relativedelta(months=number)
            JobStart.objects.all().delete()
            with present(as_of):
                if number % FROZEN_EVERY == 0:
                    frozen += 1
                    complaints += _month_with_a_sleeper(as_of)
                else:
                    _all_at_once(runners, as_of)
            complaints += [f"{period_of(as_of)}: {found}" for found in _judge(number)]
        runs = JobRun.objects.count()
        control_bad = _control(control_periods)
        clear()
    return Finding(
        experiment="runner storm",
        engine=connection.vendor,
        trials=periods,
        trial="months of 8 runners",
        complaints=tuple(complaints),
        control_trials=control_periods,
        control_bad=control_bad,
        seconds=time.monotonic() - begun,
        remarks=f"{frozen} frozen and woken, {runs} runs",
    )


def _all_at_once(runners: list[Callable[[datetime], Any]], as_of: datetime) -> None:
    """Start all, and let them go when the last is ready."""
    gate = time.monotonic() + 0.25

    def live(act: Callable[[datetime], Any], tell: Tell) -> None:
        connection.ensure_connection()
        time.sleep(max(gate - time.monotonic(), 0))
        act(as_of)

    children = [Child(partial(live, runner)) for runner in runners]
    codes = [child.wait() for child in children]
    assert not any(codes), f"A runner broke down: {codes}"


def _by_cron(as_of: datetime) -> None:
    """What a line of the crontab becomes."""
    with suppress(CommandError):  # Another one is at it.
        call_command(JOB, as_of=as_of.isoformat(), stdout=io.StringIO(), stderr=io.StringIO())


def _by_request(as_of: datetime) -> None:
    """What any scheduler posts; of those that come together one is let through."""
    token = make_token(SECRET, method="POST", job=JOB, at=timezone.now())
    with _in_this_process(as_of):
        answer = Client().post(
            reverse("credits:trigger", args=[JOB]), headers={"Authorization": f"Bearer {token}"}
        )
    assert answer.status_code in {202, 409, 429}, answer.content


def _in_admin(user: Any, as_of: datetime) -> None:
    """What the button "run now" posts."""
    client = Client()
    client.force_login(user)
    with _in_this_process(as_of):
        answer = client.post(
            reverse("admin:credits_jobrun_run", args=[JOB]),
            {"step": "start", "token": detached.new_token()},
        )
    # A page that says who is at it, or the way to the run.
    assert answer.status_code in {200, 302}, answer.status_code


def _in_this_process(as_of: datetime) -> Any:
    """Do here and as of then what a request would start as a process of its own, as of now."""

    def start(job: str, *options: str, token: str) -> bool:
        with suppress(CommandError):
            call_command(
                job,
                *options,
                f"--as-of={as_of.isoformat()}",
                stdout=io.StringIO(),
                stderr=io.StringIO(),
            )
        return True

    return mock.patch.object(detached, "start", start)


def _month_with_a_sleeper(as_of: datetime) -> list[str]:
    """Freeze a run after its first chunk, let another take over, wake the first."""
    chunks = count(1)

    def sleep_after_one(tell: Tell) -> None:
        watch = Watch(progress=lambda _: stop() if next(chunks) == 1 else None)
        with suppress(LeaseLost):
            reset_monthly_credits(as_of=as_of, watch=watch)
            tell("it finished")

    with Child(sleep_after_one) as sleeper:
        sleeper.wait_until_stopped()
        # Past its lease, by the clock.
        time.sleep(1.2)
        _by_cron(as_of)
        before = _rows()
        sleeper.wake()
        said = sleeper.hear()
        sleeper.wait()
    woken = [f"{period_of(as_of)}: the woken one wrote"] if _rows() != before else []
    return woken + ([f"{period_of(as_of)}: the woken one finished"] if said else [])


def _judge(months: int) -> list[str]:
    found = [f"{name} is broken by {number}" for name, number in broken_invariants().items()]
    if (rows := _rows()) != PROFESSIONALS * months:
        found.append(f"{rows} rows, not {PROFESSIONALS} x {months}")
    return found


def _rows() -> int:
    return CreditTransaction.objects.filter(transaction_type=TransactionType.MONTHLY_RESET).count()


def _control(periods: int) -> int:
    """Return in how many months eight of the original's jobs wrote another number of rows."""
    bad = 0
    clear()
    make_professionals(PROFESSIONALS)
    for number in range(1, periods + 1):
        before = _rows()
        act = partial(_naively, BEGIN + relativedelta(months=number))
        _all_at_once([lambda _, act=act: act()] * 8, BEGIN)
        bad += _rows() - before != PROFESSIONALS
    return bad


def _naively(as_of: datetime) -> None:
    with suppress(DatabaseError):
        naive.reset(as_of=as_of, period=period_of(as_of), is_keyed=False)
