"""The dashboard's charts and sentences: reports in, markup and words out; no database."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from credits.admin.cells import moment
from credits.admin.charts import Bar, Beat, Part, bar_chart, run_strip
from credits.engine.totals import Total
from credits.models import JobRun, TransactionType
from credits.notices.facts import JOB_TITLES
from credits.periods import add_months, first_day_of, period_of, start_of
from credits.reports.alarms import Alarm, Trouble
from credits.reports.outstanding import ExpiryMonth
from credits.reports.run_history import RunHistory, seconds_of

MONTHS = 13
"""Months of movements: this one beside the same of last year."""

_TONES = {
    JobRun.Status.SUCCEEDED: "good",
    JobRun.Status.PARTIAL: "warn",
    JobRun.Status.INTERRUPTED: "warn",
    JobRun.Status.FAILED: "bad",
    JobRun.Status.MISSED: "bad",
    JobRun.Status.RUNNING: "plain",
    JobRun.Status.SKIPPED: "plain",
}


def number(value: int, *, signed: bool = False) -> SafeString:
    """Return a number that is read from left to right in every language."""
    return format_html('<bdi dir="ltr">{}</bdi>', plain(value, signed=signed))


def plain(value: int, *, signed: bool = False) -> str:
    """Return a number as text, as mails write it."""
    return f"{value:+,}" if signed and value else f"{value:,}"


def duration(seconds: float) -> str:
    """Return a duration in the two units that matter."""
    if seconds < 60:
        return _("%(seconds)s s") % {"seconds": f"{seconds:.1f}"}
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": rest}
    hours, minutes = divmod(minutes, 60)
    return _("%(hours)s h %(minutes)s min") % {"hours": plain(hours), "minutes": minutes}


def tone(status: str) -> str:
    """Return the colour of a run's status."""
    return _TONES[JobRun.Status(status)]


def expiry_chart(months: Sequence[ExpiryMonth], *, linked: bool) -> SafeString:
    """Return the outstanding credits by the month in which they will be lost."""
    bars, ledger = [], reverse("admin:credits_credittransaction_changelist")
    for month in months:
        # The overdue begin with time itself, before which no zone has a month.
        first = None if month.is_overdue else first_day_of(period_of(month.begins_at))
        begins = date_format(first, "YEAR_MONTH_FORMAT") if first else ""
        values = {"credits": plain(month.credits), "month": begins}
        if first is None:
            label = pgettext("expiry", "overdue")
            title = _("Expired and not written off yet: %(credits)s credits") % values
        elif month.is_rest:
            label = pgettext("expiry", "later")
            title = _("%(month)s and later: %(credits)s credits expire") % values
        else:
            label = date_format(first, "M")
            title = _("%(month)s: %(credits)s credits expire") % values
        query = {
            "remaining_amount__gt": 0,
            "expires_at__gte": f"{month.begins_at:%Y-%m-%d %H:%M:%S+00:00}",
            "expires_at__lt": f"{month.ends_at:%Y-%m-%d %H:%M:%S+00:00}",
        }
        if month.is_overdue:
            del query["expires_at__gte"]
        if month.is_rest:
            del query["expires_at__lt"]
        url = f"{ledger}?{urlencode(query)}" if linked else ""
        bars.append(Bar(label, (Part(month.credits, title, url),)))
    return bar_chart(
        bars,
        title=_("Outstanding purchased credits by the month of their expiry"),
        legend=[_("credits that expire")],
        empty=_("No credits are waiting to expire."),
    )


