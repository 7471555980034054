"""
The addresses at which mail services report what became of a mail: anymail's, behind a lock.

Without a secret anybody could suppress anybody, so an address that nothing guards does not exist.
Only reports on what was sent are taken; a host that wants inbound mail includes ``anymail.urls``.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern
from django.utils.module_loading import import_string

from credits.notices.configured import backend_path
from credits.notices.tracking import missed_events

# Who signs what it posts, and which of anymail's settings holds the key. Each key opens the
# address of its own service and no other; WEBHOOK_SECRET opens them all.
_SIGNING_KEYS = {
    "mailersend": "SIGNING_SECRET",
    "mailgun": "WEBHOOK_SIGNING_KEY",
    "mailtrap": "TRACKING_SECRET",
    "mandrill": "WEBHOOK_KEY",
    "postal": "WEBHOOK_KEY",
    "resend": "SIGNING_SECRET",
    "sendgrid": "TRACKING_WEBHOOK_VERIFICATION_KEY",
}

View = Callable[..., HttpResponseBase]


def has_anymail() -> bool:
    """Say whether django-anymail is there; it is an extra."""
    return find_spec("anymail") is not None


def webhook_patterns() -> list[URLPattern]:
    """Return anymail's tracking addresses, each of which is 404 as long as nothing guards it."""
    if not has_anymail():
        return []
    return [
        URLPattern(
            pattern.pattern, guarded(pattern.callback, service), pattern.default_args, pattern.name
        )
        for pattern, service in _tracking_patterns()
    ]


def guarded(view: View, service: str) -> View:
    """
    Return anymail's view, closed while nothing guards it.

    It answers 503 when the database could not take an event, so that the service tells it again.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not is_guarded(service):
            raise Http404
        with missed_events() as missed:
            response = view(request, *args, **kwargs)
        return HttpResponse(status=503) if missed else response

    return answer


def is_guarded(service: str) -> bool:
    """Say whether a secret or the service's own signature keeps strangers out."""
    if _setting("WEBHOOK_SECRET"):
        return True
    key = _SIGNING_KEYS.get(service)
    return key is not None and bool(_setting(f"{service.upper()}_{key}"))


def signing_key(service: str) -> str:
    """Return the name of the setting, in ``ANYMAIL``, that guards this service alone, or ""."""
    key = _SIGNING_KEYS.get(service)
    return f"{service.upper()}_{key}" if key else ""


def service_in_use() -> str:
    """Return the mail service that the host hands mail to, if it reports back; or ""."""
    if not has_anymail():
        return ""
    try:
        backend = import_string(backend_path())
    except ImportError:
        return ""
    # As in anymail.backends.postmark: also on a backend that was derived from it.
    service = str(getattr(backend, "esp_name", "")).lower().replace(" ", "_")
    return service if service in {known for _, known in _tracking_patterns()} else ""


def _tracking_patterns() -> Iterator[tuple[URLPattern, str]]:
    for pattern in import_string("anymail.urls.urlpatterns"):
        # Mandrill has one address for everything.
        if pattern.name.endswith("_tracking_webhook") or pattern.name == "mandrill_webhook":
            service = pattern.name.removesuffix("_webhook").removesuffix("_tracking")
            yield pattern, service


def _setting(name: str) -> Any:
    # As anymail reads it: from the dict, else by itself.
    own = getattr(settings, "ANYMAIL", {})
    return own.get(name) or getattr(settings, f"ANYMAIL_{name}", None)
