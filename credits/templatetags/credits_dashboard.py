"""
The dashboard on Django's own page of the app.

The admin is imported when a tag is used, not with this module: unfold renders a template while it
is itself being imported, and that loads every library of tags.
"""

from decimal import Decimal
from typing import Any

from django import template
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.safestring import SafeString

register = template.Library()


@register.inclusion_tag("credits/admin/dashboard.html", takes_context=True)
def credits_dashboard(context: RequestContext) -> dict[str, Any]:
    """Show the parts of the dashboard that the user may see."""
    from credits.admin.dashboard import dashboard  # noqa: PLC0415

    now = timezone.now()
    return {**dashboard(context["request"], now=now), "now": now}


@register.filter
def credits_number(value: int) -> SafeString:
    """Show a number with its thousands apart, left to right in every language."""
    from credits.admin.drawing import number  # noqa: PLC0415

    return number(value)


@register.filter
def credits_money(amount: Decimal, currency: str) -> SafeString:
    """Show a sum of money, its currency first."""
    from credits.admin.cells import money  # noqa: PLC0415

    return money(amount, currency)
