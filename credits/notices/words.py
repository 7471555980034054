"""What the templates are given: the facts of a notice, written out in the active language."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext, ngettext

from credits.conf import get_settings
from credits.ledger import Balance
from credits.models import JobRun
from credits.notices import wording
from credits.notices.facts import (
    JOB_TITLES,
    Facts,
    LateFacts,
    Lot,
    ReceiptFacts,
    ResetFacts,
    RunFacts,
    WarningFacts,
)
from credits.notices.recipients import Recipient
from credits.notices.wording import Isolated, Number, clean
from credits.periods import first_day_of


@dataclass(frozen=True)
class Figure:
    """A number that a mail shows large."""

    label: str
    number: Number
    is_loss: bool = False


def words_of(facts: Facts, *, recipient: Recipient, at: datetime) -> dict[str, Any]:
    """Return the variables of a kind's templates; texts are safe to put into either."""
    zone = recipient.time_zone
    match facts:
        case ResetFacts():
            own = _reset_words(facts)
        case WarningFacts():
            own = _warning_words(facts, zone, now=at)
        case ReceiptFacts():
            own = _receipt_words(facts, zone, now=at)
        case RunFacts():
            own = _run_words(facts, zone)
        case LateFacts():
            own = _late_words(facts)
    rules = get_settings()
    return {
        "name": recipient.name and Isolated(recipient.name),
        "brand": clean(parseaddr(settings.DEFAULT_FROM_EMAIL)[0]),
        "site_url": rules.site_url,
        "action_url": rules.action_url,
        "zone": wording.time_zone(zone),
        "validity": _months(rules.purchase_validity_months),
        "grace": _days(rules.refund_grace_days),
        "leads": wording.listed(
            [_days(lead) for lead in sorted(rules.expiry_warning_days, reverse=True)]
        ),
    } | own


def _reset_words(facts: ResetFacts) -> dict[str, Any]:
    return {
        "before": Number(facts.before),
        "after": Number(facts.after),
        "is_rise": facts.after > facts.before,
        "month": wording.month(first_day_of(facts.period)),
        "monthly": Number(facts.monthly),
        "figures": [
            Figure(gettext("Free credits"), Number(facts.balance.free)),
            Figure(gettext("Purchased credits"), Number(facts.balance.paid)),
            Figure(gettext("Balance now"), Number(facts.balance.total)),
        ],
    } | _balance_words(facts.balance)


def _warning_words(facts: WarningFacts, zone: ZoneInfo, *, now: datetime) -> dict[str, Any]:
    first, last = facts.lots[0].expires_at, facts.lots[-1].expires_at
    then = Number(facts.balance_then.total)
    then_from = wording.from_when(last, zone, now=now)
    return {
        "credits": Number(facts.credits),
        "figures": [
            Figure(gettext("Balance now"), Number(facts.balance.total)),
            Figure(gettext("Expiring"), Number(-facts.credits, signed=True), is_loss=True),
            Figure(gettext("From %(day)s") % {"day": then_from}, then),
        ],
        "lots": _lot_rows(facts.lots, zone, now=now),
        "has_refunds": any(lot.origin == "refund" for lot in facts.lots),
        "use_by": wording.short_last_day(first, zone, now=now),
        "is_one_day": first == last,
        "then": then,
        "then_from": then_from,
        "is_reset_until_then": facts.is_reset_until_then,
        "monthly": Number(facts.balance_then.free),
    } | _balance_words(facts.balance)


def _receipt_words(facts: ReceiptFacts, zone: ZoneInfo, *, now: datetime) -> dict[str, Any]:
    return {
        "credits": Number(facts.credits),
        "figures": [
            Figure(gettext("Expired"), Number(-facts.credits, signed=True), is_loss=True),
            Figure(gettext("Purchased credits left"), Number(facts.balance.paid)),
            Figure(gettext("Balance now"), Number(facts.balance.total)),
        ],
        "lots": _lot_rows(facts.lots, zone, now=now),
    } | _balance_words(facts.balance)


def _run_words(facts: RunFacts, zone: ZoneInfo) -> dict[str, Any]:
    run = facts.run
    ended = run.finished_at or run.heartbeat_at
    took = f"{(ended - run.started_at).total_seconds():,.1f}"
    more = run.error_count - len(facts.failures)
    rows = [
        (gettext("Run"), Isolated(str(run.pk))),
        (gettext("Month"), run.period and wording.month(first_day_of(run.period))),
        (
            gettext("As of (%(zone)s)") % {"zone": wording.time_zone(zone)},
            wording.moment_of(run.as_of, zone),
        ),
        (gettext("Succeeded"), Number(run.success_count)),
        (gettext("Failed"), Number(run.error_count)),
        (gettext("Credits granted"), Number(run.credits_granted, signed=True)),
        (gettext("Credits expired"), Number(-run.credits_expired, signed=True)),
        (gettext("Notices promised"), Number(run.notices_staged)),
        (gettext("Took"), Isolated(gettext("%(seconds)s s") % {"seconds": took})),
        (gettext("Host"), Isolated(clean(run.host))),
    ]
    return {
        "job": _job_title(run.job),
        "run_id": Isolated(str(run.pk)),
        "period": run.period and Isolated(run.period),
        "is_complete": run.status == JobRun.Status.SUCCEEDED,
        "is_partial": run.status == JobRun.Status.PARTIAL,
        "status": run.get_status_display(),
        "succeeded": Number(run.success_count),
        "failed": Number(run.error_count),
        "net": Number(run.credits_granted - run.credits_expired, signed=True),
        "rows": [(label, value) for label, value in rows if value],
        "summary": run.error_summary and Isolated(clean(run.error_summary)),
        "failures": [
            (Isolated(clean(key)), Isolated(clean(error))) for key, error in facts.failures
        ],
        "more": Number(more) if more > 0 else "",
        "command": clean(facts.command),
        "run_url": _run_url(run),
    }


def _late_words(facts: LateFacts) -> dict[str, Any]:
    return {
        "job": _job_title(facts.job),
        "about": Isolated(clean(facts.about)),
        "command": clean(facts.command),
    }


def _balance_words(balance: Balance) -> dict[str, Any]:
    return {
        "free": Number(balance.free),
        "paid": Number(balance.paid),
        "total": Number(balance.total),
    }


def _lot_rows(lots: tuple[Lot, ...], zone: ZoneInfo, *, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "credits": Number(lot.credits),
            "origin": _origin(lot, wording.day(lot.granted_at, zone, now=now)),
            "note": (note := clean(lot.note)) and Isolated(note),
            "use_by": wording.last_day(lot.expires_at, zone),
        }
        for lot in lots
    ]


def _origin(lot: Lot, day: Isolated) -> str:
    phrases = {
        "purchase": gettext("Purchase of %(day)s"),
        "refund": gettext("Refund of %(day)s"),
        "bonus": gettext("Bonus of %(day)s"),
        "extension": gettext("Extension of %(day)s"),
    }
    return phrases.get(lot.origin, gettext("Adjustment of %(day)s")) % {"day": day}


def _days(count: int) -> str:
    return ngettext("%(days)s day", "%(days)s days", count) % {"days": Number(count)}


def _months(count: int) -> str:
    return ngettext("%(months)s month", "%(months)s months", count) % {"months": Number(count)}


def _job_title(job: str) -> str:
    return str(JOB_TITLES[job]) if job in JOB_TITLES else Isolated(clean(job))


def _run_url(run: JobRun) -> str:
    site = get_settings().site_url.rstrip("/")
    try:
        return site and site + reverse("admin:credits_jobrun_change", args=[run.pk])
    except NoReverseMatch:
        return ""
