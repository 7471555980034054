from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credits.models.conditions import WithConditions


class JobRun(WithConditions):
    """One execution of a job: what it was asked, how far it came, what it moved."""

    class Job(models.TextChoices):
        RESET = "reset_monthly_credits", _("monthly reset")
        EXPIRY = "expire_credits", _("expiry")

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        PARTIAL = "partial", _("partial")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")
        SKIPPED = "skipped", _("skipped")
        MISSED = "missed", _("missed")

    UNFINISHED = frozenset({Status.PARTIAL, Status.FAILED, Status.INTERRUPTED})
    """How a run ends that left something for the next."""

    job = models.CharField(_("job"), max_length=32, choices=Job)
    period = models.CharField(_("period"), max_length=7, blank=True)
    as_of = models.DateTimeField(_("as of"))
    status = models.CharField(_("status"), max_length=12, choices=Status)
    trigger = models.CharField(_("trigger"), max_length=32, default="command")
    is_whole = models.BooleanField(
        _("whole"), default=True, help_text=_("Not narrowed to some professionals or a limit.")
    )
    started_at = models.DateTimeField(_("started at"))
    heartbeat_at = models.DateTimeField(_("last sign of life"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    host = models.CharField(_("host"), max_length=255)
    process_id = models.PositiveIntegerField(_("process id"))
    # Each chunk moves this by one in its own transaction: a chunk whose commit went unanswered is
    # known by it, and a run that was taken over cannot write another.
    chunk_count = models.PositiveIntegerField(_("chunks"), default=0)
    total_count = models.PositiveIntegerField(_("total"), default=0)
    success_count = models.PositiveIntegerField(
        _("succeeded"), default=0, help_text=_("Transactions written by this run.")
    )
    error_count = models.PositiveIntegerField(
        _("failed"), default=0, help_text=_("Professionals this run could not do.")
    )
    credits_granted = models.BigIntegerField(_("credits granted"), default=0)
    credits_expired = models.BigIntegerField(_("credits expired"), default=0)
    notices_staged = models.PositiveIntegerField(_("notices"), default=0)
    error_summary = models.TextField(_("error summary"), blank=True)
    acknowledged_at = models.DateTimeField(
        _("acknowledged at"),
        null=True,
        blank=True,
        help_text=_("Of a missed month: when somebody took note of it."),
    )

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        permissions = [("run_credit_jobs", _("Can run the jobs"))]
        indexes = [models.Index(fields=["job", "-started_at"], name="credits_run_history")]
        constraints = [
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(status="running"),
                name="credits_job_has_one_active_run",
            ),
            models.UniqueConstraint(
                fields=["job", "period"],
                condition=Q(status__in=["missed", "skipped"]),
                name="credits_period_passes_without_a_run_once",
            ),
            models.CheckConstraint(
                condition=Q(total_count=models.F("success_count") + models.F("error_count")),
                name="credits_run_total_is_successes_plus_errors",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job} run {self.pk}"


class JobShard(models.Model):
    """A range of keys of a run that several workers share; one of them at a time works on it."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    run = models.ForeignKey(
        JobRun,
        on_delete=models.CASCADE,
        db_index=False,  # the unique constraint begins with it
        related_name="shards",
        verbose_name=_("run"),
    )
    number = models.PositiveSmallIntegerField(_("number"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.PENDING)
    # Keys as text, whatever the host's are: the professionals with cursor < key <= upto are left
    # in this step, and after < key <= upto in the next. Empty is an open end.
    after = models.TextField(_("after"), blank=True)
    upto = models.TextField(_("up to"), blank=True)
    step = models.PositiveSmallIntegerField(_("step"), default=0)
    cursor = models.TextField(_("cursor"), blank=True)
    holder = models.CharField(
        _("holder"),
        max_length=32,
        blank=True,
        help_text=_("Of one claim: a worker that lost the shard has another."),
    )
    host = models.CharField(_("host"), max_length=255, blank=True)
    process_id = models.PositiveIntegerField(_("process id"), null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("last sign of life"))
    attempts = models.PositiveSmallIntegerField(
        _("attempts"), default=0, help_text=_("Claims since its last chunk.")
    )
    chunk_count = models.PositiveIntegerField(_("chunks"), default=0)
    total_count = models.PositiveIntegerField(_("total"), default=0)
    error_count = models.PositiveIntegerField(_("failed"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("shard")
        verbose_name_plural = _("shards")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["run", "number"], name="credits_shards_of_a_run_are_numbered"
            )
        ]

    def __str__(self) -> str:
        return f"shard {self.number} of run {self.run_id}"


class JobFailure(models.Model):
    """A professional one run could not do, and why."""

    run = models.ForeignKey(
        JobRun,
        on_delete=models.CASCADE,
        db_index=False,  # the unique constraint begins with it
        related_name="failures",
        verbose_name=_("run"),
    )
    professional = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("professional"),
    )
    error = models.TextField(_("error"))

    class Meta:
        verbose_name = _("failure")
        verbose_name_plural = _("failures")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "professional"], name="credits_failure_is_listed_once_a_run"
            )
        ]

    def __str__(self) -> str:
        return self.error