def movement_chart(totals: Sequence[Total], *, as_of: datetime, linked: bool) -> SafeString:
    """Return what was granted, purchased, spent, expired and reset in the last months."""
    words = {
        TransactionType.BONUS: (_("granted"), _("%(month)s: %(credits)s granted")),
        TransactionType.PURCHASE: (_("purchased"), _("%(month)s: %(credits)s purchased")),
        TransactionType.SPEND: (_("spent"), _("%(month)s: %(credits)s spent")),
        TransactionType.EXPIRY: (_("expired"), _("%(month)s: %(credits)s expired")),
        TransactionType.MONTHLY_RESET: (_("reset"), _("%(month)s: %(credits)s by the reset")),
    }
    moved: defaultdict[tuple[str, str], int] = defaultdict(int)
    for total in totals:
        moved[total.period, total.transaction_type] += total.amount
    first = add_months(start_of(period_of(as_of)), 1 - MONTHS)
    bars, ledger = [], reverse("admin:credits_credittransaction_changelist")
    for step in range(MONTHS):
        period = period_of(add_months(first, step))
        begin = first_day_of(period)
        month = date_format(begin, "YEAR_MONTH_FORMAT")
        parts = []
        for series, (kind, (_word, title)) in enumerate(words.items(), 1):
            credits = moved[period, kind]
            query = {"transaction_type__exact": kind.value, "month": period}
            parts.append(
                Part(
                    credits,
                    title % {"month": month, "credits": plain(credits, signed=True)},
                    f"{ledger}?{urlencode(query)}" if linked else "",
                    series,
                )
            )
        bars.append(Bar(date_format(begin, "M"), tuple(parts)))
    return bar_chart(
        bars,
        title=_("Credits granted, purchased, spent, expired and reset per month"),
        legend=[word for word, _title in words.values()],
        empty=_("No credits have moved in the last 13 months."),
    )


def strip(history: RunHistory, *, as_of: datetime) -> SafeString:
    """Return the last runs of a job, oldest first."""
    # Once, not for each bar: to look up words and addresses is what takes time on this page.
    title = _("%(when)s: %(status)s, %(duration)s")
    runs = reverse("admin:credits_jobrun_changelist")
    statuses = {status.value: str(status.label) for status in JobRun.Status}
    beats = [
        Beat(
            seconds_of(run, as_of=as_of),
            tone(run.status),
            title
            % {
                "when": moment(run.started_at),
                "status": statuses[run.status],
                "duration": duration(seconds_of(run, as_of=as_of)),
            },
            f"{runs}{run.pk}/change/",
        )
        for run in reversed(history.runs)
    ]
    seen = dict.fromkeys(run.status for run in history.runs)
    words = {
        status: _("%(sign)s %(status)s") % {"sign": _sign(status), "status": status.label}
        if _sign(status)
        else str(status.label)
        for status in JobRun.Status
    }
    return run_strip(
        beats,
        title=_("The last runs of %(job)s") % {"job": JOB_TITLES[history.job]},
        legend=[(tone(status), words[status]) for status in JobRun.Status if status in seen],
        empty=_("It has not run yet."),
    )


def alarm_words(alarm: Alarm) -> str:
    """Return what is the matter, in a sentence."""
    run = alarm.run
    values = {"job": JOB_TITLES[alarm.job], "about": alarm.about}
    if run is None:
        return _("%(job)s did not happen: it is due since %(about)s.") % values
    values["when"] = moment(run.started_at)
    match alarm.trouble:
        case Trouble.PARTIAL:
            values |= {"failed": plain(run.error_count), "total": plain(run.total_count)}
            return (
                ngettext(
                    "%(job)s ended partial on %(when)s: %(failed)s of %(total)s failed.",
                    "%(job)s ended partial on %(when)s: %(failed)s of %(total)s failed.",
                    run.error_count,
                )
                % values
            )
        case Trouble.INTERRUPTED:
            return _("%(job)s was interrupted on %(when)s and has not gone on since.") % values
        case Trouble.LIFELESS:
            values["since"] = moment(run.heartbeat_at)
            return (
                _("%(job)s began on %(when)s and has shown no sign of life since %(since)s.")
                % values
            )
        case Trouble.MISSED:
            return _("%(job)s did not happen for %(about)s, and that month has passed.") % values
        case _:
            return _("%(job)s failed on %(when)s.") % values


def run_url(run: JobRun) -> str:
    """Return where a run's own page is."""
    return reverse("admin:credits_jobrun_change", args=[run.pk])


def _sign(status: str) -> str:
    return {"warn": "!", "bad": "✕"}.get(tone(status), "")
