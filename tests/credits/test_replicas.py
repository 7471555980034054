"""A router that sends who reads to a replica, which lags: no decision may rest on it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command

from credits import tasks
from credits.engine.allowance import allowance_of, sample_allowance
from credits.engine.audit import findings
from credits.engine.rebuild import rebuild_balances
from credits.engine.seals import check_seals
from credits.engine.totals import monthly_totals, roll_up
from credits.jobs.due import late_jobs
from credits.jobs.erasing import erase_professional
from credits.jobs.expiry import expire_credits, forecast_expiry
from credits.jobs.notices import forecast_notices, stage_expiry_warnings, stage_late_runs
from credits.jobs.passing import record_passed_periods
from credits.jobs.pausing import pause_job, resume_job
from credits.jobs.pruning import prune_history
from credits.jobs.reset import forecast_reset, reset_monthly_credits
from credits.jobs.run_due import verdicts
from credits.jobs.running import refuse_if_active
from credits.jobs.sealing import seal_days
from credits.jobs.shards import Work
from credits.jobs.sharing import open_shared_run, stranded_shards, work_on_shard
from credits.ledger import (
    balance_at,
    balance_of,
    expiring,
    extend,
    history,
    lots_of,
    refund,
    spendable_at,
)
from credits.management.exit_codes import EXIT_PARTIAL
from credits.models import CreditTransaction, CreditType, JobRun, JobShard
from credits.monitoring.logs import log_run
from credits.monitoring.watchers import run_ended
from credits.notices.facts import run_facts
from homezy.models import User
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JULY_15,
    MARCH,
    correct,
    give,
    give_lot,
    make_professional,
    make_run,
    prolong,
    undo,
    use,
)
from tests.faults import lost_answers
from tests.tampering import poison

pytestmark = pytest.mark.django_db


class Replica:
    """A database that is not there: whoever reads from it cannot go unnoticed."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"


@dataclass
class Market:
    aisha: User
    spent: list[CreditTransaction]
    """Free credits, all of a lot that has expired by now, a part of one that was extended."""

    lot: CreditTransaction
    """One that lasts."""


@pytest.fixture
def market(settings: Any) -> Market:
    plan = "tests.plans.by_verification"
    settings.CREDITS = settings.CREDITS | {"CHUNK_SIZE": 1, "MONTHLY_FREE_CREDITS": plan}
    aisha = make_professional(free=5)
    give_lot(aisha, 1, expires_at=MARCH)
    extended = give_lot(aisha, 3, expires_at=APRIL)
    market = Market(aisha, use(aisha, 8), give_lot(aisha, 9, expires_at=AUGUST))
    prolong(extended, AUGUST)
    seal_days(as_of=FEBRUARY)
    make_run(job=JobRun.Job.RESET, period="2026-01", started_at=FEBRUARY, finished_at=FEBRUARY)
    settings.DATABASE_ROUTERS = [Replica()]
    return market


def fail_for_one(market: Market) -> JobRun:
    poison(market.aisha)
    run = reset_monthly_credits(as_of=MARCH)
    assert run.status == JobRun.Status.PARTIAL
    return run


def name_who_failed(market: Market) -> None:
    poison(market.aisha)
    out = StringIO()
    with pytest.raises(CommandError, match="1 failed") as refused:
        call_command("reset_monthly_credits", verbosity=2, stdout=out)
    assert refused.value.returncode == EXIT_PARTIAL
    assert f"professional {market.aisha.pk}: " in out.getvalue()


def queue_shards() -> None:
    with patch.object(tasks.work_on_shard, "delay") as queued:
        tasks.share(JobRun.Job.RESET, shards=2)
    assert queued.called


def reset_together(market: Market) -> None:
    run = open_shared_run(JobRun.Job.RESET, as_of=MARCH, shards=2, trigger="test")
    shards = JobShard.objects.using("default").filter(run=run).values_list("pk", flat=True)
    ended = [work_on_shard(shard) for shard in shards]
    assert ended[-1] == Work.CLOSED


