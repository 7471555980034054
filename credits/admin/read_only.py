from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest

from credits.admin.skin import ModelAdmin, StackedInline, TabularInline


class ReadOnly:
    """Pages that show and never change: history is read, money moves through the ledger."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows come from the ledger and the jobs."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what happened stays as it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what happened is kept."""
        return False


class ReadOnlyTable(ReadOnly, TabularInline):
    """Rows that belong to the page they stand on."""

    extra = 0


class ReadOnlyText(ReadOnly, StackedInline):
    """A text that belongs to the page it stands on."""

    extra = 0


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    """The base of every page here."""

    # A second COUNT(*) over the whole table for "of 10,000,000" is what such a page costs.
    show_full_result_count = False
    # Drawing a row takes about as long as finding a page of them: a hundred would be most of it.
    list_per_page = 50
    empty_value_display = ""

    class Media:
        css = {"all": ("credits/admin.css", "credits/lists.css")}


def email_field() -> str:
    """Return the name of the user model's e-mail field."""
    return get_user_model().get_email_field_name()
