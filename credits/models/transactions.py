from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from credits.models.conditions import WithConditions


class TransactionType(models.TextChoices):
    PURCHASE = "purchase", _("purchase")
    SPEND = "spend", _("spend")
    REFUND = "refund", _("refund")
    BONUS = "bonus", _("bonus")
    MONTHLY_RESET = "monthly_reset", _("monthly reset")
    EXPIRY = "expiry", _("expiry")
    ADJUSTMENT = "adjustment", _("adjustment")


class CreditType(models.TextChoices):
    FREE = "free", _("free")
    PAID = "paid", _("paid")


class CreditTransactionQuerySet(models.QuerySet["CreditTransaction"]):
    def open_lots(self) -> Self:
        """Return lots that are not empty, expired ones included."""
        return self.filter(remaining_amount__gt=0)

    def spendable(self, as_of: datetime) -> Self:
        """Return open lots that have not expired at ``as_of``."""
        return self.open_lots().filter(expires_at__gt=as_of)

    def due(self, as_of: datetime) -> Self:
        """Return open lots that have expired at ``as_of`` and wait to be written off."""
        return self.open_lots().filter(expires_at__lte=as_of)


class CreditTransaction(WithConditions):
    """
    One signed movement in the ledger; never edited, never deleted (triggers refuse it).

    A paid row that grants credits is also a *lot*: ``granted_amount`` of it came in,
    ``remaining_amount`` of that is left, until ``expires_at``. The grant is mostly the amount,
    but not always: a refund grants only what it cannot put back into the lots it came from, and
    an extension, whose amount is zero, grants what it took from the lot it extends.
    """

    professional = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,  # credits_transaction_history begins with it
        related_name="credit_transactions",
        verbose_name=_("professional"),
    )
    transaction_type = models.CharField(_("type"), max_length=16, choices=TransactionType)
    credit_type = models.CharField(_("credit type"), max_length=4, choices=CreditType)
    amount = models.IntegerField(
        _("amount"), help_text=_("Change of the balance in credits, signed.")
    )
    granted_amount = models.IntegerField(
        _("granted"), default=0, help_text=_("Credits this row brought in as a lot.")
    )
    remaining_amount = models.IntegerField(
        _("remaining"), default=0, help_text=_("Credits of this lot that are left.")
    )
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    balance_before = models.IntegerField(_("balance before"))
    balance_after = models.IntegerField(_("balance after"))
    description = models.CharField(_("description"), max_length=200, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    # Of every lot, not of purchases alone: what an extension or a refund carries over into a new
    # lot is still what somebody paid for these credits.
    price = models.DecimalField(
        _("price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("What was paid for the credits of this lot."),
    )
    remaining_price = models.DecimalField(
        _("remaining price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("What was paid for the credits of this lot that are left."),
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    idempotency_key = models.CharField(  # noqa: DJ001  unique: many rows have none
        _("idempotency key"), max_length=200, null=True, blank=True
    )
    origin = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="consequences",
        verbose_name=_("origin"),
        help_text=_("The spend of a refund; the lot of an expiry or an extension."),
    )
    run = models.ForeignKey(
        "credits.JobRun",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="transactions",
        verbose_name=_("run"),
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"))

    objects = CreditTransactionQuerySet.as_manager()

    class Meta:
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        indexes = [
            models.Index(fields=["professional", "id"], name="credits_transaction_history"),
            models.Index(
                fields=["professional", "expires_at"],
                condition=Q(remaining_amount__gt=0),
                name="credits_open_lots",
            ),
            models.Index(
                fields=["expires_at", "professional", "remaining_amount"],
                condition=Q(remaining_amount__gt=0),
                name="credits_open_lots_by_expiry",
            ),
            # The admin's lists of ten million rows, newest first: of all, of each type and pool, of
            # each type's open lots. What is wider than one range is put together from several
            # (credits.engine.newest), so that no list reads past rows that it does not show.
            models.Index(fields=["created_at", "id"], name="credits_transactions_by_date"),
            models.Index(
                fields=["transaction_type", "credit_type", "created_at", "id"],
                name="credits_transactions_by_type",
            ),
            models.Index(
                # With the pool, though each is paid: so SQLite prefers it to the one above.
                fields=["transaction_type", "credit_type", "created_at", "id"],
                condition=Q(remaining_amount__gt=0),
                name="credits_open_lots_by_type",
            ),
            # Few rows have an author: those that a person wrote in the admin.
            models.Index(
                fields=["created_by", "created_at", "id"],
                condition=Q(created_by__isnull=False),
                name="credits_transactions_by_who",
            ),
        ]
        permissions = [
            ("refund_credits", _("Can refund a spend")),
            ("extend_credits", _("Can extend a lot")),
            ("export_credits", _("Can export transactions and reports")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["idempotency_key", "credit_type"],
                name="credits_key_is_used_once_for_each_pool",
            ),
            models.UniqueConstraint(
                fields=["origin"],
                condition=Q(transaction_type="expiry"),
                name="credits_lot_expires_at_most_once",
            ),
            models.CheckConstraint(
                condition=Q(balance_after=F("balance_before") + F("amount")),
                name="credits_after_is_before_plus_amount",
            ),
            models.CheckConstraint(
                condition=Q(balance_before__gte=0, balance_after__gte=0),
                name="credits_total_is_never_negative",
            ),
            models.CheckConstraint(
                condition=Q(remaining_amount__gte=0, remaining_amount__lte=F("granted_amount")),
                name="credits_remaining_is_within_granted",
            ),
            models.CheckConstraint(
                condition=Q(granted_amount=0, expires_at__isnull=True)
                | Q(granted_amount__gt=0, credit_type="paid", expires_at__isnull=False),
                name="credits_lot_is_paid_and_expires",
            ),
            models.CheckConstraint(
                condition=Q(transaction_type__in=["purchase", "bonus", "refund"], amount__gt=0)
                | Q(transaction_type__in=["spend", "expiry"], amount__lt=0)
                | Q(transaction_type="monthly_reset", credit_type="free")
                | Q(transaction_type="adjustment"),
                name="credits_amount_has_the_sign_of_its_type",
            ),
            models.CheckConstraint(
                condition=Q(credit_type__in=["free", "paid"]),
                name="credits_credit_type_is_free_or_paid",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_transaction_type_display()} {self.amount:+,}"


class TransactionReason(models.Model):
    """What a person typed to justify a transaction: kept apart, because it may be erased."""

    transaction = models.OneToOneField(
        CreditTransaction,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="reason",
        verbose_name=_("transaction"),
    )
    text = models.TextField(_("reason"))

    class Meta:
        verbose_name = _("reason")
        verbose_name_plural = _("reasons")

    def __str__(self) -> str:
        return self.text
