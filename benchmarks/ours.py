"""The works as this project does them; each returns the rows that it wrote."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from credits.conf import get_settings
from credits.engine.audit import findings
from credits.engine.cutting import ranges
from credits.engine.keys import KeyRange
from credits.engine.notices import resets
from credits.engine.statements import Compiled, Statement
from credits.jobs.expiry import expire_credits
from credits.jobs.notices import stage_expiry_warnings
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.workers import run_with_workers
from credits.models import CreditBalance, JobRun

WORKERS = 2


def reset(as_of: datetime) -> int:
    """Reset the month."""
    return reset_monthly_credits(as_of=as_of).success_count


def expire(as_of: datetime) -> int:
    """Write off what is due."""
    return expire_credits(as_of=as_of).success_count


def together(work: str, as_of: datetime) -> int:
    """Do one of the jobs, or verify the books, with several workers."""
    if work == "verify":
        return verify(as_of, workers=WORKERS)
    job = JobRun.Job.RESET if work == "reset" else JobRun.Job.EXPIRY
    return run_with_workers(job, as_of=as_of, workers=WORKERS).success_count


def stage_reset_notices(as_of: datetime) -> int:
    """Promise what the reset of October would have promised, by its chunks."""
    run = JobRun.objects.get(pk=1)
    promised = 0
    keys = CreditBalance.objects.values_list("professional_id", flat=True)

    def promising(within: KeyRange) -> Compiled:
        claimed = CreditBalance.objects.filter(within.on("professional"), claimed_by=run.pk)
        return resets(claimed, run=run, using="default")

    promise = Statement(promising, using="default")
    for within in ranges(keys, size=get_settings().chunk_size):
        with transaction.atomic():
            promised += promise.done(within)
    return promised


def verify(as_of: datetime, *, workers: int = 1) -> int:
    """Ask every invariant; a broken one ends the measurement."""
    for finding in findings(using="default", workers=workers):
        if finding.count:
            raise SystemExit(f"{finding.invariant.name} is broken: {finding.shown[0]}")
    return CreditBalance.objects.count()


def again(work: str, as_of: datetime) -> bool:
    """Reset the month a second time; return whether it was the reset that was asked about."""
    if work != "reset":
        return False
    second = reset_monthly_credits(as_of=as_of + timedelta(hours=1))
    if second.success_count:
        raise SystemExit(f"The second reset wrote {second.success_count} rows.")
    return True


DOINGS: dict[str, Callable[[datetime], int]] = {
    "reset": reset,
    "expiry-1": expire,
    "expiry-5": expire,
    "warnings": lambda as_of: stage_expiry_warnings(as_of=as_of),
    "reset-notices": stage_reset_notices,
    "verify": verify,
}
