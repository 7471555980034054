from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credits.models.conditions import WithConditions
from credits.models.runs import JobRun


class JobAlert(WithConditions):
    """
    One piece of news about a job, told once: that it went wrong, still does, or works again.

    The last of a job says how it was found; the next has the next number, and of two who see the
    same at once the constraint lets one through.
    """

    class Kind(models.TextChoices):
        FAILED = "failed", _("failed")
        PARTIAL = "partial", _("partial")
        MISSED = "missed", _("missed")
        LATE = "late", _("late")
        RECOVERED = "recovered", _("recovered")

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        SENT = "sent", _("sent")
        GIVEN_UP = "given_up", _("given up")

    job = models.CharField(_("job"), max_length=32, choices=JobRun.Job)
    number = models.PositiveIntegerField(_("number"), help_text=_("Of the alerts of its job."))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    about = models.CharField(
        _("about"), max_length=16, blank=True, help_text=_("The month or the day.")
    )
    command = models.CharField(_("command"), max_length=100, blank=True)
    run = models.ForeignKey(
        JobRun,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("run"),
    )
    since = models.DateTimeField(_("since"), help_text=_("When the trouble was first seen."))
    repeats = models.PositiveSmallIntegerField(
        _("repeats"), default=0, help_text=_("How often the same was told before.")
    )
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.PENDING)
    # Fingerprints of the chats that have it, never their addresses: those are secrets.
    told = models.JSONField(_("told"), default=list, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    # Also the lease: whoever takes an alert moves this ahead.
    next_attempt_at = models.DateTimeField(_("next attempt"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status="pending"),
                name="credits_alerts_waiting",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="credits_alert_is_raised_once"),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.kind} {self.number}"
