"""Pages of lists that may have ten million rows: counting them all is what would take long."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

MOST = 10_000
"""Rows that are counted, and that can be paged through; what lies beyond is filtered for."""


class Plenty(int):
    """The number ``MOST`` where there are more, which is what it reads as on a page."""

    def __str__(self) -> str:
        # With this setting Django groups the digits of what it takes for a number: words would be
        # torn apart. The sentence below such a list says it too.
        if settings.USE_THOUSAND_SEPARATOR:
            return int.__repr__(self)
        return _("more than %(number)s") % {"number": f"{int(self):,}"}


class CappedPaginator(Paginator):
    """
    Pages of at most ``MOST`` rows, whose keys are read at once: filters are answered one time.

    Its ``count`` is an ``int`` as any paginator's; where there are more rows it is ``MOST`` and
    reads "more than 10,000", and ``is_capped`` says so.
    """

    most = MOST

    def __init__(
        self,
        rows: QuerySet[Any],
        per_page: int,
        *args: Any,
        find_keys: Callable[[int], list[Any]] | None = None,
        look_up: QuerySet[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """
        Take the rows of a list, filtered and in order.

        Args:
            find_keys: returns the keys of the first so many rows, in their order, where that is
                quicker than to ask ``rows`` for them.
            look_up: where the rows of a page are looked up; ``rows``, with all its filters, if
                not given.
        """
        super().__init__(rows, per_page, *args, **kwargs)
        self._find_keys = find_keys or first_keys(rows)
        self._look_up = rows if look_up is None else look_up

    @cached_property
    def count(self) -> int:
        """Count the rows, but no more of them than matter."""
        return Plenty(self.most) if self.is_capped else len(self._keys)

    @property
    def is_capped(self) -> bool:
        """Say whether there are more rows than the pages show."""
        return len(self._keys) > self.most

    def page(self, number: int | str) -> Page:
        """Return a page; its rows are looked up by their keys."""
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self._keys[: self.most][first : first + self.per_page]
        return Page(self._look_up.filter(pk__in=keys), number, self)

    @cached_property
    def _keys(self) -> list[Any]:
        return self._find_keys(self.most + 1)


def first_keys(rows: QuerySet[Any]) -> Callable[[int], list[Any]]:
    """Return what reads the keys of the first so many rows."""
    return lambda most: list(rows.values_list("pk", flat=True)[:most])


class CappedList:
    """A mixin of ``ChangeList`` that takes its rows from the paginator, a single page's too."""

    multi_page: bool
    paginator: CappedPaginator
    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the page; without this Django asks for a short list again, and without a limit."""
        super().get_results(request)  # type: ignore[misc]  # a mixin
        if not self.multi_page:
            self.result_list = self.paginator.page(1).object_list
