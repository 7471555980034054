"""
Charts as SVG that the server draws: numbers in, markup out; all text is escaped here.

Nothing in them needs a script or a style attribute: shapes are placed by their attributes and
coloured by the classes of ``admin.css``. Time runs from the side on which reading begins, so it
runs right to left in Arabic. A drawing is ``WIDTH`` units wide and scales with its frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi

from credits.admin.shapes import (
    AXIS,
    FOOT,
    PLOT,
    TOP,
    WIDTH,
    Scale,
    coordinate,
    legend_of,
    linked,
    minor_class,
    mirrored,
    rect,
    sentence,
)

_STRIP = 70
_LEAST = 1.5
"""Units of the smallest shape: what is not nothing is seen."""

TONES = {"good": "", "warn": "!", "bad": "✕", "plain": ""}
"""The colours of outcomes, and the sign that stands over a bar for who sees no colour."""


@dataclass(frozen=True)
class Part:
    """One piece of a bar: above the axis if its value is positive, below it if negative."""

    value: int
    title: str
    """What a reader is told about it, with its number: its name for who cannot see it."""

    url: str = ""
    series: int = 1
    """The place of its words in the chart's legend, from 1 to 5."""


@dataclass(frozen=True)
class Bar:
    """A column of a chart: the pieces stand on another in their order."""

    label: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Beat:
    """One run in a strip of runs."""

    seconds: float
    tone: str
    """A key of ``TONES``."""

    title: str
    url: str = ""


def bar_chart(bars: Sequence[Bar], *, title: str, legend: Sequence[str], empty: str) -> SafeString:
    """
    Return stacked bars, in the order of time, with an axis and a legend.

    Args:
        title: what the chart shows, for who cannot see it.
        legend: the words for series 1, 2, …
        empty: the sentence that stands there if there is nothing to draw.
    """
    if not any(part.value for bar in bars for part in bar.parts):
        return sentence(empty)
    highest = max(sum(p.value for p in bar.parts if p.value > 0) for bar in bars)
    lowest = min(sum(p.value for p in bar.parts if p.value < 0) for bar in bars)
    scale = Scale.over(lowest, highest)
    slot = (WIDTH - AXIS) / len(bars)
    width = min(slot * 0.7, 34)
    shapes, labels = [], []
    for place, bar in enumerate(bars):
        middle = AXIS + slot * (place + 0.5)
        up, down = scale.y(0), scale.y(0)
        for part in bar.parts:
            if not part.value:
                continue
            height = max(abs(part.value) * scale.unit, _LEAST)
            up, down = (up - height, down) if part.value > 0 else (up, down + height)
            top = up if part.value > 0 else down - height
            shapes.append(
                linked(
                    rect(middle - width / 2, top, width, height, f"series-{part.series}"),
                    part.title,
                    part.url,
                )
            )
        minor = minor_class(place, len(bars))
        # Arabic has no short names of months: where there are many, every second has to do.
        if not (minor and get_language_bidi() and len(bars) > 8):
            labels.append((mirrored(middle), TOP + PLOT + 15, minor, bar.label))
    return format_html(
        '<svg class="credits-chart" viewBox="0 0 {} {}" preserveAspectRatio="xMidYMid meet"'
        ' role="group" aria-label="{}">{}{}{}</svg>{}',
        WIDTH,
        TOP + PLOT + FOOT,
        title,
        scale.drawn(),
        format_html_join("", "{}", ((shape,) for shape in shapes)),
        format_html_join(
            "", '<text x="{}" y="{}" text-anchor="middle" class="{}">{}</text>', labels
        ),
        legend_of((f"series-{number}", words) for number, words in enumerate(legend, 1)),
    )


