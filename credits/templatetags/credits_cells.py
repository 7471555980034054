"""The cells of the admin's tables, for templates."""

from typing import Any

from django import template

from credits.admin import cells

register = template.Library()

register.filter("signed", cells.signed)
register.filter("whole_number", cells.number)
register.filter("type_badge", cells.type_badge)
register.filter("before_after", cells.before_after)
register.filter("lot_left", cells.lot_left)
register.filter("author", cells.author)
register.filter("moment", cells.moment)
register.filter("day", cells.day)
register.filter("title_of", cells.title_of)
register.filter("run_name", cells.run_name)


@register.filter
def person(user: Any) -> str:
    """Show a user's name."""
    return cells.name_of(user)
