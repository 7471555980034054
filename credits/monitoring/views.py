"""Addresses for machines: metrics behind a token; health for whoever asks, which says no more."""

import importlib.util
import secrets

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from credits.conf import get_settings
from credits.engine.database import ledger_database
from credits.models import JobRun
from credits.reports.alarms import alarms
from credits.reports.run_history import run_history


def has_prometheus() -> bool:
    """Say whether the extra ``metrics`` is installed."""
    return importlib.util.find_spec("prometheus_client") is not None


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Show the metrics to who has the token; without ``METRICS_TOKEN`` there is no such page."""
    token = get_settings().metrics_token
    if not token or not has_prometheus():
        raise Http404
    given = request.headers.get("Authorization", "")
    if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return HttpResponse(
            "Show METRICS_TOKEN as a bearer token.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    from credits.monitoring.metrics import CONTENT_TYPE, exposition  # noqa: PLC0415

    return HttpResponse(exposition(as_of=timezone.now()), content_type=CONTENT_TYPE)


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Say whether this process can serve: its database answers, and has been migrated."""
    try:
        JobRun.objects.using(ledger_database()).exists()
    except DatabaseError:
        return JsonResponse({"status": "database"}, status=503)
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def health_of_jobs(request: HttpRequest) -> HttpResponse:
    """Say whether the jobs do what they should: none late, none that needs a person."""
    now = timezone.now()
    try:
        runs = [run for job in JobRun.Job for run in run_history(job, as_of=now).runs]
        found = alarms(runs, as_of=now)
    except DatabaseError:
        return JsonResponse({"status": "database"}, status=503)
    if found:
        return JsonResponse({"status": "jobs"}, status=503)
    return JsonResponse({"status": "ok"})
