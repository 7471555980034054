"""
Show what a notice would look like; nothing is written, promised or sent.

With a professional the books speak; without one, or where they have nothing to tell yet, a sample.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.utils.translation import gettext_noop

from credits.conf import get_settings
from credits.engine.allowance import allowance_of, sample_allowance
from credits.engine.database import ledger_database
from credits.exceptions import (
    InvalidArgument,
    NothingToSay,
    TemplateUnusable,
    UnknownProfessional,
)
from credits.ledger import Balance, lots_of
from credits.models import CreditBalance, CreditTransaction, JobRun, Notice, TransactionType
from credits.models.balances import ProfessionalId
from credits.notices.composing import Message, write
from credits.notices.facts import (
    Facts,
    LateFacts,
    Lot,
    ReceiptFacts,
    ResetFacts,
    RunFacts,
    WarningFacts,
    receipt_facts,
    reset_facts,
    run_facts,
    warning_facts,
)
from credits.notices.recipients import Recipient, find_recipient
from credits.notices.suppression import DECLINABLE
from credits.periods import add_months, period_of, start_of

TO_OPERATORS = frozenset(
    {
        Notice.Kind.RUN_SUMMARY.value,
        Notice.Kind.RUN_FAILURE.value,
        Notice.Kind.RUN_LATE.value,
        Notice.Kind.RUN_RECOVERED.value,
    }
)


def preview(
    kind: str,
    *,
    professional_id: ProfessionalId | None = None,
    language: str | None = None,
    at: datetime,
) -> Message:
    """
    Write the mail of a kind as it would be at ``at``; its unsubscribe link stops nothing.

    Args:
        professional_id: whose books to tell from; a made-up professional if not given.
        language: to write in, whatever the professional chose.

    Raises:
        InvalidArgument: there is no such kind or language.
        UnknownProfessional: no user has this id.
        NothingToSay: this professional has nothing to be told of this kind.
        TemplateUnusable: a template of the project's own is broken.
    """
    if kind not in Notice.Kind.values:
        raise InvalidArgument(
            "kind", f"“{kind}” is none; the kinds are {', '.join(Notice.Kind.values)}."
        )
    known = [code for code, _ in settings.LANGUAGES]
    if language is not None and language not in known:
        raise InvalidArgument(
            "language", f"“{language}” is none of this project's: {', '.join(known)}."
        )
    recipient, facts = _told(kind, professional_id, language, at)
    if language is not None:
        recipient = replace(recipient, language=language)
    site = get_settings().site_url
    try:
        return write(
            kind,
            facts,
            recipient=recipient,
            at=at,
            notice_id="preview",
            declining=f"{site.rstrip('/')}/#preview" if site and kind in DECLINABLE else "",
        )
    except (TemplateSyntaxError, TemplateDoesNotExist) as error:
        raise TemplateUnusable(kind=kind, error=error) from error


def _told(
    kind: str, professional_id: ProfessionalId | None, language: str | None, at: datetime
) -> tuple[Recipient, Facts]:
    if kind in TO_OPERATORS:
        operator = Recipient(
            address="operators@example.com",
            name="",
            language=settings.LANGUAGE_CODE,
            time_zone=ZoneInfo(settings.TIME_ZONE),
        )
        return operator, _latest_run(kind, at) or _sample(kind, at)
    if professional_id is None:
        spoken = (language or settings.LANGUAGE_CODE).split("-")[0]
        sample = Recipient(
            address="aisha@example.com",
            name="عائشة" if spoken == "ar" else "Aisha",
            language=settings.LANGUAGE_CODE,
            time_zone=ZoneInfo("Asia/Dubai"),
        )
        return sample, _sample(kind, at)
    user = get_user_model()._default_manager.filter(pk=professional_id).first()
    if user is None:
        raise UnknownProfessional(professional_id=professional_id)
    return find_recipient(user), _own(kind, professional_id, at)


def _own(kind: str, professional_id: ProfessionalId, at: datetime) -> Facts:
    """Return what a professional's books have to tell."""
    if kind == Notice.Kind.RESET:
        return _own_reset(professional_id, at)
    if kind == Notice.Kind.EXPIRY_WARNING:
        longest = max(get_settings().expiry_warning_days, default=1)
        until = at + timedelta(days=longest)
        # Where nothing is near, the mail that the first lot to expire will cause.
        first = lots_of(professional_id).filter(expires_at__gt=at).first()
        if first is not None and first.expires_at is not None:
            until = max(until, first.expires_at)
        return warning_facts(professional_id, until=until.astimezone(UTC).date(), at=at)
    last = (
        CreditTransaction.objects.using(ledger_database())
        .filter(professional_id=professional_id, transaction_type=TransactionType.EXPIRY)
        .select_related("run")
        .order_by("-pk")
        .first()
    )
    if last is None:
        raise NothingToSay(gettext_noop("No credits of theirs have expired so far."))
    return receipt_facts(professional_id, run=last.run, at=at)


