from collections.abc import Collection
from datetime import datetime

from django.db.models import QuerySet

from credits.conf import get_settings
from credits.engine import expiry
from credits.engine.database import ledger_database, retried
from credits.engine.keys import EVERYBODY, KeyRange
from credits.engine.tally import Forecast
from credits.jobs.chunks import Plan, Prospect, Step
from credits.jobs.running import Watch, recorded_run
from credits.models import CreditTransaction, JobRun
from credits.models.balances import ProfessionalId


def expire_credits(
    *,
    as_of: datetime,
    professionals: Collection[ProfessionalId] | None = None,
    limit: int | None = None,
    chunk_size: int | None = None,
    trigger: str = "command",
    even_if_paused: bool = False,
    watch: Watch | None = None,
) -> JobRun:
    """
    Write off what is left in every lot that has expired at ``as_of``.

    Safe to stop and run again: each chunk commits lots, transactions and balances together.

    Args:
        as_of: a lot that expires at it is gone; also the moment the transactions carry.
        professionals: only these.
        limit: at most so many professionals, in the order of their keys.
        chunk_size: lots to a database transaction; ``CREDITS["CHUNK_SIZE"]`` if not given.

    Returns:
        The finished run: ``succeeded``, ``partial`` (some professionals failed) or
        ``interrupted`` (the watch said stop).

    Raises:
        RunAlreadyActive: another run of this job is under way.
        JobPaused: somebody paused the job, and it is not to run all the same.
        RunFailed: the run could not go on; what it committed stays.
    """
    watch = watch or Watch()
    with recorded_run(
        JobRun.Job.EXPIRY,
        as_of=as_of,
        trigger=trigger,
        is_whole=professionals is None and limit is None,
        even_if_paused=even_if_paused,
        watch=watch,
    ) as run:
        plan = plan_expiry(as_of=as_of, professionals=professionals, limit=limit)
        prospect = plan.look(EVERYBODY)
        watch.found(prospect.found)
        for step in prospect.steps(run.record):
            run.work_through(step.keys, step.act, size=chunk_size or get_settings().chunk_size)
    return run.record


def plan_expiry(
    *,
    as_of: datetime,
    professionals: Collection[ProfessionalId] | None = None,
    limit: int | None = None,
) -> Plan:
    """Return which lots an expiry is about and what it does, in this process or in several."""
    due = _due(professionals, limit, as_of=as_of)
    owners = due.values_list("professional_id", flat=True)

    def steps(run: JobRun) -> list[Step]:
        write_off = expiry.Expiry(due, run=run, using=due.db)
        return [Step(owners, write_off.expire_chunk)]

    def look(within: KeyRange) -> Prospect:
        inside = due.filter(within.on("professional"))
        return Prospect(retried(inside.count, using=due.db), steps)

    return Plan(owners, look)


def forecast_expiry(
    *,
    as_of: datetime,
    professionals: Collection[ProfessionalId] | None = None,
    limit: int | None = None,
) -> Forecast:
    """Compute what ``expire_credits`` would do with the same arguments; writes nothing."""
    return expiry.forecast(_due(professionals, limit, as_of=as_of))


def _due(
    professionals: Collection[ProfessionalId] | None, limit: int | None, *, as_of: datetime
) -> QuerySet[CreditTransaction]:
    due = expiry.due_lots(as_of=as_of, using=ledger_database())
    if professionals is not None:
        due = due.filter(professional__in=professionals)
    if limit is not None:
        owners = due.order_by("professional_id").values_list("professional_id", flat=True)
        # A fixed upper key, so that every later statement means the same professionals.
        for key in owners.distinct()[limit - 1 : limit]:
            due = due.filter(professional__lte=key)
    return due
