"""
What a notice tells, read from the books when it is sent: plain values, in no language yet.

The admin shows figures of the same functions, so a mail and a page never differ.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import QuerySet
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from credits.conf import get_settings
from credits.engine.allowance import allowance_of
from credits.engine.database import ledger_database
from credits.exceptions import NothingToSay
from credits.ledger import Balance, lots_of, spendable_at
from credits.models import CreditTransaction, JobFailure, JobRun, Notice, TransactionType
from credits.models.balances import ProfessionalId
from credits.periods import period_of

MOST_FAILURES = 20
"""Failures listed in one mail; the rest are counted."""


@dataclass(frozen=True)
class Lot:
    """Paid credits that expire, or did, together."""

    credits: int
    origin: str
    """How they came: purchase, refund, bonus, extension or adjustment."""

    granted_at: datetime
    expires_at: datetime
    note: str = ""
    """What the host calls them: the package that was bought, what the bonus was for."""


@dataclass(frozen=True)
class ResetFacts:
    """A professional's free credits were set to the monthly amount."""

    before: int
    after: int
    period: str
    balance: Balance
    monthly: int
    """What the next reset gives, which may be another amount by then."""


@dataclass(frozen=True)
class WarningFacts:
    """Lots that will be lost unless they are spent."""

    lots: tuple[Lot, ...]
    balance: Balance
    balance_then: Balance
    """What is left once all of them have expired, if nothing is spent until then."""

    is_reset_until_then: bool
    """Whether ``balance_then`` counts the free credits of a reset to come."""

    @property
    def credits(self) -> int:
        """Credits in all the lots."""
        return sum(lot.credits for lot in self.lots)


@dataclass(frozen=True)
class ReceiptFacts:
    """Lots that were written off."""

    credits: int
    lots: tuple[Lot, ...]
    balance: Balance


@dataclass(frozen=True)
class RunFacts:
    """How a run ended."""

    run: JobRun
    failures: tuple[tuple[str, str], ...]
    """Professional and error, the first ``MOST_FAILURES`` of them."""

    command: str
    """What goes on where the run ended; nothing where it did all it had to."""


@dataclass(frozen=True)
class LateFacts:
    """A job that should have run and has not."""

    job: str
    about: str
    command: str


Facts = ResetFacts | WarningFacts | ReceiptFacts | RunFacts | LateFacts

JOB_TITLES = {
    JobRun.Job.RESET.value: _("Monthly credit reset"),
    JobRun.Job.EXPIRY.value: _("Credit expiry"),
}


def facts_of(notice: Notice, *, at: datetime, until: date | None = None) -> Facts:
    """
    Return what a notice has to tell at ``at``.

    Args:
        until: the last day of expiry (UTC) that a warning lists; its own if not given.

    Raises:
        NothingToSay: nothing is lost any more, or nothing happened.
    """
    context = notice.context
    match notice.kind:
        case Notice.Kind.RESET:
            return reset_facts(
                notice.professional_id,
                before=context["before"],
                after=context["after"],
                period=context["period"],
                at=at,
            )
        case Notice.Kind.EXPIRY_WARNING:
            last = until or date.fromisoformat(context["day"])
            return warning_facts(notice.professional_id, until=last, at=at)
        case Notice.Kind.EXPIRY_RECEIPT:
            return replace(
                receipt_facts(notice.professional_id, run=notice.run, at=at),
                credits=context["credits"],
            )
        case Notice.Kind.RUN_SUMMARY | Notice.Kind.RUN_FAILURE | Notice.Kind.RUN_RECOVERED:
            if notice.run is None:
                raise NothingToSay(gettext_noop("The run it was about is not recorded."))
            return run_facts(notice.run)
        case Notice.Kind.RUN_LATE:
            return LateFacts(
                job=str(context["job"]), about=str(context["about"]), command=context["command"]
            )
        case _:
            raise NothingToSay(
                gettext_noop("Nothing is known of notices of kind “%(kind)s”."), kind=notice.kind
            )


