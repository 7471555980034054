"""The years and months above a list of transactions, from the ends of an index."""

from dataclasses import dataclass
from datetime import date, datetime

from django.http import HttpRequest
from django.utils.dates import MONTHS

from credits.models import CreditTransaction
from credits.periods import period_zone


@dataclass(frozen=True)
class Choice:
    """One link, or the word that stands for where one is."""

    label: str
    url: str
    is_current: bool


@dataclass(frozen=True)
class DrillDown:
    """Years, and the months of the one that was chosen."""

    all_url: str
    asked: str
    years: list[Choice]
    months: list[Choice]


def drill_down(request: HttpRequest) -> DrillDown:
    """
    Return the years from the first transaction to the last, and the months of the chosen year.

    Two look-ups at the ends of an index, however many rows there are; a month in between without
    any is offered nevertheless.
    """
    asked = request.GET.get("month", "")
    dates = CreditTransaction.objects.values_list("created_at", flat=True)
    # Not min() and max() in one statement: SQLite reads the whole index for that.
    first = dates.order_by("created_at", "id").first()
    last = dates.order_by("-created_at", "-id").first()
    if first is None or last is None:
        return DrillDown(_url(request, ""), asked, [], [])
    start, end = _local(first), _local(last)
    year = asked[:4]
    return DrillDown(
        all_url=_url(request, ""),
        asked=asked,
        years=[
            Choice(str(number), _url(request, f"{number:04}"), year == f"{number:04}")
            for number in range(start.year, end.year + 1)
        ],
        months=[
            Choice(str(MONTHS[month]), _url(request, text), asked == text)
            for month in range(1, 13)
            if (text := f"{year}-{month:02}")
            and f"{start:%Y-%m}" <= text <= f"{end:%Y-%m}"
            and year.isdigit()
        ],
    )


def _local(moment: datetime) -> date:
    return moment.astimezone(period_zone()).date()


def _url(request: HttpRequest, month: str) -> str:
    """Return the address of the same list, from its first page, in another month."""
    query = request.GET.copy()
    query.pop("p", None)
    query.pop("month", None)
    if month:
        query["month"] = month
    return f"?{query.urlencode()}"
