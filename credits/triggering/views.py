"""
The addresses that start a job and tell what became of it: off unless ``CREDITS`` holds a key.

A stranger learns nothing but that a key is asked for; only then are names looked at. Bodies are
not read.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from credits.exceptions import CreditsError, RunAlreadyActive
from credits.jobs.named import JobName
from credits.models import JobRun
from credits.triggering import google, signing, starting
from credits.triggering.starting import StartedAMomentAgo

MOST_BYTES = 4_096
"""Of a body, which is ignored."""

Answer = Callable[[JobName, str], HttpResponse]
View = Callable[[HttpRequest, str], HttpResponse]


def for_schedulers(method: str) -> Callable[[Answer], View]:
    """Return a decorator: one method, a key, and then a job that requests may start."""

    def decorate(answer: Answer) -> View:
        # The key in the header is the authority: there is no cookie, no session, no form.
        @csrf_exempt
        @login_not_required
        @never_cache
        @wraps(answer)
        def view(request: HttpRequest, job: str) -> HttpResponse:
            if not signing.secrets() and not google.is_configured():
                raise Http404
            if request.method != method:
                return _refusal(405, "Another method is asked for.", headers={"Allow": method})
            by = _who_asks(request, method, job)
            if by is None:
                challenge = {"WWW-Authenticate": 'Bearer realm="credits"'}
                return _refusal(401, "A key is asked for.", headers=challenge)
            if _is_long(request):
                return _refusal(413, "No body is asked for.")
            name = starting.job_to_trigger(job)
            if name is None:
                return _refusal(404, 'CREDITS["TRIGGER_JOBS"] has no job of this name.')
            return answer(name, by)

        return view

    return decorate


@for_schedulers("POST")
def trigger(job: JobName, by: str) -> HttpResponse:
    """Start a job and answer at once: 202, or 409 while it runs, or 429 when it has just been."""
    try:
        trigger = starting.start(job, by=by, as_of=timezone.now())
    except StartedAMomentAgo as error:
        return _refusal(429, str(error), headers={"Retry-After": str(error.seconds)})
    except starting.ProcessNotStarted as error:
        return _refusal(503, str(error))
    except RunAlreadyActive as error:
        return _refusal(409, str(error), run=error.run_id)
    except CreditsError as error:
        return _refusal(409, str(error))
    address = reverse("credits:job", args=[job])
    content = {"job": job, "trigger": trigger, "status": address}
    return JsonResponse(content, status=202, headers={"Location": address})


@for_schedulers("GET")
def job(job: JobName, by: str) -> HttpResponse:
    """Tell of the last start by a request and of the last runs."""
    account = starting.account_of(job)
    start = account.start
    return JsonResponse(
        {
            "job": job,
            "start": start and {"trigger": start.trigger, "started_at": start.started_at},
            "problem": account.words,
            "runs": [_told(run) for run in account.runs],
        }
    )


def _who_asks(request: HttpRequest, method: str, job: str) -> str | None:
    """Return who asks, in the word that begins a run's trigger; ``None`` for a stranger."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if signing.is_signed(token, method=method, job=job, at=timezone.now()):
        return "http"
    return "google" if google.is_from_google(token) else None


def _is_long(request: HttpRequest) -> bool:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return not length.isdecimal() or int(length) > MOST_BYTES


def _told(run: JobRun) -> dict[str, Any]:
    return {
        "id": run.pk,
        "job": run.job,
        "trigger": run.trigger,
        "period": run.period,
        "status": run.status,
        "started_at": run.started_at,
        "heartbeat_at": run.heartbeat_at,
        "finished_at": run.finished_at,
        "total": run.total_count,
        "succeeded": run.success_count,
        "failed": run.error_count,
        "credits_granted": run.credits_granted,
        "credits_expired": run.credits_expired,
        "summary": run.error_summary,
    }


def _refusal(
    status: int, sentence: str, *, headers: dict[str, str] | None = None, **more: Any
) -> HttpResponse:
    return JsonResponse({"error": sentence, **more}, status=status, headers=headers)
