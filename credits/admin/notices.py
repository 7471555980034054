import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credits.admin.cells import day_and_time, moment, number, person
from credits.admin.decisions import Decisions, fitting_acts
from credits.admin.paging import CappedPaginator
from credits.admin.previews import Previews, may_send
from credits.admin.read_only import ReadOnlyAdmin, email_field
from credits.admin.showing import notice_badge
from credits.admin.skin import ModelAdmin
from credits.models import Notice, NoticeOptOut, SuppressedAddress
from credits.notices.suppression import clear


@admin.register(Notice)
class NoticeAdmin(Previews, Decisions, ReadOnlyAdmin):
    paginator = CappedPaginator
    list_max_show_all = 0
    # The counts of facets read every row.
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "credits/admin/notice_list.html"
    list_display = (
        "id",
        "kind",
        "recipient",
        "badge",
        "attempts",
        "when",
    )
    list_display_links = ("id", "kind")
    list_filter = ("kind", "status")
    list_select_related = ("professional",)
    # Only so that there is a box: get_search_results reads what is typed.
    search_fields = ("address",)
    search_help_text = gettext_lazy("A whole e-mail address.")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """
        Order by key; those of one kind or status as the index has them that leads to them.

        By key they would be looked for among a million newer ones, after a reset.
        """
        if "kind__exact" in request.GET:
            return ("-created_at", "-id")
        if "status__exact" in request.GET:
            return ("-next_attempt_at", "-id")
        return ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Notice], search_term: str
    ) -> tuple[QuerySet[Notice], bool]:
        """Search whole addresses: the one it was sent to, and the professional's of today."""
        term = search_term.strip()
        if not term:
            return queryset, False
        users = get_user_model()._default_manager.filter(**{f"{email_field()}__exact": term})
        keys = list(users.values_list("pk", flat=True)[:10])
        # An OR, or an address without the index's own condition, would read every notice.
        sent = self.model.objects.filter(address__in={term, term.lower()}).exclude(address="")
        promised = self.model.objects.filter(professional__in=keys)
        found = sent.values("pk").union(promised.values("pk"))
        return queryset.filter(pk__in=found), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one notice: what it says, why it stands where it stands, what the service told."""
        notice = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, notice) or request.method == "POST":
            raise PermissionDenied
        if notice is None:
            return self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined,no-any-return]
                request, self.opts, object_id
            )
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            "credits/admin/notice.html",
            {
                **self.admin_site.each_context(request),
                "title": str(notice).capitalize(),
                "opts": self.opts,
                "notice": notice,
                "badge": notice_badge(notice),
                "facts": _facts(notice),
                "context": json.dumps(notice.context, indent=2, ensure_ascii=False),
                "events": notice.events.order_by("occurred_at", "pk"),
                "acts": fitting_acts(notice) if may_send(request) else [],
                "checkbox": ACTION_CHECKBOX_NAME,
                "professional_url": _professional_url(request, notice),
                "run_url": _run_url(request, notice),
                **(extra_context or {}),
            },
        )

    @admin.display(description=gettext_lazy("recipient"), ordering="professional")
    def recipient(self, notice: Notice) -> SafeString | str:
        if notice.professional is None:
            return notice.address or _("the operators")
        return person(notice.professional)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def badge(self, notice: Notice) -> SafeString:
        """The status, and why."""
        if not notice.reason:
            return notice_badge(notice)
        return format_html(
            '{}<br><span class="credits-quiet">{}</span>', notice_badge(notice), notice.reason
        )

    @admin.display(description=gettext_lazy("sent or next attempt"))
    def when(self, notice: Notice) -> SafeString | str:
        """When it was sent; of what may still be tried, when that will be."""
        if notice.sent_at:
            return day_and_time(notice.sent_at)
        if notice.status not in {Notice.Status.PENDING, Notice.Status.SENDING}:
            return ""
        return format_html(
            '<span class="credits-quiet">{}</span><br>{}',
            _("next attempt"),
            day_and_time(notice.next_attempt_at),
        )


class DeletableAdmin(ReadOnlyAdmin):
    """A list that rows may be taken off, and that nobody writes into."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the permission, and to see the row: Django asks for the first alone."""
        may_see = self.has_view_permission(request, obj)
        return may_see and ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(SuppressedAddress)
class SuppressedAddressAdmin(DeletableAdmin):
    list_display = ("address", "reason", "notice", "created_at")
    list_filter = ("reason",)
    list_select_related = ("notice",)
    search_fields = ("=address",)
    ordering = ("-created_at", "address")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let whoever may send notices clear an address too: both decide who gets mail."""
        may_send = request.user.has_perm("credits.send_notices")
        if may_send and self.has_view_permission(request, obj):
            return True
        return super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: SuppressedAddress) -> None:
        clear(obj.address)


@admin.register(NoticeOptOut)
class NoticeOptOutAdmin(DeletableAdmin):
    list_display = ("professional", "kind", "created_at")
    list_filter = ("kind",)
    list_select_related = ("professional",)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search whole addresses, which an index answers."""
        return (f"professional__{email_field()}__exact",)


def _facts(notice: Notice) -> list[tuple[str, str]]:
    recipient = _("the operators") if notice.professional is None else str(notice.professional)
    return [
        (_("Kind"), notice.get_kind_display()),
        (_("Recipient"), recipient),
        (_("Sent to"), notice.address or _("nobody yet")),
        (_("Language"), notice.language or _("that of the recipient")),
        (_("Reason"), notice.reason or _("none")),
        (_("Attempts"), number(notice.attempts)),
        (_("Next attempt"), moment(notice.next_attempt_at)),
        (_("Created"), moment(notice.created_at)),
        (_("Sent"), moment(notice.sent_at) if notice.sent_at else _("not yet")),
        (_("Key"), notice.key),
        (_("Message id"), notice.message_id or _("none")),
    ]


def _professional_url(request: HttpRequest, notice: Notice) -> str:
    if notice.professional_id is None or not request.user.has_perm("credits.view_creditbalance"):
        return ""
    return reverse("admin:credits_creditbalance_change", args=[notice.professional_id])


def _run_url(request: HttpRequest, notice: Notice) -> str:
    if notice.run_id is None or not request.user.has_perm("credits.view_jobrun"):
        return ""
    return reverse("admin:credits_jobrun_change", args=[notice.run_id])
