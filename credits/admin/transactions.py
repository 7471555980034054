from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.db import transaction as db_transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from credits.admin import cells
from credits.admin.acts import RefundAndExtend
from credits.admin.csv_export import stream_csv
from credits.admin.drill_down import drill_down
from credits.admin.filters import AuthorFilter, MonthFilter, OpenLotFilter
from credits.admin.pages import OwnPage
from credits.admin.read_only import email_field
from credits.admin.stretches import stretches
from credits.admin.transaction import page_of
from credits.engine.newest import newest
from credits.models import CreditTransaction

EXPORTED = (
    "id",
    "created_at",
    "professional_id",
    "transaction_type",
    "credit_type",
    "amount",
    "balance_before",
    "balance_after",
    "granted_amount",
    "remaining_amount",
    "expires_at",
    "price",
    "remaining_price",
    "currency",
    "description",
    "idempotency_key",
    "origin_id",
    "run_id",
    "created_by_id",
)
"""The columns of an export; their names are the same in every language."""

EXPORT_CHUNK = 2_000


@admin.register(CreditTransaction)
class CreditTransactionAdmin(RefundAndExtend, OwnPage):
    page_template = "credits/admin/transaction.html"
    change_list_template = "credits/admin/transactions.html"
    list_display = (
        "when",
        "professional_cell",
        "type_cell",
        "signed_amount",
        "change",
        "lot_left",
        "who",
    )
    list_display_links = ("when",)
    list_filter = (MonthFilter, "transaction_type", "credit_type", OpenLotFilter, AuthorFilter)
    list_select_related = ("professional", "created_by", "run")
    search_help_text = gettext_lazy(
        "Whole e-mail of a professional, id of a transaction, or idempotency key."
    )

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Have a box to search in; ``get_search_results`` says what is searched."""
        return ("id",)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Order by date; one professional's by key, lots of a time by expiry, as their indexes."""
        is_of_one = any(key.startswith("professional") for key in request.GET)
        if is_of_one or request.GET.get("q"):
            return ("-id",)
        if any(key.startswith("expires_at") for key in request.GET):
            return ("expires_at", "id")
        return ("-created_at", "-id")

    def key_finder(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> Callable[[int], list[Any]]:
        """Read a list that spans several stretches of an index from the end of each."""
        if found := stretches(request.GET, queryset):
            return lambda most: newest(found, most, using=queryset.db)
        return super().key_finder(request, queryset)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look up keys first, each through its own index; then the list is a matter of keys."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "@" in term:
            users = get_user_model()._default_manager.filter(**{email_field(): term})
            if owners := list(users.values_list("pk", flat=True)[:2]):
                return queryset.filter(professional_id__in=owners), False
        keys = set(
            CreditTransaction.objects.filter(idempotency_key=term).values_list("pk", flat=True)
        )
        if term.isascii() and term.isdigit() and len(term) < 19:
            keys.add(int(term))
        return queryset.filter(pk__in=keys), False

    def get_urls(self) -> list[URLPattern]:
        """Add the download."""
        export = path(
            "export/",
            self.admin_site.admin_view(self.export_view),
            name="credits_credittransaction_export",
        )
        return [export, *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission to export, besides the one to see."""
        return self.has_view_permission(request) and request.user.has_perm("credits.export_credits")

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Download what the list shows with the same address, to its last row, by key."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        found = self.get_changelist_instance(request).queryset
        return stream_csv("transactions", EXPORTED, _exported(found))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with the years and months there are above it."""
        context: dict[str, Any] = {"drill_down": drill_down(request)}
        if self.has_export_permission(request):
            query = request.GET.urlencode()
            address = reverse("admin:credits_credittransaction_export")
            context["export_url"] = f"{address}?{query}" if query else address
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description=gettext_lazy("when"))
    def when(self, transaction: CreditTransaction) -> SafeString:
        return cells.day_and_time(transaction.created_at)

    @admin.display(description=gettext_lazy("professional"))
    def professional_cell(self, transaction: CreditTransaction) -> SafeString:
        return cells.person(
            transaction.professional, cells.change_url("creditbalance", transaction.professional_id)
        )

    @admin.display(description=gettext_lazy("type and pool"))
    def type_cell(self, transaction: CreditTransaction) -> SafeString:
        return format_html(
            '{}<br><span class="credits-quiet">{}</span>',
            cells.type_badge(transaction),
            transaction.get_credit_type_display(),
        )

    @admin.display(description=gettext_lazy("credits"))
    def signed_amount(self, transaction: CreditTransaction) -> SafeString:
        return cells.signed(transaction.amount)

    @admin.display(description=gettext_lazy("balance"))
    def change(self, transaction: CreditTransaction) -> SafeString:
        return cells.before_after(transaction)

    @admin.display(description=gettext_lazy("lot left"))
    def lot_left(self, transaction: CreditTransaction) -> str:
        return cells.lot_left(transaction)

    @admin.display(description=gettext_lazy("who and what for"))
    def who(self, transaction: CreditTransaction) -> SafeString:
        return format_html(
            '{}<br><span class="credits-quiet">{}</span>',
            cells.author(transaction),
            transaction.description,
        )

    def page_context(self, request: HttpRequest, row: CreditTransaction) -> dict[str, Any]:
        """Return everything about one transaction."""
        return page_of(row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return transactions with whom they are about; a page reads the rest itself."""
        return super().get_queryset(request).select_related("professional", "created_by", "run")


def _exported(found: QuerySet[Any]) -> Iterator[tuple[Any, ...]]:
    rows = found.select_related(None).order_by("pk").values_list(*EXPORTED)
    # Outside a transaction PostgreSQL puts all the rows aside before it gives the first: a cursor
    # that is to outlive its statement is made so. SQLite's transactions would keep writers out.
    is_postgresql = connections[found.db].vendor == "postgresql"
    with db_transaction.atomic(using=found.db) if is_postgresql else nullcontext():
        yield from rows.iterator(chunk_size=EXPORT_CHUNK)
