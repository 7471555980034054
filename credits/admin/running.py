"""Run a job from the admin: what it would do, the start after a confirmation, its progress."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credits.admin import starting
from credits.admin.cells import number, signed
from credits.admin.professional_field import ProfessionalField
from credits.admin.refusals import first_line, sentence
from credits.admin.showing import duration, run_badge
from credits.admin.skin import ModelAdmin
from credits.engine.database import ledger_database
from credits.engine.tally import Forecast
from credits.exceptions import CreditsError
from credits.jobs import detached
from credits.jobs.expiry import forecast_expiry
from credits.jobs.pausing import refuse_if_paused
from credits.jobs.reset import forecast_reset
from credits.jobs.running import refuse_if_active
from credits.models import JobRun
from credits.periods import period_of

logger = logging.getLogger("credits.admin")

WAIT_AT_MOST = timedelta(minutes=1)
"""How long a page believes that a process it has not heard of is about to begin."""

_WHAT = {
    JobRun.Job.RESET.value: gettext_lazy(
        "Sets every eligible professional's free credits to the monthly amount, once a month."
        " Who was reset this month already is left alone."
    ),
    JobRun.Job.EXPIRY.value: gettext_lazy(
        "Writes off what is left in every lot whose expiry has passed."
    ),
}


class RunForm(forms.Form):
    """Whom a run is for."""

    professional = ProfessionalField(
        help_text=gettext_lazy("Only this one: an e-mail address or an id. Empty means everybody.")
    )


def may_run(request: HttpRequest) -> bool:
    """Say whether this user may start jobs: who may not see runs may not start one."""
    return request.user.has_perms(["credits.run_credit_jobs", "credits.view_jobrun"])


class RunNow(ModelAdmin):
    """The pages of the runs' admin that forecast a job, start it and show how far it is."""

    def get_urls(self) -> list[URLPattern]:
        """Add the pages; all of them ask who is there first."""
        wrap = self.admin_site.admin_view
        return [
            path("run/<str:job>/", wrap(self.run_view), name="credits_jobrun_run"),
            path(
                "run/<str:job>/<str:token>/", wrap(self.started_view), name="credits_jobrun_started"
            ),
            path("<int:pk>/progress/", wrap(self.progress_view), name="credits_jobrun_progress"),
            *super().get_urls(),
        ]

    def run_view(self, request: HttpRequest, job: str) -> HttpResponse:
        """Ask whom a job is for, show what it would do and, once confirmed, start it."""
        self._check(request, job)
        now = timezone.now()
        form = RunForm(request.POST if request.method == "POST" else None)
        step = request.POST.get("step", "")
        forecast, problem = None, ""
        if request.method == "POST" and form.is_valid():
            try:
                if step != "dry":
                    refuse_if_paused(job)
                    refuse_if_active(job)
                if step == "start":
                    return self._start(request, job, form.cleaned_data["professional"], now)
                forecast, problem = _forecast(job, form.cleaned_data["professional"], as_of=now)
            except CreditsError as error:
                problem = sentence(error)
        last = JobRun.objects.using(ledger_database()).filter(job=job).order_by("-started_at")
        return self._page(
            request,
            "run_now.html",
            job,
            form=form,
            what=_WHAT[job],
            period=period_of(now) if job == JobRun.Job.RESET else "",
            last=last.first(),
            problem=problem,
            forecast=forecast and _shown(forecast),
            is_confirming=step == "confirm" and forecast is not None,
            expected=forecast.tally.succeeded if forecast else 0,
            token=detached.new_token(),
        )

    def started_view(self, request: HttpRequest, job: str, token: str) -> HttpResponse:
        """Wait for the run that a form started, then go to its page."""
        self._check(request, job)
        if not detached.is_token(token):
            raise Http404
        trigger = starting.trigger_of(request.user.pk, token)
        runs = JobRun.objects.using(ledger_database()).filter(job=job, trigger=trigger)
        run = runs.order_by("-started_at").first()
        expected = _expected(request)
        if run is not None:
            target = run_url(run, expected=expected)
            if "fragment" not in request.GET:
                return HttpResponseRedirect(target)
            return self._fragment(request, "_starting.html", target=target)
        words = detached.last_words(token)
        if words == "":
            words = _("The process ended without a word; the server's log may tell more.")
        context = {"problem": words or "", "is_late": False}
        if words is None and _is_late(request):
            context = {"problem": "", "is_late": True}
        if "fragment" in request.GET:
            return self._fragment(request, "_starting.html", **context)
        begun = request.GET.get("begun", "")
        query = urlencode({"fragment": "1", "of": str(expected), "begun": begun})
        return self._page(request, "starting.html", job, poll=f"{request.path}?{query}", **context)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return how far a run is, as a piece of its page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = JobRun.objects.using(ledger_database()).filter(pk=pk).first()
        if run is None:
            raise Http404
        context = progress_of(run, expected=_expected(request), now=timezone.now())
        return self._fragment(request, "_progress.html", **context)

    def _check(self, request: HttpRequest, job: str) -> None:
        if not may_run(request):
            raise PermissionDenied
        if job not in JobRun.Job.values:
            raise Http404

    def _start(
        self, request: HttpRequest, job: str, professional: Any, now: datetime
    ) -> HttpResponse:
        token = request.POST.get("token", "")
        if not detached.is_token(token):
            raise PermissionDenied
        trigger = starting.trigger_of(request.user.pk, token)
        # A form that was sent again long after: its process has ended and taken its file along.
        runs = JobRun.objects.using(ledger_database()).filter(job=job, trigger=trigger)
        if not runs.exists():
            only = [f"--professional={professional.pk}"] if professional else []
            options = (f"--trigger={trigger}", "--verbosity=0", *only)
            if detached.start(job, *options, token=token):
                self._log_start(request, job, professional, trigger=trigger)
        url = reverse(f"{self.admin_site.name}:credits_jobrun_started", args=[job, token])
        query = urlencode({"of": _expected(request), "begun": int(now.timestamp())})
        return HttpResponseRedirect(f"{url}?{query}")

    def _log_start(
        self, request: HttpRequest, job: str, professional: Any, *, trigger: str
    ) -> None:
        """
        Write into Django's log who started what.

        The run itself begins in the other process, so no transaction holds both; but that one
        writes the trigger, and with it the user, onto the run.
        """
        only = "" if professional is None else f" for professional {professional.pk}"
        user_key: Any = request.user.pk
        LogEntry.objects.create(
            user_id=user_key,
            content_type=ContentType.objects.get_for_model(JobRun),
            object_repr=f"{job}{only}",
            action_flag=ADDITION,
            change_message=f"run now: {job}{only}, trigger {trigger}",
        )

    def _page(
        self, request: HttpRequest, template: str, job: str, **context: Any
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"credits/admin/{template}",
            {
                **self.admin_site.each_context(request),
                "title": _("Run: %(job)s") % {"job": JobRun.Job(job).label},
                "opts": self.opts,
                "job": job,
                **context,
            },
        )

    def _fragment(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(request, f"credits/admin/{template}", context)


def run_url(run: JobRun, *, expected: int = 0) -> str:
    """Return the address of a run's page; ``expected`` is what its bar is measured against."""
    url = reverse("admin:credits_jobrun_change", args=[run.pk])
    return f"{url}?{urlencode({'of': expected})}" if expected else url


def progress_of(run: JobRun, *, expected: int, now: datetime) -> dict[str, Any]:
    """Return what a run's progress shows: the run, its numbers in words, and the bar's ends."""
    is_running = run.status == JobRun.Status.RUNNING
    return {
        "run": run,
        "is_running": is_running,
        "badge": run_badge(run),
        "done": run.total_count,
        # Never full before the end: professionals may have joined since the forecast.
        "expected": max(expected, run.total_count) if expected else 0,
        "done_words": number(run.total_count),
        "expected_words": number(expected),
        "credits": signed(run.credits_granted - run.credits_expired),
        "failed": number(run.error_count),
        "elapsed": duration((run.finished_at or now) - run.started_at),
        "silence": duration(now - run.heartbeat_at),
        "target": run_url(run) if not is_running else "",
    }


def expected_of(request: HttpRequest) -> int:
    """Return the forecast's number of rows that a link carries; 0 if it carries none."""
    return _expected(request)


def _expected(request: HttpRequest) -> int:
    text = request.POST.get("of") or request.GET.get("of") or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0


def _is_late(request: HttpRequest) -> bool:
    text = request.GET.get("begun", "")
    begun = int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
    return timezone.now().timestamp() - begun > WAIT_AT_MOST.total_seconds()


def _forecast(job: str, professional: Any, *, as_of: datetime) -> tuple[Forecast | None, str]:
    """Return what a run would do, or the sentence that says why that is not known."""
    only = None if professional is None else [professional.pk]
    forecast = forecast_reset if job == JobRun.Job.RESET else forecast_expiry
    try:
        return forecast(as_of=as_of, professionals=only), ""
    except CreditsError as error:
        return None, sentence(error)
    except Exception as error:
        # The host's own rule of who is eligible is called there: it may raise anything.
        logger.exception("forecast failed job=%s", job)
        words = f"{type(error).__name__}: {first_line(error)}"
        return None, _("What the job would do could not be found out: %(error)s") % {"error": words}


def _shown(forecast: Forecast) -> dict[str, Any]:
    """Return a forecast in words; the names are asked for in one question."""
    keys = [change.professional_id for change in forecast.largest]
    users = get_user_model()._default_manager.using(ledger_database()).in_bulk(keys)
    tally = forecast.tally
    return {
        "found": number(forecast.found),
        "changes": number(tally.succeeded),
        "failed": number(tally.failed) if tally.failed else "",
        "is_empty": not tally.succeeded,
        "granted": signed(tally.granted),
        "expired": signed(-tally.expired),
        "net": signed(tally.granted - tally.expired),
        "largest": [
            {
                "key": change.professional_id,
                "name": str(users.get(change.professional_id, change.professional_id)),
                "before": number(change.before),
                "after": number(change.after),
                "change": signed(change.after - change.before),
            }
            for change in forecast.largest
        ],
    }
