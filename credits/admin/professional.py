"""What a professional's page shows, in the words of a page."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from credits.admin import cells
from credits.admin.charts import step_chart
from credits.admin.filters import eligible_professionals
from credits.models import CreditBalance, Notice
from credits.reports.timeline import LotState, OpenLot, balance_on, timeline

NOTICE_TONES = {
    Notice.Status.SENT: "info",
    Notice.Status.DELIVERED: "good",
    Notice.Status.BOUNCED: "bad",
    Notice.Status.COMPLAINED: "bad",
    Notice.Status.FAILED: "bad",
    Notice.Status.PARKED: "warn",
    Notice.Status.SUPPRESSED: "warn",
}


def page_of(balance: CreditBalance, asked: Mapping[str, str], *, as_of: datetime) -> dict[str, Any]:
    """Return what ``professional.html`` shows; ``asked`` may hold ``on`` and ``before``."""
    professional = balance.professional
    before = asked.get("before", "")
    is_key = before.isascii() and before.isdigit() and len(before) < 19
    found = timeline(
        balance.pk,
        as_of=as_of,
        address=cells.email_of(professional),
        before=int(before) if is_key else None,
    )
    eligible = eligible_professionals()
    return {
        "title": cells.name_of(professional),
        "balance": balance,
        "email": cells.email_of(professional),
        "is_verified": None if eligible is None else eligible.filter(pk=balance.pk).exists(),
        "timeline": found,
        "chart": step_chart(
            found.points,
            title=_("Balance over time: now %(credits)s.")
            % {"credits": cells.credits(balance.total)},
            empty=_("Nothing has happened yet."),
            until=as_of,
        ),
        "lots": [(lot.transaction, countdown(lot), _lot_tone(lot)) for lot in found.lots],
        "notices": [
            (notice, NOTICE_TONES.get(Notice.Status(notice.status), "plain"))
            for notice in found.notices
        ],
        "is_paged": is_key,
        **_on_a_date(balance, asked.get("on", "").strip(), as_of=as_of),
    }


def countdown(lot: OpenLot) -> str:
    """Return when a lot expires, as one says it."""
    if lot.state is LotState.DUE:
        return _("expired, waits to be written off")
    if lot.state is LotState.LAST_DAY:
        return _("in less than a day")
    return ngettext("in %(number)s day", "in %(number)s days", lot.days_left) % {
        "number": cells.number(lot.days_left)
    }


def _lot_tone(lot: OpenLot) -> str:
    if lot.state is LotState.DUE:
        return "bad"
    return "warn" if lot.days_left < 30 else "plain"


def _on_a_date(balance: CreditBalance, text: str, *, as_of: datetime) -> dict[str, Any]:
    if not text:
        return {"on": "", "on_balance": None, "on_problem": ""}
    try:
        on = date.fromisoformat(text)
        # The first moment of the next day is the next day's; what happened before it counts.
        midnight = datetime.combine(on + timedelta(days=1), datetime.min.time())
        end = timezone.make_aware(midnight) - timedelta(microseconds=1)
    except (ValueError, OverflowError):
        problem = _("“%(text)s” is not a date; write it as 2026-11-30.") % {"text": text[:40]}
        return {"on": "", "on_balance": None, "on_problem": problem}
    return {
        "on": on.isoformat(),
        "on_date": on,
        "on_balance": balance_on(balance.pk, end, as_of=as_of),
        "on_problem": "",
    }
