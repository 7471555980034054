from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from credits.admin.read_only import ReadOnlyAdmin, ReadOnlyTable, email_field
from credits.admin.skin import ModelAdmin
from credits.models import Notice, NoticeEvent, NoticeOptOut, SuppressedAddress
from credits.notices import deciding
from credits.notices.suppression import clear


class EventInline(ReadOnlyTable):
    """What the mail service told."""

    model = NoticeEvent
    fields = ("occurred_at", "event_type", "description")
    ordering = ("occurred_at", "id")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "kind",
        "recipient",
        "status",
        "reason",
        "attempts",
        "next_attempt_at",
        "sent_at",
    )
    list_display_links = ("id", "kind")
    list_filter = ("kind", "status")
    list_select_related = ("professional",)
    ordering = ("-id",)
    inlines = (EventInline,)
    actions = ("retry", "call_arrived", "send_again")

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search whole addresses: the one it was sent to, and the professional's of today."""
        return ("address__exact", f"professional__{email_field()}__exact")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Let whoever may change notices decide about them; the page itself stays read-only."""
        return request.user.has_perm("credits.change_notice")

    @admin.display(description=_("recipient"), ordering="professional")
    def recipient(self, notice: Notice) -> str:
        return notice.address if notice.professional is None else str(notice.professional)

    @admin.action(description=_("Failed: try again now"), permissions=["decide"])
    def retry(self, request: HttpRequest, notices: QuerySet[Notice]) -> None:
        count = deciding.retry(notices, at=timezone.now())
        told = ngettext(
            "%(count)d notice will be tried again.", "%(count)d notices will be tried again.", count
        )
        self._report(request, told, count)

    @admin.action(description=_("Parked: it arrived"), permissions=["decide"])
    def call_arrived(self, request: HttpRequest, notices: QuerySet[Notice]) -> None:
        count = deciding.call_arrived(notices, at=timezone.now())
        told = ngettext(
            "%(count)d notice now counts as sent.", "%(count)d notices now count as sent.", count
        )
        self._report(request, told, count)

    @admin.action(description=_("Parked: send it again"), permissions=["decide"])
    def send_again(self, request: HttpRequest, notices: QuerySet[Notice]) -> None:
        count = deciding.send_again(notices, at=timezone.now())
        told = ngettext(
            "%(count)d notice will be sent again.", "%(count)d notices will be sent again.", count
        )
        self._report(request, told, count)

    def _report(self, request: HttpRequest, told: str, count: int) -> None:
        # None: the chosen notices were in another state, or have moved on meanwhile.
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, told % {"count": count}, level)


class DeletableAdmin(ReadOnlyAdmin):
    """A list that rows may be taken off, and that nobody writes into."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the permission, as any admin page does."""
        return ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(SuppressedAddress)
class SuppressedAddressAdmin(DeletableAdmin):
    list_display = ("address", "reason", "notice", "created_at")
    list_filter = ("reason",)
    list_select_related = ("notice",)
    search_fields = ("=address",)
    ordering = ("-created_at", "address")

    def delete_model(self, request: HttpRequest, obj: SuppressedAddress) -> None:
        clear(obj.address)


@admin.register(NoticeOptOut)
class NoticeOptOutAdmin(DeletableAdmin):
    list_display = ("professional", "kind", "created_at")
    list_filter = ("kind",)
    list_select_related = ("professional",)
    ordering = ("-id",)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search whole addresses, which an index answers."""
        return (f"professional__{email_field()}__exact",)
