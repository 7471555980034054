"""Lists and pages of our own: what those of balances and transactions have in common."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from credits.admin.paging import CappedList, CappedPaginator, first_keys
from credits.admin.read_only import ReadOnlyAdmin


class LongList(ReadOnlyAdmin):
    """A list that costs the same with a hundred rows and with ten million."""

    paginator = CappedPaginator
    # "Show all" is no offer to make; the counts of facets read every row.
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "credits/admin/long_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list of whichever skin there is, with pages that are looked up by key."""
        return type("LongChangeList", (CappedList, super().get_changelist(request, **kwargs)), {})

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        per_page: int,
        *args: Any,
        **kwargs: Any,
    ) -> CappedPaginator:
        """Return the pages of a list; what was filtered by is asked once, for the keys."""
        return self.paginator(
            queryset,
            per_page,
            *args,
            find_keys=self.key_finder(request, queryset),
            look_up=self.get_queryset(request).order_by(*queryset.query.order_by),
            **kwargs,
        )

    def key_finder(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> Callable[[int], list[Any]]:
        """Return what finds the keys of a list's first rows; a list may know a quicker way."""
        return first_keys(queryset)


class OwnPage(LongList):
    """A row's page that is a template of ours: there is no form on it, so nothing to post."""

    page_template: str

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the template shows of ``row``."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one row; refuse everything but looking."""
        row = self.get_object(request, unquote(object_id))
        if row is None or request.method not in {"GET", "HEAD"}:
            # Django's own view knows what to say: 403 to a POST, back to the index otherwise.
            return super().change_view(request, object_id, form_url, extra_context)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "acts": self.acts_for(request, row) if hasattr(self, "acts_for") else [],
            **self.page_context(request, row),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.page_template, context)
