from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.utils.module_loading import import_string

from credits.conf import get_settings
from credits.engine import reset
from credits.engine.allowance import monthly_allowance
from credits.engine.database import ledger_database, retried
from credits.engine.keys import EVERYBODY, KeyRange
from credits.engine.tally import Forecast, Tally
from credits.exceptions import NoEligibilityRule
from credits.jobs.chunks import Plan, Prospect, Step
from credits.jobs.running import Watch, recorded_run
from credits.models import CreditBalance, JobRun
from credits.models.balances import ProfessionalId
from credits.periods import period_of

NOBODY = 'Nobody is eligible: CREDITS["ELIGIBLE_PROFESSIONALS"] returns no one.'


def reset_monthly_credits(
    *,
    as_of: datetime,
    period: str = "",
    professionals: Collection[ProfessionalId] | None = None,
    limit: int | None = None,
    chunk_size: int | None = None,
    trigger: str = "command",
    even_if_paused: bool = False,
    watch: Watch | None = None,
) -> JobRun:
    """
    Set every eligible professional's free credits to the monthly amount, once a period.

    Safe to stop and run again: each chunk commits balances and transactions together, and who was
    reset in the period already is left alone.

    Args:
        as_of: the moment the transactions carry.
        period: the calendar month, as ``2026-11``; that of ``as_of`` if not given.
        professionals: only these, if they are eligible.
        limit: at most so many professionals, in the order of their keys.
        chunk_size: balances to a database transaction; ``CREDITS["CHUNK_SIZE"]`` if not given.

    Returns:
        The finished run: ``succeeded``, ``partial`` (some professionals failed) or
        ``interrupted`` (the watch said stop).

    Raises:
        RunAlreadyActive: another run of this job is under way.
        JobPaused: somebody paused the job, and it is not to run all the same.
        RunFailed: the run could not go on; what it committed stays.
        NoEligibilityRule: the project does not say who is eligible.
    """
    period = period or period_of(as_of)
    size = chunk_size or get_settings().chunk_size
    watch = watch or Watch()
    plan = plan_reset(period=period, professionals=professionals, limit=limit)
    with recorded_run(
        JobRun.Job.RESET,
        as_of=as_of,
        period=period,
        trigger=trigger,
        is_whole=professionals is None and limit is None,
        even_if_paused=even_if_paused,
        watch=watch,
    ) as run:
        prospect = plan.look(EVERYBODY)
        watch.found(prospect.found)
        if not prospect.found and professionals is None:
            run.warn(NOBODY)
        for step in prospect.steps(run.record):
            run.work_through(step.keys, step.act, size=size)
    return run.record


def plan_reset(
    *,
    period: str,
    professionals: Collection[ProfessionalId] | None = None,
    limit: int | None = None,
) -> Plan:
    """
    Return whom a reset is about and what it does, in this process or in several.

    Raises:
        NoEligibilityRule: the project does not say who is eligible.
    """
    using = ledger_database()
    eligible = _eligible(professionals, limit, period=period)

    def open_balances(within: KeyRange) -> Tally:
        reset.open_balances(eligible, within, using=using)
        return Tally()

    def steps(standing: reset.Standing, run: JobRun) -> list[Step]:
        monthly = reset.MonthlyReset(
            eligible, run=run, free_credits=monthly_allowance(), using=using
        )
        new = reset.without_balance(eligible).values_list("pk", flat=True)
        balances = _balances(professionals, using=using)
        # Where a month is done nothing need be walked to see it.
        found, opened, done = standing.found, standing.opened, standing.done
        return [
            Step(new if opened < found else new.none(), open_balances),
            Step(balances if done < found else balances.none(), monthly.reset_chunk),
        ]

    def look(within: KeyRange) -> Prospect:
        inside = eligible.filter(within.on("pk"))
        standing = retried(lambda: reset.standing(inside, period=period), using=using)
        return Prospect(standing.found, partial(steps, standing))

    return Plan(eligible.values_list("pk", flat=True), look)


def forecast_reset(
    *,
    as_of: datetime,
    period: str = "",
    professionals: Collection[ProfessionalId] | None = None,
    limit: int | None = None,
) -> Forecast:
    """
    Compute what ``reset_monthly_credits`` would do with the same arguments; writes nothing.

    Raises:
        NoEligibilityRule: the project does not say who is eligible.
    """
    period = period or period_of(as_of)
    return reset.forecast(
        _eligible(professionals, limit, period=period),
        period=period,
        free_credits=monthly_allowance(),
        using=ledger_database(),
    )


def _eligible(
    professionals: Collection[ProfessionalId] | None, limit: int | None, *, period: str
) -> QuerySet[Any]:
    path = get_settings().eligible_professionals
    if not path:
        raise NoEligibilityRule
    eligible: QuerySet[Any] = import_string(path)().using(ledger_database())
    if professionals is not None:
        eligible = eligible.filter(pk__in=professionals)
    if limit is not None:
        waiting = reset.not_reset(eligible, period=period)
        last = waiting.order_by("pk").values_list("pk", flat=True)[limit - 1 : limit]
        # A fixed upper key, so that every later statement means the same professionals.
        for key in last:
            eligible = eligible.filter(pk__lte=key)
    return eligible


def _balances(
    professionals: Collection[ProfessionalId] | None, *, using: str
) -> QuerySet[CreditBalance, Any]:
    balances = CreditBalance.objects.using(using)
    if professionals is not None:
        balances = balances.filter(pk__in=professionals)
    return balances.values_list("professional_id", flat=True)
