from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credits.models.conditions import WithConditions


class NoticeQuerySet(models.QuerySet["Notice"]):
    def due(self, as_of: datetime) -> Self:
        """Return the notices that may be handed over at ``as_of``."""
        return self.filter(status=Notice.Status.PENDING, next_attempt_at__lte=as_of)


class Notice(WithConditions):
    """
    One e-mail, promised in the transaction that caused it and sent after it.

    A notice to a professional finds its address, language and time zone when it is sent; one to
    the operators has its address from the start.
    """

    class Kind(models.TextChoices):
        RESET = "reset", _("reset notice")
        EXPIRY_WARNING = "expiry_warning", _("expiry warning")
        EXPIRY_RECEIPT = "expiry_receipt", _("expiry receipt")
        RUN_SUMMARY = "run_summary", _("run summary")
        RUN_FAILURE = "run_failure", _("run failure")
        RUN_LATE = "run_late", _("late run")
        RUN_RECOVERED = "run_recovered", _("run after trouble")

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        DELIVERED = "delivered", _("delivered")
        BOUNCED = "bounced", _("bounced")
        COMPLAINED = "complained", _("complained")
        PARKED = "parked", _("parked")
        SUPPRESSED = "suppressed", _("suppressed")
        FAILED = "failed", _("failed")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    key = models.CharField(
        _("key"), max_length=320, help_text=_("What the notice is about; it is promised once.")
    )
    professional = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="credit_notices",
        verbose_name=_("professional"),
        help_text=_("Nobody: a notice to the operators."),
    )
    run = models.ForeignKey(
        "credits.JobRun",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="notices",
        verbose_name=_("run"),
    )
    context = models.JSONField(_("context"), default=dict, blank=True)
    address = models.CharField(
        _("address"), max_length=254, blank=True, help_text=_("Where it was sent.")
    )
    language = models.CharField(_("language"), max_length=16, blank=True)
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.PENDING)
    reason = models.CharField(
        _("reason"), max_length=200, blank=True, help_text=_("Why it was not sent, or not yet.")
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    # Also the lease: whoever takes a notice moves this ahead, so that nobody else does meanwhile.
    next_attempt_at = models.DateTimeField(_("next attempt"))
    message_id = models.CharField(
        _("message id"), max_length=255, blank=True, help_text=_("The mail service's own id.")
    )
    created_at = models.DateTimeField(_("created at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        permissions = [("send_notices", _("Can send notices and decide about them"))]
        indexes = [
            # Whole, not partial: SQLite does not see that a status is one of a list.
            models.Index(
                fields=["status", "next_attempt_at", "id"], name="credits_notices_waiting"
            ),
            models.Index(
                fields=["message_id"], condition=~Q(message_id=""), name="credits_notice_message"
            ),
            models.Index(
                fields=["address"], condition=~Q(address=""), name="credits_notice_address"
            ),
            models.Index(fields=["kind", "created_at", "id"], name="credits_notices_by_kind"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="credits_notice_is_promised_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class NoticeEvent(models.Model):
    """What the mail service told about a notice, once each."""

    notice = models.ForeignKey(
        Notice, on_delete=models.CASCADE, related_name="events", verbose_name=_("notice")
    )
    event_id = models.CharField(_("event id"), max_length=255)
    event_type = models.CharField(_("event"), max_length=32)
    description = models.CharField(_("description"), max_length=500, blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))

    class Meta:
        verbose_name = _("notice event")
        verbose_name_plural = _("notice events")
        constraints = [
            models.UniqueConstraint(fields=["event_id"], name="credits_notice_event_is_told_once")
        ]

    def __str__(self) -> str:
        return self.event_type


class SuppressedAddress(models.Model):
    """An address that gets no more notices until somebody clears it."""

    class Reason(models.TextChoices):
        BOUNCED = "bounced", _("hard bounce")
        COMPLAINED = "complained", _("complaint")

    address = models.CharField(
        _("address"), max_length=254, primary_key=True, help_text=_("In lower case.")
    )
    reason = models.CharField(_("reason"), max_length=12, choices=Reason)
    notice = models.ForeignKey(
        Notice, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")

    def __str__(self) -> str:
        return self.address


class NoticeOptOut(models.Model):
    """A kind of notice a professional asked not to get; receipts cannot be declined."""

    professional = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="credit_notice_opt_outs",
        verbose_name=_("professional"),
        db_index=False,  # the unique constraint begins with it
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Notice.Kind)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("opt-out")
        verbose_name_plural = _("opt-outs")
        constraints = [
            models.UniqueConstraint(
                fields=["professional", "kind"], name="credits_notice_is_declined_once"
            )
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
