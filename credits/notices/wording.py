"""How numbers, moments and what people typed are written in a notice, in its language."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import formats, translation
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, pgettext, pgettext_lazy

RIGHT_TO_LEFT_MARK = "\u200f"
_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"

# What joins letters and emoji (ZWNJ, ZWJ) is invisible too, and belongs to names.
_JOINERS = {"\u200c", "\u200d"}
# Controls, directions, lone surrogates, private use and unassigned; line and paragraph separators.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

# What a mail program makes a link of: a stranger's name must not put one into our letter.
_LINK = re.compile(r"://|@|www\.|\w\.\w\w", re.IGNORECASE)

LONGEST_NAME = 60
LONGEST_TEXT = 200

_ZONES = {
    "UTC": pgettext_lazy("time zone", "UTC"),
    "Africa/Cairo": pgettext_lazy("time zone", "Cairo time"),
    "Asia/Amman": pgettext_lazy("time zone", "Amman time"),
    "Asia/Baghdad": pgettext_lazy("time zone", "Baghdad time"),
    "Asia/Bahrain": pgettext_lazy("time zone", "Bahrain time"),
    "Asia/Beirut": pgettext_lazy("time zone", "Beirut time"),
    "Asia/Dubai": pgettext_lazy("time zone", "Dubai time"),
    "Asia/Karachi": pgettext_lazy("time zone", "Karachi time"),
    "Asia/Kolkata": pgettext_lazy("time zone", "India time"),
    "Asia/Kuwait": pgettext_lazy("time zone", "Kuwait time"),
    "Asia/Manila": pgettext_lazy("time zone", "Manila time"),
    "Asia/Muscat": pgettext_lazy("time zone", "Muscat time"),
    "Asia/Qatar": pgettext_lazy("time zone", "Qatar time"),
    "Asia/Riyadh": pgettext_lazy("time zone", "Riyadh time"),
    "Europe/London": pgettext_lazy("time zone", "London time"),
}


class Isolated(str):
    """
    A piece of text whose direction leaves what stands around it alone.

    In HTML it is an escaped ``<bdi>``; in text of a right-to-left language it stands between
    U+2068 and U+2069.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Isolate ``text`` for the language that is active now."""
        is_foreign = any(unicodedata.bidirectional(sign) in {"R", "AL"} for sign in text)
        if text and (translation.get_language_bidi() or is_foreign):
            text = f"{_ISOLATE}{text}{_END_OF_ISOLATE}"
        return super().__new__(cls, text)

    def __str__(self) -> str:
        """Return the text form, marks included."""
        return self[:]

    def __html__(self) -> SafeString:
        """Return the HTML form; Django's autoescape asks for it."""
        bare = self.strip(_ISOLATE + _END_OF_ISOLATE)
        return mark_safe(f"<bdi>{escape(bare)}</bdi>")  # noqa: S308  escaped just here


class Number(Isolated):
    """A number of credits, days or rows: shown with its thousands apart, ``n`` for plurals."""

    __slots__ = ("n",)

    n: int

    def __new__(cls, n: int, *, signed: bool = False) -> Self:
        """Show ``n``; with its sign, a true minus, if asked for."""
        text = f"{n:+,}".replace("-", "\u2212") if signed and n else f"{n:,}"
        number = super().__new__(cls, text)
        number.n = n
        return number


def clean(text: object, *, longest: int = LONGEST_TEXT) -> str:
    """Return what somebody typed as one short line without anything invisible in it."""
    spaced = " ".join(
        str(text).translate({ord(sign): " " for sign in "\t\n\v\f\r\x85\u2028\u2029"}).split()
    )
    shown = "".join(
        sign
        for sign in spaced
        if sign in _JOINERS or unicodedata.category(sign) not in _UNPRINTABLE
    ).strip()
    return shown if len(shown) <= longest else f"{shown[: longest - 1].rstrip()}…"


