from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from credits.admin.read_only import ReadOnlyAdmin, ReadOnlyTable
from credits.models import JobFailure, JobRun


class FailureInline(ReadOnlyTable):
    """The professionals a run could not do."""

    model = JobFailure
    fields = ("professional", "error")


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "job",
        "period",
        "status",
        "started_at",
        "duration",
        "total_count",
        "error_count",
        "credits_granted",
        "credits_expired",
    )
    list_filter = ("job", "status")
    ordering = ("-id",)
    inlines = (FailureInline,)

    @admin.display(description=_("duration"))
    def duration(self, run: JobRun) -> str:
        if run.finished_at is None:
            return ""
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"
