"""
Bad rows: one professional in a hundred cannot be done, and all others are.

Their numbers are beyond what a column holds, their balances were made negative behind the guards,
or the database refuses their rows. Each is listed once, the run is ``partial`` and the command
ends with 3. The control goes through the professionals in a loop, and stops at the first.
"""

import io
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from credits.models import CreditBalance, CreditTransaction, JobRun, TransactionType
from homezy.models import User
from proof import naive
from proof.findings import Finding
from proof.stage import clear, present
from tests.factories import AUGUST, JULY_15, MARCH, make_lot_holders
from tests.tampering import guards_down, mend, poison

ONE_IN = 100
HIGHEST = 2**63 - 1


@dataclass(frozen=True)
class Job:
    """A job, its naive twin, and how a balance is spoilt for it."""

    command: str
    as_of: datetime
    wrote: TransactionType
    overflowing: dict[str, int]
    negative: dict[str, int]
    naively: Callable[[], None]


JOBS = {
    "reset": Job(
        "reset_monthly_credits",
        MARCH,
        TransactionType.MONTHLY_RESET,
        overflowing={"lifetime_earned": HIGHEST},
        negative={"free_credits": -70},
        naively=partial(naive.reset, as_of=MARCH, period="2026-03"),
    ),
    "expiry": Job(
        "expire_credits",
        AUGUST,
        TransactionType.EXPIRY,
        overflowing={"lifetime_expired": HIGHEST},
        negative={"paid_credits": 3},
        naively=partial(naive.expire, as_of=AUGUST),
    ),
}


def bad_rows(name: str, *, professionals: int) -> Finding:
    """Run a job over ``professionals`` of whom one in a hundred is bad."""
    begun = time.monotonic()
    job = JOBS[name]
    bad, well = _set_scene(job, professionals)
    complaints = _run(job, bad, well)
    bad, well = _set_scene(job, professionals)
    control_bad = _run_naively(job, well)
    _mend_if_poisoned(bad)
    clear()
    return Finding(
        experiment=f"bad rows: {name}",
        engine=connection.vendor,
        trials=len(bad),
        trial=f"bad of {professionals:,}",
        complaints=tuple(complaints),
        control_trials=1,
        control_bad=int(control_bad),
        seconds=time.monotonic() - begun,
    )


def _set_scene(job: Job, professionals: int) -> tuple[set[int], set[int]]:
    """Make the crowd; return the keys of the bad and of the others."""
    clear()
    crowd = make_lot_holders(professionals, expires_at=JULY_15)
    # Nothing bad about a name of two lines: it must neither stop the job nor enter a header.
    User.objects.filter(pk=crowd[1].pk).update(first_name="Aisha\nBcc: all@example.com")
    spoilt = crowd[ONE_IN // 2 :: ONE_IN]
    overflowing, negative, refused = (spoilt[place::3] for place in range(3))
    with guards_down():
        for those, fields in ((overflowing, job.overflowing), (negative, job.negative)):
            CreditBalance.objects.filter(pk__in=[each.pk for each in those]).update(**fields)
    keys = ", ".join(str(each.pk) for each in refused)
    if keys:
        poison(condition=f"NEW.professional_id IN ({keys})")
    bad = {each.pk for each in spoilt}
    return bad, {each.pk for each in crowd} - bad


def _run(job: Job, bad: set[int], well: set[int]) -> list[str]:
    complaints = []
    try:
        with present(job.as_of):
            call_command(job.command, chunk_size="250", stdout=io.StringIO(), stderr=io.StringIO())
        complaints.append("the command ended with 0")
    except CommandError as error:
        if error.returncode != 3:
            complaints.append(f"the command ended with {error.returncode}: {error}")
    finally:
        _mend_if_poisoned(bad)
    run = JobRun.objects.get()
    listed = sorted(run.failures.values_list("professional", flat=True))
    if (run.status, listed) != (JobRun.Status.PARTIAL, sorted(bad)):
        complaints.append(f"the run is {run.status} and lists {len(listed)} of {len(bad)} once")
    if (done := _done(job)) != well:
        complaints.append(f"{len(done & well)} of {len(well)} others were done")
    return complaints


def _run_naively(job: Job, well: set[int]) -> bool:
    """Say whether the loop left somebody undone who was well."""
    with suppress(DatabaseError, OverflowError):
        job.naively()
    return _done(job) & well != well


def _done(job: Job) -> set[int]:
    rows = CreditTransaction.objects.filter(transaction_type=job.wrote)
    return set(rows.values_list("professional", flat=True))


def _mend_if_poisoned(bad: set[int]) -> None:
    if len(bad) >= 3:
        mend()