def _own_reset(professional_id: ProfessionalId, at: datetime) -> Facts:
    """Return what a professional's last reset did; who had none is told of the one to come."""
    balance = CreditBalance.objects.using(ledger_database()).filter(pk=professional_id).first()
    # What a reset gave stands in the ledger: since then the rule may have changed.
    last = (
        CreditTransaction.objects.using(ledger_database())
        .filter(professional_id=professional_id, transaction_type=TransactionType.MONTHLY_RESET)
        .order_by("-pk")
        .first()
    )
    if balance and balance.free_before_reset is not None and last is not None:
        before, period = balance.free_before_reset, balance.last_reset_period
        after = before + last.amount
    else:
        before, period = (balance.free_credits if balance else 0), period_of(at)
        after = allowance_of(professional_id)
    return reset_facts(professional_id, before=before, after=after, period=period, at=at)


def _latest_run(kind: str, at: datetime) -> Facts | None:
    """Return the latest run that such a notice would be about."""
    statuses = {
        Notice.Kind.RUN_SUMMARY.value: [JobRun.Status.SUCCEEDED],
        Notice.Kind.RUN_FAILURE.value: [JobRun.Status.PARTIAL, JobRun.Status.FAILED],
    }
    runs = JobRun.objects.using(ledger_database()).filter(
        status__in=statuses.get(kind, []), started_at__lte=at
    )
    run = runs.order_by("-pk").first()
    return run_facts(run) if run else None


def _sample(kind: str, at: datetime) -> Facts:
    """Return something plausible to tell."""
    monthly = sample_allowance()
    month = period_of(at)
    balance = Balance(free=monthly, paid=112)
    lots = _sample_lots(at)
    losing = sum(lot.credits for lot in lots)
    match kind:
        case Notice.Kind.RESET:
            return ResetFacts(
                before=max(0, monthly - 70),
                after=monthly,
                period=month,
                balance=balance,
                monthly=monthly,
            )
        case Notice.Kind.EXPIRY_WARNING:
            then = Balance(free=monthly, paid=balance.paid - losing)
            return WarningFacts(
                lots,
                balance,
                balance_then=then,
                is_reset_until_then=period_of(lots[-1].expires_at) > month,
            )
        case Notice.Kind.EXPIRY_RECEIPT:
            return ReceiptFacts(losing, lots, Balance(free=monthly, paid=balance.paid - losing))
        case Notice.Kind.RUN_LATE:
            return LateFacts(
                JobRun.Job.RESET.value, month, f"manage.py reset_monthly_credits --period {month}"
            )
    is_failure = kind == Notice.Kind.RUN_FAILURE
    began = start_of(month) + timedelta(minutes=1)
    run = JobRun(
        pk=12,
        job=JobRun.Job.RESET,
        period=month,
        as_of=began,
        status=JobRun.Status.PARTIAL if is_failure else JobRun.Status.SUCCEEDED,
        started_at=began,
        heartbeat_at=began,
        finished_at=began + timedelta(seconds=4.2),
        host="web-1",
        total_count=1440,
        success_count=1438 if is_failure else 1440,
        error_count=2 if is_failure else 0,
        credits_granted=74_120,
        credits_expired=1_810,
        notices_staged=1_391,
        error_summary="2 failed; the first with: integer out of range" if is_failure else "",
    )
    errors = ("42", "integer out of range"), ("1077", "integer out of range")
    return RunFacts(
        run,
        failures=errors if is_failure else (),
        command=f"manage.py reset_monthly_credits --period {month}" if is_failure else "",
    )


def _sample_lots(at: datetime) -> tuple[Lot, ...]:
    """Return two lots that expire in about a week, the first at the end of a day in Dubai."""
    zone = ZoneInfo("Asia/Dubai")
    midnight = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    soonest, later = midnight + timedelta(days=6), midnight + timedelta(days=7, hours=13)
    rules = get_settings()
    return (
        Lot(
            50, "purchase", add_months(soonest, -rules.purchase_validity_months), soonest, "Starter"
        ),
        Lot(10, "refund", later - timedelta(days=rules.refund_grace_days), later),
    )
