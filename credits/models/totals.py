from django.db import models
from django.utils.translation import gettext_lazy as _

from credits.models.transactions import CreditType, TransactionType


class MonthlyTotal(models.Model):
    """
    What the ledger's rows of one month, type and pool add up to, as far as they were counted.

    Of what the two jobs wrote it has the price alone: the credits stand in their runs.

    Kept so that no chart and no report reads the ledger. It lags behind it: see ``TotalsMark``.
    """

    period = models.CharField(_("period"), max_length=7)
    transaction_type = models.CharField(_("type"), max_length=16, choices=TransactionType)
    credit_type = models.CharField(_("credit type"), max_length=4, choices=CreditType)
    currency = models.CharField(
        _("currency"), max_length=3, blank=True, help_text=_("Of the price; none, no price.")
    )
    transaction_count = models.BigIntegerField(_("transactions"), default=0)
    amount = models.BigIntegerField(_("credits"), default=0)
    price = models.DecimalField(_("price"), max_digits=18, decimal_places=2, default=0)

    class Meta:
        verbose_name = _("monthly total")
        verbose_name_plural = _("monthly report")
        constraints = [
            models.UniqueConstraint(
                fields=["period", "transaction_type", "credit_type", "currency"],
                name="credits_month_is_totalled_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.transaction_type} {self.credit_type} {self.amount:+,}"


class TotalsMark(models.Model):
    """How far the ledger is counted into the monthly totals: one row."""

    through = models.BigIntegerField(
        _("through"), default=0, help_text=_("The last transaction that is counted.")
    )
    # PostgreSQL: transactions up to ``next_through`` may be counted once every database transaction
    # below ``next_horizon`` is over, because no other can still bring a lower key. MariaDB: once
    # nobody holds the gate of the turn before ``next_horizon``. SQLite needs neither.
    next_through = models.BigIntegerField(_("next through"), default=0)
    next_horizon = models.BigIntegerField(_("next horizon"), default=0)

    class Meta:
        verbose_name = _("totals mark")
        verbose_name_plural = _("totals marks")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.through)
