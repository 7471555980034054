"""The monthly report: the model's list is the report itself, in a table and as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credits.admin.csv_export import stream_csv
from credits.admin.read_only import ReadOnlyAdmin
from credits.models import MonthlyTotal, TransactionType
from credits.periods import first_day_of
from credits.reports.monthly import MOVEMENTS, Account, Line, MonthlyReport, monthly_report

POOLS = {
    "all": gettext_lazy("Free and paid"),
    "free": gettext_lazy("Free"),
    "paid": gettext_lazy("Paid"),
}

COLUMNS = {
    TransactionType.PURCHASE: gettext_lazy("Purchased"),
    TransactionType.BONUS: gettext_lazy("Granted"),
    TransactionType.MONTHLY_RESET: gettext_lazy("Reset"),
    TransactionType.SPEND: gettext_lazy("Spent"),
    TransactionType.REFUND: gettext_lazy("Refunded"),
    TransactionType.EXPIRY: gettext_lazy("Expired"),
    TransactionType.ADJUSTMENT: gettext_lazy("Adjusted"),
}


@dataclass(frozen=True)
class Table:
    """One account over the months of a year, as the page shows it."""

    title: str
    is_money: bool
    rows: list[dict[str, Any]]
    totals: list[Any]


@admin.register(MonthlyTotal)
class MonthlyReportAdmin(ReadOnlyAdmin):
    """Opening, movements and closing of every month, in credits and in money."""

    def get_urls(self) -> list[URLPattern]:
        """Add the export before Django's own pages."""
        export = path(
            "export/",
            self.admin_site.admin_view(self.export_view),
            name="credits_monthlytotal_export",
        )
        return [export, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the report of a year, that of the latest movement unless another is asked for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        report = monthly_report(as_of=timezone.now())
        years = sorted({period[:4] for period in report.periods}, reverse=True)
        year = request.GET.get("year", "")
        if year not in years:
            year = years[0] if years else ""
        pool = request.GET.get("pool", "")
        if pool not in POOLS:
            pool = "all"
        context = {
            **self.admin_site.each_context(request),
            "title": _("Monthly report"),
            "opts": self.opts,
            "columns": [_("Month"), _("Opening"), *COLUMNS.values(), _("Closing")],
            "tables": list(self._tables(report, year, pool)),
            "years": [(other, _query(year=other, pool=pool)) for other in years],
            "year": year,
            "pools": [(key, name, _query(year=year, pool=key)) for key, name in POOLS.items()],
            "pool": pool,
            "may_export": request.user.has_perm("credits.export_credits"),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "credits/admin/report.html", context)

    def _tables(self, report: MonthlyReport, year: str, pool: str) -> Iterator[Table]:
        accounts = {"all": report.total, "free": report.free, "paid": report.paid}
        pools = "" if pool == "all" else pool
        yield _table(_("Credits"), accounts[pool], year, pool=pools, is_money=False)
        if pool == "free":
            return
        for currency, account in report.money.items():
            title = _("What was paid for the credits, in %(currency)s") % {"currency": currency}
            yield _table(title, account, year, pool=pools, is_money=True)

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Send all months of all accounts as CSV."""
        may_export = request.user.has_perm("credits.export_credits")
        if not (may_export and self.has_view_permission(request)):
            raise PermissionDenied
        report = monthly_report(as_of=timezone.now())
        # Machines read this too: names of columns are the same in every language.
        header = ["month", "account", "opening", *(kind.value for kind in MOVEMENTS), "closing"]
        return stream_csv("credits-monthly-report", header, _csv_rows(report))


def _table(title: str, account: Account, year: str, *, pool: str, is_money: bool) -> Table:
    lines = [line for line in account.lines if line.period.startswith(year)]
    totals: list[Any] = []
    if lines:
        sums = [sum(line.movements[kind] for line in lines) for kind in MOVEMENTS]
        totals = [lines[0].opening, *sums, lines[-1].closing]
    return Table(title, is_money, [_row(line, pool) for line in reversed(lines)], totals)


def _row(line: Line, pool: str) -> dict[str, Any]:
    transactions = reverse("admin:credits_credittransaction_changelist")
    cells = []
    for kind in MOVEMENTS:
        query = {"transaction_type__exact": kind.value, "month": line.period}
        if pool:
            query["credit_type__exact"] = pool
        cells.append((line.movements[kind], f"{transactions}?{urlencode(query)}"))
    return {
        "month": date_format(first_day_of(line.period), "F Y"),
        "opening": line.opening,
        "cells": cells,
        "closing": line.closing,
    }


def _csv_rows(report: MonthlyReport) -> Iterator[list[Any]]:
    accounts = {
        "free credits": report.free,
        "paid credits": report.paid,
        "credits": report.total,
    } | report.money
    for name, account in accounts.items():
        for line in account.lines:
            moved = [line.movements[kind] for kind in MOVEMENTS]
            yield [line.period, name, line.opening, *moved, line.closing]


def _query(**parameters: str) -> str:
    return f"?{urlencode(parameters)}"
