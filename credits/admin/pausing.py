"""Pause a job and resume it from the admin: a reason is asked for, and who did it is kept."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from credits.admin.read_only import ReadOnlyAdmin
from credits.admin.reasons import ReasonForm
from credits.admin.running import may_run
from credits.admin.skin import ModelAdmin
from credits.engine.database import database_now, ledger_database
from credits.exceptions import AlreadyPaused
from credits.jobs.pausing import pause_job, pause_of, pauses, resume_job
from credits.models import JobPause


class PauseAndResume(ModelAdmin):
    """The page of the runs' admin that pauses a job, or resumes one that is paused."""

    def get_urls(self) -> list[URLPattern]:
        """Put it before the pages of single runs."""
        view = self.admin_site.admin_view(self.pause_view)
        return [path("pause/<str:job>/", view, name="credits_jobrun_pause"), *super().get_urls()]

    def pause_view(self, request: HttpRequest, job: str) -> HttpResponse:
        """Ask why and pause the job; of a paused one, show who paused it and offer to resume."""
        if not may_run(request):
            raise PermissionDenied
        if job not in JobPause.Job.values:
            raise Http404
        form = ReasonForm(
            request.POST if request.POST.get("act") == "pause" else None,
            told=_("Shown wherever the job is, until somebody resumes it."),
        )
        if request.POST.get("act") == "resume":
            self._resume(request, job)
            return self._back()
        if form.is_valid() and self._pause(request, job, form.cleaned_data["reason"]):
            return self._back()
        pause = pause_of(job)
        request.current_app = self.admin_site.name
        title = _("Pause: %(job)s") if pause is None else _("Resume: %(job)s")
        return TemplateResponse(
            request,
            "credits/admin/pause.html",
            {
                **self.admin_site.each_context(request),
                "title": title % {"job": JobPause.Job(job).label},
                "opts": self.opts,
                "form": form,
                "pause": pause and pause_words(pause),
                "reason": pause and pause.reason,
            },
        )

    def _pause(self, request: HttpRequest, job: str, reason: str) -> bool:
        try:
            pause = pause_job(
                job,
                reason=reason,
                actor_id=request.user.pk,
                at=database_now(using=ledger_database()),
            )
        except AlreadyPaused:
            self.message_user(
                request,
                _("Somebody else has paused it meanwhile, for the reason below."),
                messages.WARNING,
            )
            return False
        self._log(request, pause, ADDITION, _("Paused: %(reason)s") % {"reason": pause.reason})
        done = _("%(job)s is paused.") % {"job": pause.get_job_display().capitalize()}
        self.message_user(request, done, messages.SUCCESS)
        return True

    def _resume(self, request: HttpRequest, job: str) -> None:
        pause = resume_job(job, actor_id=request.user.pk, at=database_now(using=ledger_database()))
        if pause is None:
            self.message_user(request, _("It was not paused any more."), messages.WARNING)
            return
        self._log(request, pause, CHANGE, _("Resumed."))
        done = _("%(job)s is resumed; what is due is done by the next check.")
        self.message_user(
            request, done % {"job": pause.get_job_display().capitalize()}, messages.SUCCESS
        )

    def _log(self, request: HttpRequest, pause: JobPause, flag: int, words: str) -> None:
        LogEntry.objects.log_actions(request.user.pk or 0, [pause], flag, words)

    def _back(self) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:credits_jobrun_changelist"))


@admin.register(JobPause)
class JobPauseAdmin(ReadOnlyAdmin):
    list_display = (
        "job",
        "reason",
        "paused_at",
        "paused_by",
        "resumed_at",
        "resumed_by",
    )
    list_filter = ("job",)
    list_select_related = ("paused_by", "resumed_by")
    ordering = ("-id",)


def pause_words(pause: JobPause) -> str:
    """Return who paused a job and since when, in a sentence."""
    values = {
        "job": pause.get_job_display().capitalize(),
        "name": pause.paused_by or _("somebody who is gone"),
        "when": localize(localtime(pause.paused_at)),
    }
    return _("%(job)s is paused by %(name)s since %(when)s:") % values


def shown_pauses(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the jobs that are paused now; with an address for who may resume them."""
    return [
        {
            "words": pause_words(pause),
            "reason": pause.reason,
            "url": pause_url(pause.job) if may_run(request) else "",
        }
        for pause in pauses().values()
    ]


def pause_url(job: str) -> str:
    """Return the address of the page that pauses or resumes a job."""
    return reverse("admin:credits_jobrun_pause", args=[job])
