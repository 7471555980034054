"""
The cells of the admin's tables, for templates.

The admin is imported when a filter is used, not with this module: see ``credits_dashboard``.
"""

from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def credits_heading(title: str) -> SafeString | str:
    """Show a page's title where the skin's own frame has no heading for it."""
    from credits.admin.skin import HAS_HEADINGS  # noqa: PLC0415

    return "" if HAS_HEADINGS else format_html('<h1 class="credits-title">{}</h1>', title)


@register.filter
def money(amount: Decimal, currency: str = "") -> SafeString:
    """Show a sum of money, its currency first."""
    from credits.admin import cells  # noqa: PLC0415

    return cells.money(amount, currency)


def _cell(name: str) -> None:
    def show(value: Any) -> Any:
        return import_string(f"credits.admin.cells.{name}")(value)

    register.filter(name, show)


for _name in (
    "author",
    "before_after",
    "day",
    "lot_left",
    "moment",
    "name_of",
    "number",
    "run_name",
    "signed",
    "title_of",
    "type_badge",
):
    _cell(_name)
