"""credits.admin.charts: numbers in, markup out."""

import re
from xml.etree import ElementTree as ET

import pytest
from django.utils import translation

from credits.admin.charts import Bar, Beat, Part, bar_chart, run_strip, step_chart
from credits.admin.shapes import WIDTH
from tests.factories import APRIL, FEBRUARY, JANUARY, MARCH

PROBE = '"><script>alert(1)</script>'


def chart(*bars: Bar) -> str:
    return bar_chart(bars, title="Credits", legend=["in", "out"], empty="Nothing moved.")


def drawn(markup: str) -> ET.Element:
    """Return the drawing itself, without its legend; it must be well-formed."""
    return ET.fromstring(markup.split("<ul", maxsplit=1)[0])  # noqa: S314  our own


def rectangles(markup: str) -> list[dict[str, str]]:
    """Return the shapes of the drawing itself, without those of its legend."""
    return [dict(shape.attrib) for shape in drawn(markup).iter("rect")]


class TestBarChart:
    def test_links_each_part_and_names_it(self):
        markup = chart(Bar("Mar", (Part(5, "March: 5 in", "/in/?a=1&b=2"),)))

        link = next(drawn(markup).iter("a"))
        assert link.attrib == {"href": "/in/?a=1&b=2", "aria-label": "March: 5 in"}
        assert link.findtext("title") == "March: 5 in"

    def test_stacks_up_what_is_positive_and_down_what_is_negative(self):
        first, second, below = rectangles(
            chart(Bar("Mar", (Part(50, "a"), Part(30, "b", series=2), Part(-20, "c"))))
        )

        zero = float(first["y"]) + float(first["height"])
        assert float(second["y"]) + float(second["height"]) == pytest.approx(
            float(first["y"]), abs=0.11
        )
        assert float(below["y"]) == pytest.approx(zero, abs=0.11)
        assert second["class"] == "series-2"

    def test_runs_from_right_to_left_in_arabic(self):
        bars = [Bar("Jan", (Part(5, "a"),)), Bar("Feb", (Part(9, "b"),))]
        english = rectangles(chart(*bars))

        with translation.override("ar"):
            arabic = rectangles(chart(*bars))

        assert float(english[0]["x"]) < float(english[1]["x"])
        for left, right in zip(english, arabic, strict=True):
            mirrored = WIDTH - float(left["x"]) - float(left["width"])
            assert float(right["x"]) == pytest.approx(mirrored, abs=0.11)

    def test_escapes_all_text(self):
        markup = bar_chart(
            [Bar(PROBE, (Part(5, PROBE, PROBE),))], title=PROBE, legend=[PROBE], empty=PROBE
        )

        assert "<script" not in markup
        assert markup.count("&lt;script&gt;") == 6

    @pytest.mark.parametrize("bars", [(), (Bar("Mar", (Part(0, "none"),)),)])
    def test_is_a_sentence_without_numbers(self, bars: tuple[Bar, ...]):
        markup = chart(*bars)

        assert "Nothing moved." in markup
        assert "<svg" not in markup

    def test_has_no_style_and_no_script(self):
        markup = chart(Bar("Mar", (Part(5, "a", "/"),)))

        assert not re.search(r"style|script|javascript|\son\w+=", markup)


class TestRunStrip:
    def test_is_as_high_as_the_run_was_long(self):
        beats = [Beat(10, "good", "short"), Beat(20, "good", "long")]

        short, long = rectangles(run_strip(beats, title="Runs", legend=[], empty=""))

        assert float(long["height"]) == pytest.approx(2 * float(short["height"]))

    @pytest.mark.parametrize(
        ("tone", "sign"), [("good", False), ("plain", False), ("warn", True), ("bad", True)]
    )
    def test_marks_what_went_wrong_without_colour_too(self, tone: str, sign: bool):
        markup = run_strip([Beat(10, tone, "a run", "/1/")], title="Runs", legend=[], empty="")

        assert rectangles(markup)[0]["class"] == tone
        assert ("credits-sign" in markup) is sign

    def test_is_a_sentence_without_runs(self):
        assert "Never." in run_strip([], title="Runs", legend=[], empty="Never.")

    def test_draws_runs_that_took_no_time(self):
        shapes = rectangles(run_strip([Beat(0, "good", "a")], title="Runs", legend=[], empty=""))

        assert float(shapes[0]["height"]) > 0


class TestStepChart:
    def test_stays_level_until_the_next_point(self):
        markup = step_chart(
            [(JANUARY, 0), (FEBRUARY, 100), (MARCH, 40)], title="Balance", empty="", until=APRIL
        )

        path = drawn(markup).findall("path")[1].attrib["d"]
        assert re.fullmatch(r"M46 [\d.]+H[\d.]+V[\d.]+H[\d.]+V[\d.]+H[\d.]+", path)

    def test_ends_on_the_left_in_arabic(self):
        points = [(JANUARY, 5), (MARCH, 40)]
        with translation.override("ar"):
            markup = step_chart(points, title="Balance", empty="")

        path = drawn(markup).findall("path")[1].attrib["d"]
        begin, *_, end = re.findall(r"(?<=[MH])[\d.]+", path)
        assert float(begin) > float(end)

    @pytest.mark.parametrize("points", [[(MARCH, 40)], [(MARCH, 0), (MARCH, 0)]])
    def test_draws_a_single_moment(self, points: list[tuple[object, int]]):
        assert "<path" in step_chart(points, title="Balance", empty="")

    def test_is_a_sentence_without_points(self):
        assert "No balance." in step_chart([], title="Balance", empty="No balance.")
