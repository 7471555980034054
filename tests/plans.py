"""Functions that a project may name in ``CREDITS``, and ones that it should not."""

from typing import Any

from django.contrib.auth.models import Group
from django.db import OperationalError
from django.db.models import Case, Count, Exists, F, OuterRef, QuerySet, Value, When
from django.db.models.functions import Random

from credits.models import CreditBalance
from homezy.models import User, Verification


def by_verification() -> Case:
    """Give 250 to whose papers were looked at closely, 100 to others."""
    return Case(When(verification=Verification.COMPREHENSIVE, then=250), default=100)


def by_group() -> Case:
    """Give 250 to the gold ones, as the docs show it."""
    gold = Group.objects.filter(user=OuterRef("pk"), name="gold")
    return Case(When(Exists(gold), then=250), default=100)


def by_count() -> Any:
    """Give ten for each group that somebody is in."""
    return Count("groups") * 10


def none_for_basic() -> Case:
    """Forget those with basic papers."""
    return Case(When(verification=Verification.COMPREHENSIVE, then=250))


def less_than_nothing() -> Value:
    return Value(-5)


def by_chance() -> Any:
    """Give something else each time it is asked for."""
    return Random() * 1_000_000


def from_a_field_that_is_not_there() -> F:
    return F("plan__credits")


def forty() -> int:
    return 40


def naught() -> int:
    return 0


def many() -> str:
    return "many"


def nothing() -> None:
    return None


def of_balances() -> QuerySet[CreditBalance]:
    return CreditBalance.objects.filter(free_credits=0)


def make_all(users: QuerySet[User]) -> QuerySet[User]:
    return users


def before_the_first_migrate() -> QuerySet[User]:
    raise OperationalError("no such table: plans")
