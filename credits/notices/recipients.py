"""Who gets a notice, and how to speak to them: the host's answer to ``CREDITS["RECIPIENT"]``."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.module_loading import import_string

from credits.conf import get_settings
from credits.models import Notice


@dataclass(frozen=True)
class Recipient:
    """Where a notice goes, in which words and at which hours."""

    address: str
    name: str
    """How to begin a letter; may be empty."""

    language: str
    """A language code, as ``ar``."""

    time_zone: ZoneInfo


def recipient_of(user: Any) -> Recipient:
    """
    Describe a user by what most user models have.

    Language and time zone come from fields ``language`` and ``time_zone`` where there are any,
    else from the project's settings.
    """
    return Recipient(
        address=getattr(user, user.get_email_field_name(), "") or "",
        name=getattr(user, "get_short_name", str)() or "",
        language=getattr(user, "language", "") or settings.LANGUAGE_CODE,
        time_zone=ZoneInfo(getattr(user, "time_zone", "") or settings.TIME_ZONE),
    )


def find_recipient(user: Any) -> Recipient:
    """Ask the project's own function, or ``recipient_of`` where it has none."""
    recipient: Recipient = import_string(get_settings().recipient)(user)
    return recipient


def recipient_for(notice: Notice) -> Recipient:
    """Return who gets a notice: its professional, or the operator whose address it carries."""
    if notice.professional is not None:
        return find_recipient(notice.professional)
    return Recipient(
        address=notice.address,
        name="",
        language=notice.language or settings.LANGUAGE_CODE,
        time_zone=ZoneInfo(settings.TIME_ZONE),
    )
