from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credits.models.conditions import WithConditions


class JobPause(WithConditions):
    """A time during which nobody starts a job: who wanted it so, why, and who ended it."""

    class Job(models.TextChoices):
        RESET = "reset_monthly_credits", _("monthly reset")
        EXPIRY = "expire_credits", _("expiry")
        SENDING = "send_credit_notices", _("sending of notices")

    job = models.CharField(_("job"), max_length=32, choices=Job)
    reason = models.CharField(_("reason"), max_length=500)
    paused_at = models.DateTimeField(_("paused at"))
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        db_index=False,  # nobody asks what one person paused
        related_name="+",
        verbose_name=_("paused by"),
    )
    resumed_at = models.DateTimeField(_("resumed at"), null=True, blank=True)
    resumed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("resumed by"),
    )

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        constraints = [
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(resumed_at=None),
                name="credits_job_is_paused_once_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_job_display()}: {self.reason}"


class JobClaim(models.Model):
    """Who is at work that records no run, and when it was last done: one row for each such job."""

    job = models.CharField(_("job"), max_length=32, primary_key=True)
    # The lease: whoever takes it moves it ahead, and again while at work.
    held_until = models.DateTimeField(_("held until"), null=True)
    done_at = models.DateTimeField(_("last done at"), null=True)

    class Meta:
        verbose_name = _("claim")
        verbose_name_plural = _("claims")

    def __str__(self) -> str:
        return self.job
