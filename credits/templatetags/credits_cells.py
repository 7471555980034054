"""
The cells of the admin's tables, for templates.

The admin is imported when a filter is used, not with this module: see ``credits_dashboard``.
"""

from typing import Any

from django import template
from django.utils.module_loading import import_string

register = template.Library()


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
