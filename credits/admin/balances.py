from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from credits.admin.read_only import ReadOnlyAdmin, email_field
from credits.models import CreditBalance


@admin.register(CreditBalance)
class CreditBalanceAdmin(ReadOnlyAdmin):
    list_display = (
        "professional",
        "total_credits",
        "free_credits",
        "paid_credits",
        "last_reset_period",
        "last_purchase_at",
        "last_spend_at",
    )
    list_select_related = ("professional",)
    ordering = ("professional_id",)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search whole addresses, which an index answers."""
        return (f"professional__{email_field()}__exact",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditBalance]:
        """Add the total, so that the list can be sorted by it."""
        balances: QuerySet[CreditBalance] = super().get_queryset(request)
        return balances.annotate(total_credits=F("free_credits") + F("paid_credits"))

    @admin.display(description=_("total"), ordering="total_credits")
    def total_credits(self, balance: CreditBalance) -> int:
        return balance.total