def reset_facts(
    professional_id: ProfessionalId, *, before: int, after: int, period: str, at: datetime
) -> ResetFacts:
    """Return what a reset did to one professional, and what they can spend at ``at``."""
    if before == after:
        raise NothingToSay(gettext_noop("The reset changed nothing."))
    return ResetFacts(
        before,
        after,
        period,
        balance=spendable_at(professional_id, at),
        monthly=allowance_of(professional_id),
    )


def warning_facts(professional_id: ProfessionalId, *, until: date, at: datetime) -> WarningFacts:
    """
    Return every lot that can be spent at ``at`` and not after the day ``until`` (UTC).

    Raises:
        NothingToSay: they hold fewer credits than ``CREDITS["MIN_CREDITS_TO_WARN"]``, or none.
    """
    end = datetime.combine(until + timedelta(days=1), time(), UTC)
    rows = lots_of(professional_id).filter(expires_at__gt=at, expires_at__lt=end)
    lots = tuple(_lot(row, row.remaining_amount) for row in rows)
    losing = sum(lot.credits for lot in lots)
    if not lots:
        raise NothingToSay(
            gettext_noop("No credits expire any more: they were spent, extended or are gone.")
        )
    if losing < (least := get_settings().min_credits_to_warn):
        raise NothingToSay(
            gettext_noop(
                "%(losing)s credits expire; fewer than %(least)s are lost without a word."
            ),
            losing=losing,
            least=least,
        )

    balance = spendable_at(professional_id, at)
    gone_at = lots[-1].expires_at
    # The next month's reset sets the free credits, whatever is left of them by then.
    is_reset = period_of(gone_at) > period_of(at) and _is_eligible(professional_id)
    then = Balance(
        free=allowance_of(professional_id) if is_reset else balance.free,
        paid=balance.paid - losing,
    )
    return WarningFacts(lots, balance, balance_then=then, is_reset_until_then=is_reset)


def receipt_facts(
    professional_id: ProfessionalId, *, run: JobRun | None, at: datetime
) -> ReceiptFacts:
    """Return the lots that a run wrote off for one professional."""
    expiries: Iterable[CreditTransaction] = ()
    if run is not None:
        expiries = (
            CreditTransaction.objects.using(ledger_database())
            .filter(
                professional_id=professional_id,
                transaction_type=TransactionType.EXPIRY,
                run=run,
            )
            .select_related("origin")
            .order_by("pk")
        )
    lots = tuple(_lot(row.origin, -row.amount) for row in expiries if row.origin is not None)
    return ReceiptFacts(
        sum(lot.credits for lot in lots), lots, balance=spendable_at(professional_id, at)
    )


def failures_of(run: JobRun) -> QuerySet[JobFailure]:
    """Return whom a run could not do, first to last, from where it wrote them: replicas lag."""
    return JobFailure.objects.using(ledger_database()).filter(run=run).order_by("pk")


def run_facts(run: JobRun) -> RunFacts:
    """Return how a run ended and, if it did not do everything, the command that goes on."""
    return RunFacts(
        run,
        failures=tuple(
            (str(it.professional_id), it.error) for it in failures_of(run)[:MOST_FAILURES]
        ),
        command=command_after(run),
    )


def command_after(run: JobRun) -> str:
    """Return the command that goes on where a run ended; nothing if it did all it was asked."""
    if run.status not in JobRun.UNFINISHED:
        return ""
    return f"manage.py {run.job}" + (f" --period {run.period}" if run.period else "")


def _lot(row: CreditTransaction, credits: int) -> Lot:
    if row.expires_at is None:
        raise AssertionError("the database lets no lot be without an expiry")
    origin, note = row.transaction_type, ""
    if origin == TransactionType.ADJUSTMENT and row.origin_id is not None:
        origin = "extension"
    elif origin == TransactionType.PURCHASE:
        note = row.metadata.get("package", "")
    elif origin == TransactionType.BONUS and row.description != "Bonus":
        note = row.description
    return Lot(credits, origin, row.created_at, row.expires_at, note=str(note))


def _is_eligible(professional_id: ProfessionalId) -> bool:
    path = get_settings().eligible_professionals
    if not path:
        return False
    eligible: bool = import_string(path)().filter(pk=professional_id).exists()
    return eligible
