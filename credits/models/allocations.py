from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class CreditAllocation(models.Model):
    """How many credits of one lot a transaction drew (negative) or gave back (positive)."""

    lot = models.ForeignKey(
        "credits.CreditTransaction",
        on_delete=models.PROTECT,
        related_name="drawn",
        verbose_name=_("lot"),
    )
    transaction = models.ForeignKey(
        "credits.CreditTransaction",
        on_delete=models.PROTECT,
        db_index=False,  # the unique constraint begins with it
        related_name="allocations",
        verbose_name=_("transaction"),
    )
    amount = models.IntegerField(_("amount"))
    price = models.DecimalField(
        _("price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("The part of the lot's price that goes with the credits, signed."),
    )

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "lot"], name="credits_lot_is_allocated_once_a_transaction"
            ),
            models.CheckConstraint(
                condition=~Q(amount=0), name="credits_allocation_moves_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:+,} of lot {self.lot_id}"
