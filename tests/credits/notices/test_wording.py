from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from django.utils.html import conditional_escape

from credits.notices import wording
from credits.notices.wording import Isolated, Number, clean, clean_name

DUBAI = ZoneInfo("Asia/Dubai")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MIDNIGHT_IN_DUBAI = datetime(2026, 11, 30, 20, tzinfo=UTC)


class TestClean:
    @pytest.mark.parametrize(
        ("typed", "shown"),
        [
            ("  Cool \r\n Air\t", "Cool Air"),
            ("a\x00b\x1b[0m", "ab[0m"),
            ("\u202eevil\u202c\u2066\u2069\u200f", "evil"),
            ("a\u2028b\u2029c\x85d", "a b c d"),
            ("\ud800x", "x"),
            ("می\u200cخواهم", "می\u200cخواهم"),
            ("👩\u200d🔧", "👩\u200d🔧"),
            ("\ufeff\u200b", ""),
            (None, "None"),
        ],
    )
    def test_leaves_one_visible_line(self, typed: object, shown: str):
        assert clean(typed) == shown

    def test_cuts_what_is_too_long(self):
        assert clean("word " * 20, longest=12) == "word word w…"
        assert clean("word word wo", longest=12) == "word word wo"

    def test_gives_no_name_that_is_a_link(self):
        assert clean_name("see evil.example now") == ""
        assert clean_name("St. James & Sons") == "St. James & Sons"


class TestIsolated:
    def test_is_a_bdi_in_html(self):
        assert conditional_escape(Isolated("<b>")) == "<bdi>&lt;b&gt;</bdi>"

    def test_has_no_marks_where_none_are_needed(self):
        with translation.override("en"):
            assert str(Isolated("Aisha")) == "Aisha"
            assert str(Isolated("عائشة")) == "\u2068عائشة\u2069"

    def test_has_marks_in_a_right_to_left_language(self):
        with translation.override("ar"):
            assert str(Number(1440)) == "\u20681,440\u2069"
            assert conditional_escape(Number(1440)) == "<bdi>1,440</bdi>"

    @pytest.mark.parametrize(
        ("number", "shown"), [(72_310, "+72,310"), (-60, "\u221260"), (0, "0")]
    )
    def test_shows_a_sign_when_asked(self, number: int, shown: str):
        assert str(Number(number, signed=True)) == shown


class TestLastDay:
    @pytest.mark.parametrize(
        ("zone", "shown"),
        [
            ("Asia/Dubai", "Monday, 30 November 2026"),
            ("UTC", "Monday, 30 November 2026, 20:00"),
            ("Asia/Kolkata", "Tuesday, 1 December 2026, 01:30"),
        ],
    )
    def test_depends_on_where_midnight_is(self, zone: str, shown: str):
        assert str(wording.last_day(MIDNIGHT_IN_DUBAI, ZoneInfo(zone))) == shown

    def test_is_short_in_a_sentence(self):
        assert wording.short_last_day(MIDNIGHT_IN_DUBAI, DUBAI, now=NOON) == "30 November"
        assert wording.from_when(MIDNIGHT_IN_DUBAI, DUBAI, now=NOON) == "1 December"

    def test_has_its_year_when_that_is_another(self):
        new_year = datetime(2027, 1, 1, 20, tzinfo=UTC)

        assert wording.from_when(new_year, DUBAI, now=NOON) == "2 January 2027"


class TestListed:
    @pytest.mark.parametrize(
        ("parts", "english", "arabic"),
        [
            ([], "", ""),
            (["a"], "a", "a"),
            (["a", "b"], "a and b", "a وb"),
            (["a", "b", "c"], "a, b and c", "a وb وc"),
        ],
    )
    def test_joins_as_the_language_does(self, parts: list[str], english: str, arabic: str):
        assert wording.listed(parts) == english
        with translation.override("ar"):
            assert wording.listed(parts) == arabic


class TestTimeZone:
    def test_is_named_in_the_language(self):
        with translation.override("ar"):
            assert wording.time_zone(DUBAI) == "توقيت دبي"

    def test_is_a_city_where_no_name_is_known(self):
        assert wording.time_zone(ZoneInfo("America/New_York")) == "New York time"
