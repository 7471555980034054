from typing import Any

from django.conf import settings
from django.db import IntegrityError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

ProfessionalId = Any
"""The primary key of a user: an integer, a UUID, whatever the project's user model makes it."""


class BalanceKey(models.OneToOneField):  # type: ignore[type-arg]  # generic in stubs only
    """
    The user as a primary key.

    SQLite keeps a table in the order of a key that is called ``integer``; under any other name the
    key is an index beside the table, and whoever looks for a balance looks twice.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of the user's own key, and of a number on SQLite that of its rows."""
        kind: str | None = super().db_type(connection)
        return "integer" if connection.vendor == "sqlite" and kind == "bigint" else kind

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Refuse nobody, whom SQLite would give a number; return the key as it is stored."""
        if value is None:
            raise IntegrityError("A balance is somebody's: its professional is missing.")
        return super().get_db_prep_save(value, connection)


class CreditBalance(models.Model):
    """
    What a professional holds now: the row that every writer locks first.

    Everything here but the claim can be computed again from the ledger (``verify_credits
    --rebuild``). The lifetime columns are kept so that a balance always explains itself:
    earned - spent - expired = free + paid.
    """

    professional = BalanceKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="credit_balance",
        verbose_name=_("professional"),
    )
    free_credits = models.IntegerField(_("free credits"), default=0)
    paid_credits = models.IntegerField(
        _("paid credits"),
        default=0,
        help_text=_("What is left in the lots, expired ones included until they are written off."),
    )
    lifetime_earned = models.BigIntegerField(
        _("lifetime earned"),
        default=0,
        help_text=_("Purchases, bonuses and adjustments, and what resets added."),
    )
    lifetime_spent = models.BigIntegerField(
        _("lifetime spent"), default=0, help_text=_("Spends less their refunds.")
    )
    lifetime_expired = models.BigIntegerField(
        _("lifetime expired"), default=0, help_text=_("Expired lots, and what resets took away.")
    )
    last_reset_date = models.DateTimeField(_("last reset"), null=True, blank=True)
    last_reset_period = models.CharField(_("last reset period"), max_length=7, blank=True)
    free_before_reset = models.IntegerField(
        _("free before reset"),
        null=True,
        blank=True,
        help_text=_("The free credits that the last reset found."),
    )
    # The run whose reset claimed this row last: a chunk's one UPDATE sets it, and everything after
    # that follows from what carries it. A mark, not a relation: no index, no constraint.
    claimed_by = models.ForeignKey(
        "credits.JobRun",
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
        related_name="+",
        verbose_name=_("claimed by run"),
    )
    last_purchase_at = models.DateTimeField(_("last purchase"), null=True, blank=True)
    last_spend_at = models.DateTimeField(_("last spend"), null=True, blank=True)

    class Meta:
        verbose_name = _("balance")
        verbose_name_plural = _("balances")
        permissions = [
            ("grant_credits", _("Can grant credits")),
            ("adjust_credits", _("Can adjust a balance")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(free_credits__gte=0, paid_credits__gte=0),
                name="credits_balance_is_never_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    lifetime_earned=F("lifetime_spent")
                    + F("lifetime_expired")
                    + F("free_credits")
                    + F("paid_credits")
                ),
                name="credits_balance_is_earned_less_spent_less_expired",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.free_credits} free, {self.paid_credits} paid"

    @property
    def total(self) -> int:
        """Free and paid credits together, expired lots included until they are written off."""
        return self.free_credits + self.paid_credits
