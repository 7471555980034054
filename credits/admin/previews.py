"""See what a notice looks like before anybody gets it: HTML, text, dark, and sent to oneself."""

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from credits.admin.professional_field import ProfessionalField
from credits.admin.read_only import email_field
from credits.admin.refusals import sentence
from credits.admin.skin import ModelAdmin
from credits.exceptions import CreditsError
from credits.models import Notice
from credits.notices.composing import Message
from credits.notices.handing_over import Mailer
from credits.notices.outcomes import Misconfigured, Sent, Unclear
from credits.notices.previewing import preview

# The mail's own styles and remote pictures; nothing runs, nothing is framed by another site.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; sandbox;"
    " frame-ancestors 'self'; form-action 'none'; base-uri 'none'"
)

_DARK = re.compile(r"@media\s*\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_LIGHT = re.compile(r"@media\s*\(\s*prefers-color-scheme\s*:\s*light\s*\)")
_SCHEMES = re.compile(r"(color-scheme\s*:\s*)light dark")
_META_SCHEMES = re.compile(r'(<meta name="(?:supported-)?color-schemes?" content=")light dark(")')


class PreviewForm(forms.Form):
    """Which mail, in which language, from whose books."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=Notice.Kind.choices)
    professional = ProfessionalField(
        help_text=gettext_lazy("An e-mail address or an id. Empty: a made-up professional.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Asked for with each form: the project's languages are a setting.
        self.fields["language"] = forms.ChoiceField(
            label=gettext_lazy("Language"),
            choices=[("", _("that of the recipient")), *settings.LANGUAGES],
            required=False,
        )
        self.order_fields(["kind", "language", "professional"])


def may_send(request: HttpRequest) -> bool:
    """Say whether this user may send notices and decide about them."""
    return request.user.has_perms(["credits.send_notices", "credits.view_notice"])


class Previews(ModelAdmin):
    """The pages of the notices' admin that show a mail as it would be now."""

    def get_urls(self) -> list[URLPattern]:
        """Add the pages; all of them ask who is there first."""
        wrap = self.admin_site.admin_view
        html: Callable[..., Any] = xframe_options_sameorigin(self.preview_html_view)
        return [
            path("preview/", wrap(self.preview_view), name="credits_notice_preview"),
            path("preview/html/", wrap(html), name="credits_notice_preview_html"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Show a mail's headers, HTML and text; a POST sends it to who asks."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST" and not may_send(request):
            raise PermissionDenied
        form, message, problem = _written(request)
        if request.method == "POST" and message is not None:
            return self._send(request, message)
        shown = request.GET.get("show", "")
        query = request.GET.copy()
        tabs = []
        for key, label in (("html", _("HTML")), ("dark", _("Dark")), ("text", _("Text"))):
            query["show"] = key
            tabs.append((key, label, f"?{query.urlencode()}"))
        query.pop("show")
        if shown == "dark":
            query["dark"] = "1"
        frame = reverse("admin:credits_notice_preview_html")
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            "credits/admin/preview.html",
            {
                **self.admin_site.each_context(request),
                "title": _("Preview of a notice"),
                "opts": self.opts,
                "form": form,
                "message": message,
                "problem": problem,
                "tabs": tabs,
                "shown": shown if shown in {"dark", "text"} else "html",
                "frame_url": f"{frame}?{query.urlencode()}",
                "own_address": _own_address(request),
                "may_send": may_send(request),
            },
        )

    def preview_html_view(self, request: HttpRequest) -> HttpResponse:
        """Return the mail's HTML alone, for the frame: it may run nothing and load no script."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        _form, message, problem = _written(request)
        if message is None:
            response = HttpResponse(problem, content_type="text/plain; charset=utf-8")
        else:
            html = darkened(message.html) if request.GET.get("dark") else lightened(message.html)
            response = HttpResponse(html)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response["X-Content-Type-Options"] = "nosniff"
        response["Referrer-Policy"] = "no-referrer"
        return response

    def _send(self, request: HttpRequest, message: Message) -> HttpResponse:
        address = _own_address(request)
        if address:
            with Mailer() as mailer:
                outcome = mailer.hand_over_preview(message, address=address, now=timezone.now())
            level, told = messages.ERROR, _("The mail was not taken: %(reason)s")
            match outcome:
                case Sent():
                    level, told = messages.SUCCESS, _("The preview was sent to %(address)s.")
                case Unclear():
                    level = messages.WARNING
                    told = _("The mail service did not answer; it may arrive: %(reason)s")
                case Misconfigured():
                    told = _("The mail settings do not work: %(reason)s")
            reason = getattr(outcome, "reason", "")
            self.message_user(request, told % {"address": address, "reason": reason}, level)
        else:
            told = _("Your account has no e-mail address to send it to.")
            self.message_user(request, told, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


def darkened(html: str) -> str:
    """Return a mail as a dark screen shows it: its dark rules hold without being asked for."""
    html = _LIGHT.sub("@media not all", _DARK.sub("@media all", html))
    return _META_SCHEMES.sub(r"\1dark\2", _SCHEMES.sub(r"\1dark", html))


def lightened(html: str) -> str:
    """Return a mail as a light screen shows it, whatever the screen is."""
    html = _DARK.sub("@media not all", _LIGHT.sub("@media all", html))
    return _META_SCHEMES.sub(r"\1light\2", _SCHEMES.sub(r"\1light", html))


def _written(request: HttpRequest) -> tuple[PreviewForm, Message | None, str]:
    """Return the form that was sent in the address, its mail, or why there is none."""
    data = request.GET.copy()
    data.setdefault("kind", Notice.Kind.RESET.value)
    if "language" not in data and "professional" not in data:
        known = [code for code, _name in settings.LANGUAGES]
        spoken = get_language() or ""
        data["language"] = spoken if spoken in known else ""
    form = PreviewForm(data)
    if not form.is_valid():
        return form, None, " ".join(str(e) for found in form.errors.values() for e in found)
    professional = form.cleaned_data["professional"]
    try:
        message = preview(
            form.cleaned_data["kind"],
            professional_id=professional.pk if professional else None,
            language=form.cleaned_data["language"] or None,
            at=timezone.now(),
        )
    except CreditsError as error:
        return form, None, sentence(error)
    return form, message, ""


def _own_address(request: HttpRequest) -> str:
    return str(getattr(request.user, email_field(), "") or "")
