"""The page behind the link that stops notices: no login, no cookie, no script."""

from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from credits.models import Notice
from credits.notices.recipients import find_recipient
from credits.notices.suppression import accept, decline, has_declined
from credits.notices.unsubscribing import Subscription, read_token
from credits.notices.wording import Isolated, clean, language_of


# Mail providers post here by themselves (RFC 8058), without a cookie: the signed address is the
# authority. Scanners follow links, so a GET changes nothing.
@csrf_exempt
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link stops; stop it when posted to."""
    subscription, user = _read(token)
    if subscription is None or user is None:
        return _broken(request)
    kind = subscription.kind
    if request.method == "POST":
        decline(professional_id=user.pk, kind=kind, at=timezone.now())
        return _page(request, token, user, kind, state="declined")
    declined = has_declined(professional_id=user.pk, kind=kind)
    return _page(request, token, user, kind, state="declined" if declined else "asking")


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def subscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Take it back."""
    subscription, user = _read(token)
    if subscription is None or user is None:
        return _broken(request)
    accept(professional_id=user.pk, kind=subscription.kind)
    return _page(request, token, user, subscription.kind, state="accepted")


def _read(token: str) -> tuple[Subscription | None, Any]:
    subscription = read_token(token)
    if subscription is None:
        return None, None
    users = get_user_model()._default_manager
    return subscription, users.filter(pk=subscription.professional_id).first()


def _page(request: HttpRequest, token: str, user: Any, kind: str, *, state: str) -> HttpResponse:
    with translation.override(language_of(find_recipient(user).language)):
        brand = {"brand": Isolated(_brand(request))}
        sends = {
            Notice.Kind.RESET.value: gettext(
                "%(brand)s e-mails you when your free credits are renewed for the month."
            ),
            Notice.Kind.EXPIRY_WARNING.value: gettext(
                "%(brand)s e-mails you before credits that you bought expire."
            ),
        }
        sends_no_more = {
            Notice.Kind.RESET.value: gettext(
                "%(brand)s does not e-mail you any more when your free credits are renewed."
            ),
            Notice.Kind.EXPIRY_WARNING.value: gettext(
                "%(brand)s does not e-mail you any more before credits that you bought expire."
            ),
        }
        title = {
            "asking": gettext("Stop these e-mails?"),
            "declined": gettext("You will not get these e-mails any more"),
            "accepted": gettext("You will get these e-mails again"),
        }
        story = sends_no_more if state == "declined" else sends
        words = {"title": title[state], "story": story[kind] % brand, "state": state}
        return _render(request, words | {"token": token})


def _broken(request: HttpRequest) -> HttpResponse:
    with translation.override(language_of(translation.get_language() or "")):
        sentence = gettext(
            "This link is not complete: open it from the e-mail again, or copy all of it."
        )
        return _render(request, {"title": sentence, "state": "broken"}, status=404)


def _render(request: HttpRequest, words: dict[str, Any], *, status: int = 200) -> HttpResponse:
    direction = "rtl" if translation.get_language_bidi() else "ltr"
    language = translation.get_language() or settings.LANGUAGE_CODE
    response = render(
        request,
        "credits/unsubscribe.html",
        {"brand": _brand(request), "language": language, "direction": direction} | words,
        status=status,
    )
    response["Content-Language"] = language
    response["X-Robots-Tag"] = "noindex, nofollow"
    # The address is the key: it must not travel on.
    response["Referrer-Policy"] = "no-referrer"
    return response


def _brand(request: HttpRequest) -> str:
    """Return what the marketplace calls itself in its mails, else where it is reached."""
    return clean(parseaddr(settings.DEFAULT_FROM_EMAIL)[0]) or request.get_host()