def run_strip(
    beats: Sequence[Beat], *, title: str, legend: Sequence[tuple[str, str]], empty: str
) -> SafeString:
    """
    Return one bar for each run, oldest first: its height is the duration, its colour the outcome.

    Args:
        title: what the strip shows, for who cannot see it.
        legend: (tone, words) for the colours that are there.
        empty: the sentence that stands there if there is no run.
    """
    if not beats:
        return sentence(empty)
    longest = max(beat.seconds for beat in beats) or 1
    # A short history keeps thin bars: a strip of two runs is not two walls.
    slot = WIDTH / max(len(beats), 30)
    width = slot * 0.76
    shapes = []
    for place, beat in enumerate(beats):
        height = max(beat.seconds / longest * (_STRIP - 12), 4)
        start = place * slot + (slot - width) / 2
        shape = rect(start, _STRIP - height, width, height, beat.tone)
        if sign := TONES[beat.tone]:
            shape = format_html(
                '{}<text class="credits-sign" x="{}" y="{}" text-anchor="middle">{}</text>',
                shape,
                mirrored(start + width / 2),
                coordinate(_STRIP - height - 3),
                sign,
            )
        shapes.append(linked(shape, beat.title, beat.url))
    return format_html(
        '<svg class="credits-chart credits-chart--strip" viewBox="0 0 {} {}"'
        ' preserveAspectRatio="xMidYMid meet" role="group" aria-label="{}">{}</svg>{}',
        WIDTH,
        _STRIP,
        title,
        format_html_join("", "{}", ((shape,) for shape in shapes)),
        legend_of(legend),
    )


def step_chart(
    points: Sequence[tuple[datetime, int]],
    *,
    title: str,
    empty: str,
    until: datetime | None = None,
) -> SafeString:
    """
    Return a balance over time: level from each point to the next, from zero up.

    Args:
        points: (moment, balance from it on), oldest first.
        title: what the chart shows, for who cannot see it; say the numbers that matter in it.
        empty: the sentence that stands there if there are no points.
        until: where the last level ends; at the last point if not given.
    """
    if not points:
        return sentence(empty)
    begin, end = points[0][0], max(until or points[-1][0], points[-1][0])
    span = (end - begin).total_seconds() or 1.0
    scale = Scale.over(0, max(1, *(value for _at, value in points)))
    # A single moment is a level too, not a line of no length.
    whole = end == begin

    def x(moment: datetime) -> str:
        share = 1.0 if whole else (moment - begin).total_seconds() / span
        return mirrored(AXIS + share * (WIDTH - AXIS - 4))

    start = mirrored(float(AXIS))
    steps = [f"M{start} {coordinate(scale.y(points[0][1]))}"]
    for moment, value in points[1:]:
        steps.append(f"H{x(moment)}V{coordinate(scale.y(value))}")
    steps.append(f"H{x(end)}")
    path = "".join(steps)
    ground = coordinate(scale.y(0))
    ticks = [begin + (end - begin) * part / 4 for part in range(5)]
    # Both ends stay inside the drawing: "start" and "end" are sides of the text, whose own
    # direction is fixed here so that they mean left and right.
    sides = ["start", "middle", "middle", "middle", "end"]
    if get_language_bidi():
        sides.reverse()
    labels = [
        (
            mirrored(AXIS + part / 4 * (WIDTH - AXIS - 4)),
            TOP + PLOT + 15,
            side,
            minor_class(part, 5),
            # Short, so that five stand side by side; within a year the month says which it is.
            date_format(moment, "j M" if span < 86_400 * 300 else "M Y"),
        )
        for part, (moment, side) in enumerate(zip(ticks, sides, strict=True))
        if not whole or part == 0
    ]
    return format_html(
        '<svg class="credits-chart" viewBox="0 0 {} {}" preserveAspectRatio="xMidYMid meet"'
        ' role="img" aria-label="{}"><title>{}</title>{}<path class="area" d="{}"/>'
        '<path class="line" d="{}"/>{}</svg>',
        WIDTH,
        TOP + PLOT + FOOT,
        title,
        title,
        scale.drawn(),
        f"{path}V{ground}H{start}Z",
        path,
        format_html_join(
            "",
            '<text x="{}" y="{}" direction="ltr" text-anchor="{}" class="{}">{}</text>',
            labels,
        ),
    )
