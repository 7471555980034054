"""
The dashboard: what is outstanding, what will be lost, how the jobs and the mail are doing.

Every part stands alone: who may not see its model does not see it, and one that breaks says so in
its own place. It reads monthly totals, open lots and runs, never the ledger.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from credits.admin import drawing
from credits.admin.acknowledging import acknowledge_url
from credits.admin.cells import moment
from credits.admin.pausing import shown_pauses
from credits.admin.skin import ModelAdmin
from credits.engine.database import apart, ledger_database
from credits.engine.totals import monthly_totals
from credits.models import JobRun, Notice
from credits.notices.facts import JOB_TITLES
from credits.reports.alarms import alarms
from credits.reports.mail_health import LAST, mail_health
from credits.reports.next_reset import known_reset, next_reset, next_reset_date
from credits.reports.outstanding import ahead, known_ahead, outstanding
from credits.reports.run_history import RunHistory, run_history, seconds_of

logger = logging.getLogger("credits.admin")

TABLED = 10
"""Runs in the table of the last ones."""

COUNT = "count"
"""In the page's address: count what takes a while, now."""

_MAIL_TONES = {
    Notice.Status.DELIVERED: "good",
    Notice.Status.SENT: "good",
    Notice.Status.BOUNCED: "bad",
    Notice.Status.COMPLAINED: "bad",
    Notice.Status.FAILED: "bad",
    Notice.Status.PARKED: "warn",
}


@dataclass(frozen=True)
class Piece:
    """A part of the dashboard: what its template shows, or that it broke."""

    value: Any = None
    is_broken: bool = False


def dashboard(request: HttpRequest, *, now: datetime) -> dict[str, Piece | None]:
    """
    Return the parts the user may see, by name; nothing for those they may not.

    The number of statements does not depend on the number of rows.
    """
    user = request.user

    def piece(permission: str, look: Callable[[], Any]) -> Piece | None:
        return _look(look) if user.has_perm(f"credits.view_{permission}") else None

    # Both read it: it is asked once, and by who may see either.
    may_see_totals = user.has_perm("credits.view_creditbalance") or user.has_perm(
        "credits.view_monthlytotal"
    )
    totals = _look(lambda: monthly_totals(using=ledger_database())) if may_see_totals else None
    broken = Piece(is_broken=True)
    is_lost = totals is None or totals.is_broken
    linked = user.has_perm("credits.view_credittransaction")
    return {
        "runs": piece("jobrun", lambda: _runs(request, now)),
        "outstanding": broken
        if is_lost and user.has_perm("credits.view_creditbalance")
        else piece("creditbalance", lambda: outstanding(totals.value if totals else [])),
        "ahead": piece("creditbalance", lambda: _ahead(request, now, linked=linked)),
        "next_reset": piece("jobrun", lambda: _next_reset(now)),
        "mail": piece("notice", lambda: _mail(now)),
        "movements": broken
        if is_lost and user.has_perm("credits.view_monthlytotal")
        else piece(
            "monthlytotal",
            lambda: drawing.movement_chart(
                totals.value if totals else [], as_of=now, linked=linked
            ),
        ),
    }


class NextResetView(ModelAdmin):
    """Adds the page that counts the next reset; the dashboard's card is filled from it."""

    def get_urls(self) -> list[URLPattern]:
        """Put it before the pages of single runs."""
        view = self.admin_site.admin_view(self.next_reset_view)
        own = path("next-reset/", view, name="credits_jobrun_next_reset")
        urls: list[URLPattern] = super().get_urls()
        return [own, *urls]

    def next_reset_view(self, request: HttpRequest) -> HttpResponse:
        """Return the card alone with ``?fragment``, else a page that holds it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Next monthly reset"),
            "next_reset": _look(lambda: _counted_reset(now)),
            "opts": self.model._meta,
        }
        name = "next_reset_card" if "fragment" in request.GET else "next_reset"
        return TemplateResponse(request, f"credits/admin/{name}.html", context)


def _look(look: Callable[[], Any]) -> Piece:
    """Return what a function finds; whatever goes wrong in it stays inside its part."""
    try:
        with apart(using=ledger_database()):
            return Piece(look())
    except Exception:
        # The host's own rule of who is eligible is called here: it may raise anything.
        logger.exception("dashboard part failed")
        return Piece(is_broken=True)


def _runs(request: HttpRequest, now: datetime) -> dict[str, Any]:
    histories = [run_history(job, as_of=now) for job in JobRun.Job]
    runs = [run for history in histories for run in history.runs]
    latest = sorted(runs, key=lambda run: run.started_at, reverse=True)[:TABLED]
    return {
        "alarms": [
            {
                "words": drawing.alarm_words(alarm),
                "error": alarm.run.error_summary if alarm.run else "",
                "command": alarm.command,
                "url": drawing.run_url(alarm.run) if alarm.run else "",
                "acknowledge_url": acknowledge_url(request, alarm.run) if alarm.run else "",
            }
            for alarm in alarms(runs, as_of=now)
        ],
        "pauses": shown_pauses(request),
        "jobs": [_job(history, now) for history in histories],
        "latest": [
            {
                "run": run,
                "title": JOB_TITLES[run.job],
                "url": drawing.run_url(run),
                "started": moment(run.started_at),
                "tone": drawing.tone(run.status),
                "duration": drawing.duration(seconds_of(run, as_of=now)),
                "granted": drawing.number(run.credits_granted, signed=True),
                "expired": drawing.number(-run.credits_expired, signed=True),
            }
            for run in latest
        ],
    }


def _job(history: RunHistory, now: datetime) -> dict[str, Any]:
    return {
        "title": JOB_TITLES[history.job],
        "name": history.job.value,
        "strip": drawing.strip(history, as_of=now),
        "succeeded": history.succeeded,
        "ended": history.ended,
        # Rounded down: 199 of 200 is not all.
        "rate": history.succeeded * 100 // history.ended if history.ended else None,
        "median": None if history.median is None else drawing.duration(history.median),
        "p95": None if history.p95 is None else drawing.duration(history.p95),
    }


def _ahead(request: HttpRequest, now: datetime, *, linked: bool) -> dict[str, Any]:
    # Many lots take a while to count: the page comes without, and asks for them when it is there.
    counts = ahead if COUNT in request.GET else known_ahead
    known = counts(as_of=now)
    if known is None:
        return {"url": f"?{COUNT}=1"}
    return {
        "known": known,
        "is_earlier": known.counted_at != now,
        "chart": drawing.expiry_chart(known.months, linked=linked),
    }


def _next_reset(now: datetime) -> dict[str, Any]:
    date = next_reset_date(as_of=now)
    return {
        "date": date,
        "known": known_reset(date),
        "url": reverse("admin:credits_jobrun_next_reset"),
    }


def _counted_reset(now: datetime) -> dict[str, Any]:
    counted = next_reset(as_of=now)
    return {"date": counted.date, "known": counted}


def _mail(now: datetime) -> dict[str, Any]:
    health = mail_health(as_of=now)
    words = dict(Notice.Status.choices)
    changelist = reverse("admin:credits_notice_changelist")
    return {
        "health": health,
        "is_capped": health.waiting > LAST,
        "waiting": min(health.waiting, LAST),
        "outcomes": [
            {
                "words": words[status],
                "count": drawing.number(count),
                "tone": _MAIL_TONES.get(Notice.Status(status), "plain"),
                "url": f"{changelist}?status__exact={status}",
            }
            for status, count in health.outcomes.items()
        ],
    }
