"""The four acts, and the admins that have them."""

from typing import Any

from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from credits.admin import cells
from credits.admin.acts.flow import Act, ActPage
from credits.admin.acts.forms import AdjustForm, ExtendForm, GrantForm, RefundForm
from credits.ledger import adjust, extend, grant_bonus, refund
from credits.models import CreditBalance, CreditTransaction, CreditType, TransactionType


class _OnBalance(ActPage):
    """An act on a professional's balance."""

    def row_name(self, row: CreditBalance) -> str:
        return cells.name_of(row.professional)

    def state(self, row: CreditBalance) -> str:
        return _("Balance now: %(free)s free, %(paid)s paid.") % {
            "free": cells.number(row.free_credits),
            "paid": cells.number(row.paid_credits),
        }


class _OnTransaction(ActPage):
    """An act on a transaction."""

    def row_name(self, row: CreditTransaction) -> str:
        return cells.title_of(row)


class Grant(_OnBalance):
    """Give credits away."""

    name = "grant"
    permission = "credits.grant_credits"
    form_class = GrantForm

    def label(self) -> str:
        return _("Grant credits")

    def title(self, row: CreditBalance) -> str:
        return _("Grant credits to %(name)s") % {"name": cells.name_of(row.professional)}

    def perform(
        self, row: CreditBalance, cleaned: dict[str, Any], **common: Any
    ) -> list[CreditTransaction]:
        return [
            grant_bonus(
                professional_id=row.pk,
                amount=cleaned["amount"],
                credit_type=CreditType(cleaned["credit_type"]),
                expires_at=cleaned["expires_at"],
                **common,
            )
        ]


class Adjust(_OnBalance):
    """Correct a balance."""

    name = "adjust"
    permission = "credits.adjust_credits"
    form_class = AdjustForm

    def label(self) -> str:
        return _("Adjust the balance")

    def title(self, row: CreditBalance) -> str:
        return _("Adjust the balance of %(name)s") % {"name": cells.name_of(row.professional)}

    def perform(
        self, row: CreditBalance, cleaned: dict[str, Any], **common: Any
    ) -> list[CreditTransaction]:
        return [
            adjust(
                professional_id=row.pk,
                amount=cleaned["amount"],
                credit_type=CreditType(cleaned["credit_type"]),
                expires_at=cleaned["expires_at"],
                **common,
            )
        ]


class Refund(_OnTransaction):
    """Give a spend back, whole or in part."""

    name = "refund"
    permission = "credits.refund_credits"
    form_class = RefundForm

    def label(self) -> str:
        return _("Refund")

    def title(self, row: CreditTransaction) -> str:
        return _("Refund %(name)s") % {"name": cells.title_of(row)}

    def state(self, row: CreditTransaction) -> str:
        return _("%(credits)s can still be refunded.") % {
            "credits": cells.credits(_left_to_refund(row))
        }

    def why_not(self, row: CreditTransaction) -> str:
        if row.transaction_type != TransactionType.SPEND:
            return _("Only a spend can be refunded.")
        if _left_to_refund(row) == 0:
            return _("Nothing of this spend is left to refund.")
        return ""

    def perform(
        self, row: CreditTransaction, cleaned: dict[str, Any], **common: Any
    ) -> list[CreditTransaction]:
        return refund(spend_key=str(row.idempotency_key), amount=cleaned["amount"], **common)


class Extend(_OnTransaction):
    """Give a lot a later end."""

    name = "extend"
    permission = "credits.extend_credits"
    form_class = ExtendForm

    def label(self) -> str:
        return _("Extend")

    def title(self, row: CreditTransaction) -> str:
        return _("Extend %(name)s") % {"name": cells.title_of(row)}

    def state(self, row: CreditTransaction) -> str:
        return _("%(credits)s are left; they expire on %(moment)s.") % {
            "credits": cells.credits(row.remaining_amount),
            "moment": cells.moment(row.expires_at),
        }

    def why_not(self, row: CreditTransaction) -> str:
        if not row.granted_amount:
            return _("Only a lot of paid credits can be extended.")
        if row.remaining_amount == 0 or (row.expires_at and row.expires_at <= timezone.now()):
            return _("This lot is empty or has expired, so there is nothing to extend.")
        return ""

    def perform(
        self, row: CreditTransaction, cleaned: dict[str, Any], **common: Any
    ) -> list[CreditTransaction]:
        return [extend(lot_id=row.pk, expires_at=cleaned["expires_at"], **common)]


def _left_to_refund(spend: CreditTransaction) -> int:
    """Return what is left of all rows of a spend: one over both pools has two."""
    rows = CreditTransaction.objects.filter(professional_id=spend.professional_id)
    spent = list(rows.filter(idempotency_key=spend.idempotency_key))
    # Of a spend nothing comes but refunds. To ask for them by type would lead SQLite to the index
    # of all refunds; the professional's own rows are few.
    refunded = rows.filter(origin__in=[row.pk for row in spent])
    left: int = -sum(row.amount for row in [*spent, *refunded])
    return left


class _WithActs:
    """An admin with pages that act."""

    act_pages: tuple[type[ActPage], ...] = ()

    def get_urls(self) -> list[URLPattern]:
        """Add the acts before Django's own pages, whose last address takes everything."""
        acts = [page(self).pattern() for page in self.act_pages]  # type: ignore[arg-type]
        return [*acts, *super().get_urls()]  # type: ignore[misc]  # a mixin of ModelAdmin

    def acts_for(self, request: HttpRequest, row: Any) -> list[Act]:
        """Return what this person may do with this row now."""
        pages = [page(self) for page in self.act_pages]  # type: ignore[arg-type]
        return [
            Act(page.label(), page.url(row))
            for page in pages
            if page.is_permitted(request, row) and not page.why_not(row)
        ]


class GrantAndAdjust(_WithActs):
    """The acts on a professional's balance."""

    act_pages = (Grant, Adjust)


class RefundAndExtend(_WithActs):
    """The acts on a transaction: a spend is refunded, a lot extended."""

    act_pages = (Refund, Extend)
