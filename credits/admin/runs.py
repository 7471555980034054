from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credits.admin import starting
from credits.admin.acknowledging import Acknowledge, acknowledge_url
from credits.admin.cells import day_and_time, moment, number, signed
from credits.admin.dashboard import NextResetView
from credits.admin.paging import CappedPaginator
from credits.admin.pausing import PauseAndResume, pause_url, shown_pauses
from credits.admin.read_only import ReadOnlyAdmin, email_field
from credits.admin.running import RunNow, expected_of, may_run, progress_of
from credits.admin.shards import shard_rows
from credits.admin.showing import duration, run_badge
from credits.jobs.pausing import pauses
from credits.models import JobFailure, JobPause, JobRun, TransactionType
from credits.notices.facts import command_after
from credits.periods import period_of
from credits.reports.run_log import log_lines

MOST_FAILURES = 100

_TYPES = {
    JobRun.Job.RESET.value: TransactionType.MONTHLY_RESET,
    JobRun.Job.EXPIRY.value: TransactionType.EXPIRY,
}


@admin.register(JobRun)
class JobRunAdmin(NextResetView, PauseAndResume, Acknowledge, RunNow, ReadOnlyAdmin):
    paginator = CappedPaginator
    change_list_template = "credits/admin/run_list.html"
    list_display = (
        "id",
        "job_cell",
        "badge",
        "started",
        "duration",
        "done",
        "failed",
        "credits",
        "by",
    )
    list_display_links = ("id", "job_cell")
    list_filter = ("job", "status")
    ordering = ("-id",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Offer who may start jobs a button for each, and say which are paused."""
        paused = pauses()
        to_run = [
            {"key": job.value, "label": job.label}
            for job in JobRun.Job
            if may_run(request) and job not in paused
        ]
        to_pause = [
            {"url": pause_url(job), "label": job.label}
            for job in JobPause.Job
            if may_run(request) and job not in paused
        ]
        extra = {
            "jobs_to_run": to_run,
            "jobs_to_pause": to_pause,
            "pauses": shown_pauses(request),
        }
        return super().changelist_view(request, extra | (extra_context or {}))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Find the people behind the listed runs in one question."""
        listed = super().get_changelist_instance(request)
        name_actors(list(listed.result_list))
        return listed

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one run: what it did, whom it could not do, and what goes on."""
        run = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, run) or request.method == "POST":
            raise PermissionDenied
        if run is None:
            return self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined,no-any-return]
                request, self.opts, object_id
            )
        name_actors([run])
        expected = expected_of(request)
        failures = list(run.failures.select_related("professional").order_by("pk")[:MOST_FAILURES])
        progress_url = reverse("admin:credits_jobrun_progress", args=[run.pk])
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            "credits/admin/run.html",
            {
                **self.admin_site.each_context(request),
                **progress_of(run, expected=expected, now=timezone.now()),
                "title": _("%(job)s, run %(number)s")
                % {"job": run.get_job_display().capitalize(), "number": run.pk},
                "opts": self.opts,
                "figures": _figures(run),
                "facts": _facts(run),
                "shards": shard_rows(run),
                "command": command_after(run),
                "failures": [_failure(failure) for failure in failures],
                "failures_left_out": number(max(run.error_count - len(failures), 0)),
                "is_cut": run.error_count > len(failures),
                "lines": log_lines(run, failures),
                "transactions_url": _transactions_url(request, run),
                "may_run": may_run(request),
                "acknowledge_url": acknowledge_url(request, run),
                "poll": f"{progress_url}?{urlencode({'of': expected})}",
                **(extra_context or {}),
            },
        )

    @admin.display(description=gettext_lazy("job"), ordering="job")
    def job_cell(self, run: JobRun) -> SafeString | str:
        """The job and, of a reset, its month."""
        if not run.period:
            return run.get_job_display()
        return format_html(
            '{}<br><span class="credits-quiet">{}</span>', run.get_job_display(), run.period
        )

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def badge(self, run: JobRun) -> SafeString:
        return run_badge(run)

    @admin.display(description=gettext_lazy("started at"), ordering="started_at")
    def started(self, run: JobRun) -> SafeString:
        return day_and_time(run.started_at)

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, run: JobRun) -> SafeString | str:
        if run.finished_at is None:
            return ""
        lasted = duration(run.finished_at - run.started_at)
        return format_html('<span class="credits-nowrap">{}</span>', lasted)

    @admin.display(description=gettext_lazy("succeeded"), ordering="success_count")
    def done(self, run: JobRun) -> SafeString:
        return format_html(
            '<bdi dir="ltr" class="credits-nowrap">{} / {}</bdi>',
            number(run.success_count),
            number(run.total_count),
        )

    @admin.display(description=gettext_lazy("failed"), ordering="error_count")
    def failed(self, run: JobRun) -> str:
        return number(run.error_count)

    @admin.display(description=gettext_lazy("credits"))
    def credits(self, run: JobRun) -> SafeString:
        """A run grants or expires; a reset that did both shows both."""
        moved = [amount for amount in (run.credits_granted, -run.credits_expired) if amount]
        return format_html_join(" ", "{}", ((signed(amount),) for amount in moved or [0]))

    @admin.display(description=gettext_lazy("trigger"), ordering="trigger")
    def by(self, run: JobRun) -> str:
        return started_by(run)


def name_actors(runs: list[JobRun]) -> None:
    """Set ``actor_name`` on each run that somebody started in the admin, with one question."""
    keys = {run.pk: starting.actor_key(run.trigger) for run in runs}
    wanted = {key for key in keys.values() if key is not None}
    users = get_user_model()._default_manager.in_bulk(wanted) if wanted else {}
    for run in runs:
        user = users.get(keys[run.pk])
        address = getattr(user, email_field(), "") if user else ""
        run.actor_name = address or (str(user) if user else "")  # type: ignore[attr-defined]


def started_by(run: JobRun) -> str:
    """Return who or what started a run whose actor ``name_actors`` has set."""
    name = getattr(run, "actor_name", "")
    return _("by %(name)s in the admin") % {"name": name} if name else run.trigger


def _figures(run: JobRun) -> list[tuple[str, Any, str]]:
    end = run.finished_at or timezone.now()
    return [
        (_("Total"), number(run.total_count), ""),
        (_("Succeeded"), number(run.success_count), _("Transactions written by this run.")),
        (_("Failed"), number(run.error_count), _("Professionals this run could not do.")),
        (_("Credits granted"), signed(run.credits_granted), ""),
        (_("Credits expired"), signed(-run.credits_expired), ""),
        (_("Duration"), duration(end - run.started_at), ""),
    ]


def _facts(run: JobRun) -> list[tuple[str, str]]:
    ended = moment(run.finished_at) if run.finished_at else _("not yet")
    return [
        (_("Period"), run.period or _("none")),
        (_("As of"), moment(run.as_of)),
        (_("Started"), moment(run.started_at)),
        (_("Finished"), ended),
        (_("Last sign of life"), moment(run.heartbeat_at)),
        (_("Trigger"), started_by(run)),
        (_("Whole"), _("yes") if run.is_whole else _("no, narrowed to some professionals")),
        (_("Host"), run.host),
        (_("Process"), str(run.process_id)),
        (_("Chunks"), number(run.chunk_count)),
        (_("Notices"), number(run.notices_staged)),
        *([(_("Acknowledged"), moment(run.acknowledged_at))] if run.acknowledged_at else []),
    ]


def _failure(failure: JobFailure) -> dict[str, Any]:
    key = failure.professional_id
    return {
        "key": key,
        "name": getattr(failure.professional, email_field(), "") or str(failure.professional),
        "url": reverse("admin:credits_creditbalance_change", args=[key]),
        "error": failure.error,
    }


def _transactions_url(request: HttpRequest, run: JobRun) -> str:
    if not run.success_count or not request.user.has_perm("credits.view_credittransaction"):
        return ""
    query = {"transaction_type__exact": _TYPES[run.job].value, "month": period_of(run.as_of)}
    return f"{reverse('admin:credits_credittransaction_changelist')}?{urlencode(query)}"
