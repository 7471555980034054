"""Take note of a month that was missed: why nothing else needs doing is asked, and kept."""

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from credits.admin.reasons import ReasonForm
from credits.admin.running import may_run, run_url
from credits.admin.skin import ModelAdmin
from credits.engine.database import database_now, ledger_database
from credits.jobs.passing import acknowledge_missed
from credits.models import JobRun


class Acknowledge(ModelAdmin):
    """The page of the runs' admin on which somebody takes note of a missed month."""

    def get_urls(self) -> list[URLPattern]:
        """Put it before the pages of single runs."""
        view = self.admin_site.admin_view(self.acknowledge_view)
        own = path("<int:pk>/acknowledge/", view, name="credits_jobrun_acknowledge")
        return [own, *super().get_urls()]

    def acknowledge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why, and take note; of a month that needs no note, lead back to its run."""
        if not may_run(request):
            raise PermissionDenied
        run = JobRun.objects.using(ledger_database()).filter(pk=pk).first()
        if run is None:
            raise Http404
        if not acknowledge_url(request, run):
            self.message_user(request, _("There is nothing to acknowledge."), messages.WARNING)
            return HttpResponseRedirect(run_url(run))
        form = ReasonForm(
            request.POST if request.method == "POST" else None,
            told=_("Kept with the run, and logged: name nobody in it."),
        )
        if form.is_valid():
            self._acknowledge(request, run, form.cleaned_data["reason"])
            return HttpResponseRedirect(run_url(run))
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            "credits/admin/acknowledge.html",
            {
                **self.admin_site.each_context(request),
                "title": _("Acknowledge: %(period)s was missed") % {"period": run.period},
                "opts": self.opts,
                "form": form,
                "run_url": run_url(run),
            },
        )

    def _acknowledge(self, request: HttpRequest, run: JobRun, reason: str) -> None:
        now = database_now(using=ledger_database())
        if not acknowledge_missed(run.pk, reason=reason, at=now):
            self.message_user(
                request, _("Somebody else has acknowledged it meanwhile."), messages.WARNING
            )
            return
        words = _("Acknowledged: %(reason)s") % {"reason": reason}
        LogEntry.objects.log_actions(request.user.pk or 0, [run], CHANGE, words)
        done = _("%(period)s is acknowledged: nothing tells of it any more.")
        self.message_user(request, done % {"period": run.period}, messages.SUCCESS)


def acknowledge_url(request: HttpRequest, run: JobRun) -> str:
    """Return where this user can take note of a missed month; "" where there is nothing to note."""
    is_open = run.status == JobRun.Status.MISSED and run.acknowledged_at is None
    if not is_open or not may_run(request):
        return ""
    return reverse("admin:credits_jobrun_acknowledge", args=[run.pk])
