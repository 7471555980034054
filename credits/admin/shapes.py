"""The pieces that charts are drawn of: the axis, shapes that lead somewhere, the legend."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext as _

WIDTH = 480
"""Units of every drawing; it scales with its frame."""

AXIS = 46
"""Units for the numbers beside the vertical axis."""

TOP, PLOT, FOOT = 10, 150, 22
"""Units above, within and below the plot."""


def short_number(value: float) -> str:
    """Return a number for an axis, as ``1.5M``, ``20k`` or ``300``."""
    for size, words in ((1_000_000, _("%(number)sM")), (1_000, _("%(number)sk"))):
        if abs(value) >= size:
            return words % {"number": coordinate(value / size)}
    return str(round(value))


def nice_step(span: float, *, steps: int = 4) -> int:
    """Return the least of 1, 2, 5, 10, 20, … that divides ``span`` into ``steps`` at most."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if step * steps >= span:
                return step
        size *= 10


@dataclass(frozen=True)
class Scale:
    """The vertical axis: round numbers around everything that is drawn."""

    ticks: tuple[int, ...]

    @classmethod
    def over(cls, lowest: int, highest: int) -> "Scale":
        """Return the scale on which both numbers have a place, and zero where it lies between."""
        step = nice_step(highest - lowest)
        first, last = lowest // step, -(-highest // step)
        return cls(tuple(number * step for number in range(first, last + 1)))

    @property
    def unit(self) -> float:
        """Units of the drawing for each credit."""
        return PLOT / (self.ticks[-1] - self.ticks[0])

    def y(self, value: float) -> float:
        """Return the height at which a value stands, from above."""
        return TOP + (self.ticks[-1] - value) * self.unit

    def drawn(self) -> SafeString:
        """Return the lines of the axis and its numbers."""
        # Beside the axis on the side on which reading begins; digits read left to right anyway.
        side = "start" if get_language_bidi() else "end"
        left, right = sorted((float(mirrored(AXIS)), float(mirrored(WIDTH))))
        return format_html_join(
            "",
            '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>'
            '<text x="{}" y="{}" direction="ltr" text-anchor="{}">{}</text>',
            (
                (
                    "grid" if tick else "grid zero",
                    coordinate(left),
                    coordinate(right),
                    coordinate(self.y(tick)),
                    coordinate(self.y(tick)),
                    mirrored(AXIS - 6),
                    coordinate(self.y(tick) + 4),
                    side,
                    short_number(tick),
                )
                for tick in self.ticks
            ),
        )


def linked(shape: SafeString, title: str, url: str) -> SafeString:
    """Return a shape that says what it is, and leads somewhere if there is an address."""
    if not url:
        return format_html(
            '<g role="img" aria-label="{}"><title>{}</title>{}</g>', title, title, shape
        )
    return format_html(
        '<a href="{}" aria-label="{}"><title>{}</title>{}</a>', url, title, title, shape
    )


def rect(start: float, top: float, width: float, height: float, name: str) -> SafeString:
    """Return a bar that begins ``start`` units from the side on which reading begins."""
    left = WIDTH - start - width if get_language_bidi() else start
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1.5"/>',
        name,
        *(coordinate(value) for value in (left, top, width, height)),
    )


def legend_of(entries: Iterable[tuple[str, str]]) -> SafeString:
    """Return the legend for (class of the colour, words)."""
    return format_html(
        '<ul class="credits-legend">{}</ul>',
        format_html_join(
            "",
            '<li><svg class="credits-chart" viewBox="0 0 12 12" aria-hidden="true">'
            '<rect class="{}" width="12" height="12" rx="3"/></svg>{}</li>',
            entries,
        ),
    )


def sentence(words: str) -> SafeString:
    """Return what stands in the place of a chart that has nothing to show."""
    return format_html('<p class="credits-note">{}</p>', words)


def minor_class(place: int, count: int) -> str:
    """Return the class of a label that a narrow screen leaves out: every second, not the last."""
    return "minor" if (count - place) % 2 == 0 else ""


def mirrored(x: float) -> str:
    """Return a place as a coordinate, counted from the side on which reading begins."""
    return coordinate(WIDTH - x if get_language_bidi() else x)


def coordinate(value: float) -> str:
    """Return a coordinate: with a point in every language, and short."""
    return f"{value:.1f}".removesuffix(".0")
