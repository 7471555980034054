from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from credits.admin import cells
from credits.admin.acts import GrantAndAdjust
from credits.admin.filters import ExpiringFilter, HoldingFilter, VerifiedFilter
from credits.admin.pages import OwnPage
from credits.admin.professional import page_of
from credits.admin.searching import find_professionals, help_text
from credits.models import CreditBalance, CreditTransaction

MOST_LOSING = 1_000
"""Professionals about to lose credits that are counted, and that can be paged through."""


class NextExpiry:
    """A list of balances that knows what each of the page's rows loses next: one query."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page's rows, and the first lots of them all."""
        super().get_results(request)  # type: ignore[misc]  # a mixin of ChangeList
        rows = self.result_list = list(self.result_list)
        lots = (
            CreditTransaction.objects.spendable(timezone.now())
            .filter(professional_id__in=[row.pk for row in rows])
            .order_by("professional_id", "expires_at")
            .values_list("professional_id", "expires_at", "remaining_amount")
        )
        soonest: dict[Any, tuple[Any, int]] = {}
        for owner, expires_at, left in lots:
            first, credits_left = soonest.get(owner, (expires_at, 0))
            if expires_at == first:
                soonest[owner] = first, credits_left + left
        for row in rows:
            row.expires_next = soonest.get(row.pk)

    result_list: Any


@admin.register(CreditBalance)
class CreditBalanceAdmin(GrantAndAdjust, OwnPage):
    page_template = "credits/admin/professional.html"
    list_display = ("who", "total", "free", "paid", "expires_next", "last_reset")
    list_display_links = None
    # The cheapest first: SQLite asks them of each row in this order.
    list_filter = (HoldingFilter, ExpiringFilter, VerifiedFilter)
    list_select_related = ("professional",)
    # By key alone: to sort a million rows by what they hold takes longer than anybody waits.
    ordering = ("professional_id",)
    search_help_text = lazy(help_text, str)()

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Have a box to search in; ``get_search_results`` says what is searched."""
        return ("professional",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the people first: then the balances are a matter of keys."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(pk__in=find_professionals(term)), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Add what expires next to the list of whichever skin there is."""
        return type("BalanceList", (NextExpiry, super().get_changelist(request, **kwargs)), {})

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the pages of the list; fewer of those who lose credits: each is asked about it."""
        pages = super().get_paginator(request, *args, **kwargs)
        if ExpiringFilter.parameter_name in request.GET:
            pages.most = MOST_LOSING
        return pages

    def key_finder(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> Callable[[int], list[Any]]:
        """
        Return what finds the keys; of who holds nothing, of whom no index knows, by reading all.

        The coalesce keeps the index of the keys out: to look up a million balances in their order
        takes three times as long as to read them as they lie, and to sort the few that are meant.
        """
        if HoldingFilter.parameter_name in request.GET:
            queryset = queryset.order_by(Coalesce("pk", "pk"))
        return super().key_finder(request, queryset)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("professional")

    @admin.display(description=_("professional"), ordering="professional")
    def who(self, balance: CreditBalance) -> SafeString:
        return cells.person(balance.professional, cells.change_url("creditbalance", balance.pk))

    @admin.display(description=_("total"))
    def total(self, balance: CreditBalance) -> SafeString:
        return format_html("<strong>{}</strong>", cells.number(balance.total))

    @admin.display(description=_("free"))
    def free(self, balance: CreditBalance) -> str:
        return cells.number(balance.free_credits)

    @admin.display(description=_("paid"))
    def paid(self, balance: CreditBalance) -> str:
        return cells.number(balance.paid_credits)

    @admin.display(description=_("expires next"))
    def expires_next(self, balance: Any) -> SafeString | str:
        if balance.expires_next is None:
            return ""
        expires_at, left = balance.expires_next
        return format_html(
            '{}<br><span class="credits-quiet">{}</span>',
            cells.day(expires_at),
            cells.credits(left),
        )

    @admin.display(description=_("last reset"))
    def last_reset(self, balance: CreditBalance) -> str:
        return cells.day(balance.last_reset_date)

    def page_context(self, request: HttpRequest, row: CreditBalance) -> dict[str, Any]:
        """Return the professional's timeline."""
        return page_of(row, request.GET, as_of=timezone.now())
