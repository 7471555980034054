from django.db import models
from django.utils.translation import gettext_lazy as _


class JobStart(models.Model):
    """The last start of a job by a request: by it two starts keep their distance."""

    job = models.CharField(_("job"), max_length=32)
    started_at = models.DateTimeField(_("started at"))
    trigger = models.CharField(_("trigger"), max_length=32)

    class Meta:
        # Only requests write it, and people read the runs.
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["job"], name="credits_job_has_one_last_start")
        ]

    def __str__(self) -> str:
        return f"{self.job} by {self.trigger}"
