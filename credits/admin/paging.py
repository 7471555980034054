"""Pages of lists that may have ten million rows: counting them all is what would take long."""

from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
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
    Pages of at most ``MOST`` rows, counted by reading at most one row more.

    Its ``count`` is an ``int`` as any paginator's; where there are more rows it is ``MOST`` and
    reads "more than 10,000", and ``is_capped`` says so.
    """

    most = MOST

    @cached_property
    def count(self) -> int:
        """Count the rows, but no more of them than matter."""
        counted = self._counted
        return Plenty(self.most) if counted > self.most else counted

    @property
    def is_capped(self) -> bool:
        """Say whether there are more rows than the pages show."""
        return self._counted > self.most

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        if not hasattr(rows, "query"):
            return len(rows)
        # Unordered, and keys alone: the database takes whichever index finds rows soonest.
        return int(rows.order_by().values("pk")[: self.most + 1].count())