def clean_name(name: object) -> str:
    """Return a name to begin a letter with; none where it would become a link."""
    cleaned = clean(name, longest=LONGEST_NAME)
    return "" if _LINK.search(cleaned) else cleaned


def language_of(code: str) -> str:
    """
    Return the language a notice is really written in, for somebody who wants ``code``.

    One that the project does not offer, or that the catalogue lacks, becomes the project's own,
    and in the end English: dates must not speak another language than the words around them.
    """
    for wanted in (code, settings.LANGUAGE_CODE):
        try:
            language = translation.get_supported_language_variant(str(wanted).lower())
        except LookupError:
            continue
        with translation.override(language):
            # Translators: the code of the language you translate to, as "ar".
            spoken = pgettext("language of the notices", "en")
        if language.split("-")[0] == spoken:
            return language
    return "en"


def day(moment: datetime, zone: ZoneInfo, *, now: datetime) -> Isolated:
    """Write a day, as ``30 May``; with its year where that is not the present one."""
    return Isolated(_day(moment.astimezone(zone), now=now))


def moment_of(moment: datetime, zone: ZoneInfo) -> Isolated:
    """Write a day and the time of day, as ``Monday, 30 November 2026, 13:00``."""
    return Isolated(_with_time(_full_day(moment.astimezone(zone)), moment.astimezone(zone)))


def last_day(expires_at: datetime, zone: ZoneInfo) -> Isolated:
    """
    Write until when something can be used that is gone at ``expires_at``.

    What is gone at midnight was good for the whole day before: the day alone says so.
    """
    local = expires_at.astimezone(zone)
    if local.time() == time():
        return Isolated(_full_day(local - timedelta(days=1)))
    return moment_of(expires_at, zone)


def short_last_day(expires_at: datetime, zone: ZoneInfo, *, now: datetime) -> Isolated:
    """Write the same without the weekday, for a subject or a sentence."""
    local = expires_at.astimezone(zone)
    if local.time() == time():
        return day(local - timedelta(days=1), zone, now=now)
    return from_when(expires_at, zone, now=now)


def from_when(moment: datetime, zone: ZoneInfo, *, now: datetime) -> Isolated:
    """Write the day on which something begins, with the time of day unless that is midnight."""
    local = moment.astimezone(zone)
    shown = _day(local, now=now)
    return Isolated(shown if local.time() == time() else _with_time(shown, local))


def month(first: date) -> Isolated:
    """Write a calendar month, as ``November 2026``."""
    return Isolated(formats.date_format(first, pgettext("date format: month, year", "F Y")))


def time_zone(zone: ZoneInfo) -> str:
    """
    Write which clock a time is read from, as ``Dubai time``.

    What is translated is not isolated: letters of a word before it may join it.
    """
    if known := _ZONES.get(zone.key):
        return str(known)
    city = zone.key.rpartition("/")[2].replace("_", " ")
    return gettext("%(city)s time") % {"city": Isolated(city)}


def listed(parts: Sequence[str]) -> str:
    """Write several things in one phrase, as ``30 days, 7 days and 1 day``."""
    if len(parts) < 2:
        return "".join(parts)
    # Translators: what stands between the parts of a list but the last two, as in "a, b and c".
    comma = pgettext("list", ", ")
    return gettext("%(first)s and %(last)s") % {"first": comma.join(parts[:-1]), "last": parts[-1]}


def _day(local: datetime, *, now: datetime) -> str:
    if local.year == now.astimezone(local.tzinfo).year:
        return formats.date_format(local, pgettext("date format: day, month", "j F"))
    return formats.date_format(local, pgettext("date format: day, month, year", "j F Y"))


def _full_day(local: datetime) -> str:
    return formats.date_format(
        local, pgettext("date format: weekday, day, month, year", "l, j F Y")
    )


def _with_time(shown: str, local: datetime) -> str:
    # Translators: a day and a time of day.
    return gettext("%(day)s, %(time)s") % {"day": shown, "time": f"{local:%H:%M}"}
