"""What a person decides about notices that stopped: asked first, done once, written down."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from credits.admin.cells import number
from credits.admin.previews import may_send
from credits.admin.skin import ModelAdmin
from credits.models import Notice
from credits.notices import deciding

MOST_LISTED = 20
MOST_LOGGED = 1_000
"""Above that many one entry of the admin's log stands for all."""


class Decisions(ModelAdmin):
    """The actions of the notices' admin; each asks on a page of its own before it acts."""

    actions = ("retry", "call_arrived", "send_again")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Let whoever may send notices decide about them; the page itself stays read-only."""
        return may_send(request)

    @admin.action(description=gettext_lazy("Failed: try again now"), permissions=["decide"])
    def retry(self, request: HttpRequest, notices: QuerySet[Notice]) -> HttpResponse | None:
        return self._decide(
            request,
            notices,
            action="retry",
            status=Notice.Status.FAILED,
            act=deciding.retry,
            question=_("Try failed notices again?"),
            effect=_("They are put back among the waiting ones, from the first attempt on."),
            log=_("To be tried again."),
            told=lambda count: ngettext(
                "%(count)s notice will be tried again.",
                "%(count)s notices will be tried again.",
                count,
            ),
        )

    @admin.action(description=gettext_lazy("Parked: it arrived"), permissions=["decide"])
    def call_arrived(self, request: HttpRequest, notices: QuerySet[Notice]) -> HttpResponse | None:
        return self._decide(
            request,
            notices,
            action="call_arrived",
            status=Notice.Status.PARKED,
            act=deciding.call_arrived,
            question=_("Count parked notices as sent?"),
            effect=_("Nothing is sent; they count as sent from now on."),
            log=_("Counted as sent."),
            told=lambda count: ngettext(
                "%(count)s notice now counts as sent.",
                "%(count)s notices now count as sent.",
                count,
            ),
        )

    @admin.action(description=gettext_lazy("Parked: send it again"), permissions=["decide"])
    def send_again(self, request: HttpRequest, notices: QuerySet[Notice]) -> HttpResponse | None:
        return self._decide(
            request,
            notices,
            action="send_again",
            status=Notice.Status.PARKED,
            act=deciding.send_again,
            question=_("Send parked notices again?"),
            effect=_("Who got the first copy after all gets a second one."),
            log=_("To be sent again."),
            told=lambda count: ngettext(
                "%(count)s notice will be sent again.",
                "%(count)s notices will be sent again.",
                count,
            ),
        )

    def _decide(
        self,
        request: HttpRequest,
        notices: QuerySet[Notice],
        *,
        action: str,
        status: Notice.Status,
        act: Callable[..., int],
        question: str,
        effect: str,
        log: str,
        told: Callable[[int], str],
    ) -> HttpResponse | None:
        fitting = notices.filter(status=status)
        if request.POST.get("confirmed") == "yes":
            logged = list(fitting.order_by("pk")[: MOST_LOGGED + 1])
            count = act(notices, at=timezone.now())
            self._log(request, logged, count, log)
            # None: they were in another state, or have moved on since the question.
            level = messages.SUCCESS if count else messages.WARNING
            self.message_user(request, told(count) % {"count": number(count)}, level)
            return None
        count = fitting.count()
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        across = request.POST.get("select_across") == "1"
        passed_over = (notices.count() if across else len(chosen)) - count
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            "credits/admin/decide.html",
            {
                **self.admin_site.each_context(request),
                "title": question,
                "opts": self.opts,
                "effect": effect,
                "count": number(count),
                "is_empty": not count,
                "status": status.label,
                "passed_over": number(passed_over) if passed_over > 0 else "",
                "listed": fitting.select_related("professional").order_by("-pk")[:MOST_LISTED],
                "left_out": number(count - MOST_LISTED) if count > MOST_LISTED else "",
                "action": action,
                "checkbox": ACTION_CHECKBOX_NAME,
                "chosen": chosen[:1] if across else chosen,
                "across": across,
            },
        )

    def _log(self, request: HttpRequest, notices: list[Notice], count: int, words: str) -> None:
        user_key = request.user.pk
        if not count or user_key is None:
            return
        if len(notices) <= MOST_LOGGED:
            LogEntry.objects.log_actions(user_key, notices, CHANGE, words)
            return
        LogEntry.objects.create(
            user_id=user_key,
            content_type=ContentType.objects.get_for_model(Notice),
            object_repr=_("%(count)s notices") % {"count": number(count)},
            action_flag=CHANGE,
            change_message=words,
        )


def fitting_acts(notice: Notice) -> list[tuple[str, str]]:
    """Return (action, label) of what may be decided about a notice in its present state."""
    if notice.status == Notice.Status.FAILED:
        return [("retry", _("Try again now…"))]
    if notice.status == Notice.Status.PARKED:
        return [("call_arrived", _("It arrived…")), ("send_again", _("Send it again…"))]
    return []
