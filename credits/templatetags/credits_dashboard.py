from decimal import Decimal
from typing import Any

from django import template
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.safestring import SafeString

from credits.admin.dashboard import dashboard as parts_of
from credits.admin.drawing import money, number

register = template.Library()


@register.inclusion_tag("credits/admin/dashboard.html", takes_context=True)
def credits_dashboard(context: RequestContext) -> dict[str, Any]:
    """Show the parts of the dashboard that the user may see."""
    now = timezone.now()
    return {**parts_of(context["request"], now=now), "now": now}


@register.filter
def credits_number(value: int) -> SafeString:
    """Show a number with its thousands apart, left to right in every language."""
    return number(value)


@register.filter
def credits_money(amount: Decimal, currency: str) -> SafeString:
    """Show a sum of money, its currency first."""
    return money(amount, currency)
