"""
How many free credits a month gives a professional: ``CREDITS["MONTHLY_FREE_CREDITS"]``.

A number for all, or an expression over users that the database computes, as for plans. The reset
asks for it in its one UPDATE; what is asked before that is an outlook.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import IntegerField, OuterRef, QuerySet, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.utils.module_loading import import_string

from credits.conf import get_settings
from credits.engine.database import ledger_database
from credits.exceptions import InvalidAllowance
from credits.models.balances import ProfessionalId

Allowance = int | Combinable

SAMPLE = 100
"""What a made-up professional gets where nobody is there to ask for."""


def monthly_allowance() -> Allowance:
    """
    Return the number, or the expression over users.

    Raises:
        InvalidAllowance: the project's function returns neither.
    """
    given = get_settings().monthly_free_credits
    if isinstance(given, int):
        return given
    found = import_string(given)()
    if type(found) is int and found >= 0:
        return found
    if not hasattr(found, "resolve_expression"):
        raise InvalidAllowance(path=given, found=found)
    return Cast(found, IntegerField())


def of_user(allowance: Allowance) -> Combinable:
    """Return the amount as an expression over users."""
    return Value(allowance) if isinstance(allowance, int) else allowance


def of_balance(allowance: Allowance, *, using: str) -> Combinable:
    """Return the amount as an expression over balances."""
    if isinstance(allowance, int):
        return Value(allowance)
    return Subquery(
        _with_allowance(allowance, using=using)
        .filter(pk=OuterRef("professional_id"))
        .values("credits_allowance")
    )


def allowance_of(professional_id: ProfessionalId) -> int:
    """Return what the next reset would give one professional; asks only where it differs."""
    allowance = monthly_allowance()
    if isinstance(allowance, int):
        return allowance
    users = _with_allowance(allowance, using=ledger_database()).filter(pk=professional_id)
    return users.values_list("credits_allowance", flat=True).first() or 0


def sample_allowance() -> int:
    """Return what one professional gets, for a mail to a made-up one."""
    allowance = monthly_allowance()
    if isinstance(allowance, int):
        return allowance
    users = _with_allowance(allowance, using=ledger_database()).order_by("-pk")
    amounts = users.filter(credits_allowance__gt=0).values_list("credits_allowance", flat=True)
    return amounts.first() or SAMPLE


def _with_allowance(allowance: Combinable, *, using: str) -> QuerySet[Any]:
    users = get_user_model()._base_manager.using(using).order_by()
    return users.annotate(credits_allowance=allowance)
