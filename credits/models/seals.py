from django.db import models
from django.utils.translation import gettext_lazy as _


class DaySeal(models.Model):
    """
    What the ledger held when a day was over, under a code that only the holder of a key can make.

    It covers the transactions written since the seal before it, by key and not by ``created_at``:
    a row may be booked for a day long past. Never edited, never deleted (triggers refuse it).
    """

    number = models.PositiveIntegerField(_("number"), primary_key=True)
    day = models.DateField(_("day"), help_text=_("The day (UTC) after which it was sealed."))
    through = models.BigIntegerField(
        _("through"), help_text=_("The last transaction that is covered.")
    )
    transaction_count = models.BigIntegerField(_("transactions"))
    free_amount = models.BigIntegerField(_("free credits"))
    paid_amount = models.BigIntegerField(_("paid credits"))
    allocation_count = models.BigIntegerField(_("allocations"))
    digest = models.CharField(
        _("digest"), max_length=64, help_text=_("SHA-256 of every column that never changes.")
    )
    version = models.PositiveSmallIntegerField(
        _("version"), help_text=_("Which columns the digest is of, and how they are written.")
    )
    sealed_at = models.DateTimeField(_("sealed at"))
    key_id = models.CharField(_("key id"), max_length=8)
    previous_code = models.CharField(_("code of the seal before"), max_length=64, blank=True)
    code = models.CharField(
        _("code"), max_length=64, help_text=_("HMAC-SHA-256 of all the others.")
    )

    class Meta:
        verbose_name = _("seal")
        verbose_name_plural = _("seals")
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["day"], name="credits_day_is_sealed_once")]

    def __str__(self) -> str:
        return f"{self.number}: {self.day}"


class SealMark(models.Model):
    """Which seal is the last, under a code of its own: one row, so that a lost end is missed."""

    number = models.PositiveIntegerField(_("number"), default=0)
    key_id = models.CharField(_("key id"), max_length=8, blank=True)
    code = models.CharField(_("code"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("seal mark")
        verbose_name_plural = _("seal marks")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.number)
