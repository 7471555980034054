"""The filters beside the lists; each is answered through an index."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from credits.admin.cells import name_of
from credits.conf import get_settings
from credits.engine.authors import authors
from credits.engine.database import ledger_database
from credits.models import CreditTransaction, CreditType, TransactionType
from credits.periods import add_months, parse_period, start_of

LOT_TYPES = (
    TransactionType.PURCHASE,
    TransactionType.BONUS,
    TransactionType.REFUND,
    TransactionType.ADJUSTMENT,
)
"""The types whose rows can be lots."""

SOON = timedelta(days=30)

MOST_AUTHORS = 50
"""People that the filter of transactions offers; the address takes any."""


def eligible_professionals() -> QuerySet[Any] | None:
    """Return the host's verified professionals; None if the project does not say who they are."""
    path = get_settings().eligible_professionals
    return import_string(path)().using(ledger_database()) if path else None


MANY_LOTS = 40_000
"""Lots that expire soon: more are not gathered to find their owners."""


class VerifiedFilter(admin.SimpleListFilter):
    """Verified or not, as ``CREDITS["ELIGIBLE_PROFESSIONALS"]`` has it."""

    title = _("verification")
    parameter_name = "verified"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer nothing where the project has no such rule."""
        if not get_settings().eligible_professionals:
            return []
        return [("yes", _("verified")), ("no", _("not verified"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """
        Ask for each row, not for a list of all: a page is full long before the end.

        Where next to everybody is verified, the others are found at the speed of an index of the
        user model that holds its key and all that the host's rule looks at, in this order.
        """
        eligible = eligible_professionals()
        if eligible is None or self.value() not in {"yes", "no"}:
            return queryset
        is_verified = Exists(eligible.order_by().filter(pk=OuterRef("pk")))
        return queryset.filter(is_verified if self.value() == "yes" else ~is_verified)


class ExpiringFilter(admin.SimpleListFilter):
    """Who is about to lose credits: by all their lots if they are few, else one after the other."""

    title = _("expiry")
    parameter_name = "expiring"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("30", _("has credits expiring in 30 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "30":
            return queryset
        if request.GET.get(HoldingFilter.parameter_name) == HoldingFilter.NONE:
            # Who has nothing left has nothing to lose.
            return queryset.none()
        now = timezone.now()
        end = now + SOON
        lots = CreditTransaction.objects.open_lots().filter(expires_at__gte=now)
        losing = lots.filter(expires_at__lt=end)
        if not losing.order_by("expires_at").values("expires_at")[MANY_LOTS : MANY_LOTS + 1]:
            return queryset.filter(pk__in=losing.order_by().values("professional_id"))
        # So many that a page is soon full: ask each professional in turn what expires next. A
        # comparison with it is a question for each row; an EXISTS would again be one for all.
        soonest = lots.filter(professional_id=OuterRef("pk")).order_by("expires_at")
        asked: QuerySet[Any] = queryset.alias(next_loss=Subquery(soonest.values("expires_at")[:1]))
        return asked.filter(next_loss__lt=end)


class HoldingFilter(admin.SimpleListFilter):
    """Who has nothing left."""

    title = _("balance")
    parameter_name = "holding"

    NONE = "none"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(self.NONE, _("zero balance"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != self.NONE:
            return queryset
        return queryset.filter(free_credits=0, paid_credits=0)


class OpenLotFilter(admin.SimpleListFilter):
    """Lots that somebody can still spend from."""

    title = _("lot")
    parameter_name = "lot"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("has credits left"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return open lots; none at once where another filter asks for what no lot can be."""
        if self.value() != "open":
            return queryset
        asked = request.GET.get("transaction_type__exact")
        pool = request.GET.get("credit_type__exact", CreditType.PAID)
        if pool != CreditType.PAID or (asked is not None and asked not in LOT_TYPES):
            return queryset.none()
        return queryset.filter(remaining_amount__gt=0)


class AuthorFilter(admin.SimpleListFilter):
    """Who wrote a transaction in the admin; what jobs and programs wrote has no author."""

    title = _("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the people there are."""
        using = ledger_database()
        keys = authors(MOST_AUTHORS, using=using)
        people = get_user_model()._default_manager.using(using).filter(pk__in=keys)
        choices = [(str(user.pk), name_of(user)) for user in people.order_by()]
        return sorted(choices, key=lambda choice: choice[1].casefold())

    def has_output(self) -> bool:
        """Say yes to an address that asks, too: Django asks only filters that do for their rows."""
        return super().has_output() or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        try:
            return queryset.filter(created_by=self.value())
        except (ValueError, ValidationError) as error:
            raise IncorrectLookupParameters(error) from error


class MonthFilter(admin.ListFilter):
    """
    A month (``month=2026-11``) or a year (``month=2026``), as a range of an index.

    Its links stand above the list, where Django's ``date_hierarchy`` has them; that one reads
    every row to find out which months there are.
    """

    title = _("month")
    template = "credits/admin/nothing.html"
    parameter_name = "month"

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: Any,
        model_admin: Any,
    ) -> None:
        super().__init__(request, params, model, model_admin)  # type: ignore[arg-type]  # lists since 5.0
        self.asked = (params.pop(self.parameter_name, None) or [""])[-1]

    def has_output(self) -> bool:
        """Say yes: Django asks only filters that do for their rows."""
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def choices(self, changelist: Any) -> Iterator[Any]:
        return iter(())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the month or year that was asked for."""
        if not self.asked:
            return queryset
        try:
            first, end = span_of(self.asked)
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error
        return queryset.filter(created_at__gte=first, created_at__lt=end)


def span_of(text: str) -> tuple[datetime, datetime]:
    """
    Return when ``2026`` or ``2026-11`` begins and ends: the months of the reports and the resets.

    Raises:
        ValueError: it is neither a year nor a month.
    """
    is_year = text.isascii() and text.isdigit() and len(text) == 4
    try:
        first = start_of(parse_period(f"{text}-01" if is_year else text))
        return first, add_months(first, 12 if is_year else 1)
    except OverflowError as error:
        # East of Greenwich the first year begins before time does.
        raise ValueError(text) from error
