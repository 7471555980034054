from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from credits.admin.read_only import ReadOnlyAdmin, ReadOnlyTable, ReadOnlyText, email_field
from credits.models import CreditAllocation, CreditTransaction, TransactionReason


class AllocationInline(ReadOnlyTable):
    """The lots a transaction drew from or gave back to."""

    model = CreditAllocation
    fk_name = "transaction"
    fields = ("lot", "amount")


class DrawnInline(AllocationInline):
    """The transactions that drew from a lot or gave back to it."""

    fk_name = "lot"
    fields = ("transaction", "amount")
    verbose_name_plural = _("drawn from this lot")


class ReasonInline(ReadOnlyText):
    model = TransactionReason
    fields = ("text",)


@admin.register(CreditTransaction)
class CreditTransactionAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "created_at",
        "professional",
        "transaction_type",
        "credit_type",
        "signed_amount",
        "balance_before",
        "balance_after",
        "lot_left",
        "expires_at",
        "description",
    )
    list_display_links = ("id",)
    list_filter = ("transaction_type", "credit_type")
    list_select_related = ("professional",)
    # By key: it is the order things happened in, and the one an index has.
    ordering = ("-id",)
    inlines = (ReasonInline, AllocationInline, DrawnInline)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search whole addresses and keys, which indexes answer."""
        return (f"professional__{email_field()}__exact", "idempotency_key__exact")

    @admin.display(description=_("credits"), ordering="amount")
    def signed_amount(self, transaction: CreditTransaction) -> str:
        return f"{transaction.amount:+,}"

    @admin.display(description=_("lot left"))
    def lot_left(self, transaction: CreditTransaction) -> str:
        if not transaction.granted_amount:
            return ""
        return f"{transaction.remaining_amount:,} / {transaction.granted_amount:,}"