ACTS: dict[str, Callable[[Market], object]] = {
    "a balance": lambda m: balance_of(m.aisha.pk),
    "a past balance": lambda m: balance_at(m.aisha.pk, MARCH),
    "what can be spent": lambda m: spendable_at(m.aisha.pk, MARCH),
    "lots": lambda m: list(lots_of(m.aisha.pk)),
    "a history": lambda m: list(history(m.aisha.pk)),
    "what expires": lambda m: list(expiring(since=MARCH, until=APRIL)),
    "an amount": lambda m: (allowance_of(m.aisha.pk), sample_allowance()),
    "a grant": lambda m: give(m.aisha, 1),
    "a spend": lambda m: use(m.aisha, 2, at=MARCH),
    "a repeated spend": lambda m: use(m.aisha, 8, key=m.spent[0].idempotency_key),
    "a refund": lambda m: undo(m.spent, at=APRIL),
    "a repeated refund": lambda m: [
        refund(spend_key=m.spent[0].idempotency_key, at=APRIL, idempotency_key="undo")
        for _ in range(2)
    ],
    "a correction down": lambda m: correct(m.aisha, -1, CreditType.PAID, by=m.aisha),
    "an extension": lambda m: extend(
        lot_id=m.lot.pk,
        expires_at=AUGUST + timedelta(days=1),
        reason="A long illness.",
        actor_id=m.aisha.pk,
        at=MARCH,
        idempotency_key="extension",
    ),
    "a reset": lambda m: reset_monthly_credits(as_of=MARCH),
    "a reset that fails for one": fail_for_one,
    "a command and who failed": name_who_failed,
    "a mail about who failed": lambda m: run_facts(fail_for_one(m)),
    "a log line for who failed": lambda m: log_run(run=fail_for_one(m)),
    "what monitors hear of who failed": lambda m: run_ended(run=fail_for_one(m)),
    "a reset by several workers": reset_together,
    "a reset that is queued for several": lambda m: queue_shards(),
    "a reset to come": lambda m: forecast_reset(as_of=MARCH),
    "an expiry": lambda m: expire_credits(as_of=AUGUST),
    "an expiry to come": lambda m: forecast_expiry(as_of=AUGUST),
    "a pause": lambda m: pause_job("reset", reason="A test.", actor_id=m.aisha.pk, at=MARCH),
    "the end of a pause": lambda m: resume_job("reset", actor_id=m.aisha.pk, at=MARCH),
    "what is due": lambda m: verdicts(as_of=AUGUST),
    "what is late": lambda m: late_jobs(as_of=AUGUST),
    "months that passed": lambda m: record_passed_periods(as_of=AUGUST, trigger="test"),
    "who is at it": lambda m: refuse_if_active(JobRun.Job.RESET),
    "shards left lying": lambda m: stranded_shards(as_of=AUGUST),
    "warnings": lambda m: stage_expiry_warnings(as_of=JULY_15),
    "words about late runs": lambda m: stage_late_runs(late_jobs(as_of=AUGUST), as_of=AUGUST),
    "notices to come": lambda m: forecast_notices(as_of=AUGUST),
    "a seal": lambda m: seal_days(as_of=MARCH),
    "the seals": lambda m: check_seals(keys=[], as_of=MARCH, using="default"),
    "an erasure": lambda m: erase_professional(m.aisha.pk),
    "what is old": lambda m: prune_history(as_of=AUGUST),
    "an audit": lambda m: list(findings(using="default")),
    "balances made anew": lambda m: rebuild_balances(using="default"),
    "totals": lambda m: (roll_up(using="default"), monthly_totals(using="default")),
}


class TestReads:
    @pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
    def test_of_the_ledger_are_where_it_is_written(self, market, act):
        act(market)


@pytest.mark.django_db(transaction=True)
class TestLostAnswers:
    """Whether a commit arrived is asked where it was sent: the replica may not have it yet."""

    @pytest.mark.parametrize(
        "reset",
        [
            pytest.param(lambda m: reset_monthly_credits(as_of=MARCH), id="of a run"),
            pytest.param(reset_together, id="of a run by several workers"),
        ],
    )
    def test_are_looked_for_where_they_were_written(self, market, reset):
        # The answer to every first attempt is lost; the second ends with a COMMIT as well.
        with lost_answers(range(1, 99, 2)) as lost:
            reset(market)

        run = JobRun.objects.using("default").get(period="2026-03")
        assert len(lost) >= 3
        assert (run.status, run.success_count) == (JobRun.Status.SUCCEEDED, 1)
