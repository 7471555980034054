"""The link that stops notices of one kind: signed, good without a login, and without an end."""

from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.urls import NoReverseMatch, reverse

from credits.conf import get_settings
from credits.notices.suppression import DECLINABLE

_SALT = "credits.notices.unsubscribing"


@dataclass(frozen=True)
class Subscription:
    """One kind of notice, to one professional."""

    professional_id: str
    """The primary key, as text."""

    kind: str


def unsubscribe_url(*, professional_id: Any, kind: str) -> str:
    """
    Return the absolute address at which a professional stops notices of this kind.

    It is the same each time and names no person. "" for kinds that cannot be declined, without
    ``CREDITS["SITE_URL"]``, and where the host's URLs leave out ``credits.urls``.
    """
    site = get_settings().site_url.rstrip("/")
    if not site or kind not in DECLINABLE:
        return ""
    try:
        return site + reverse("credits:unsubscribe", args=[make_token(professional_id, kind)])
    except NoReverseMatch:
        return ""


def make_token(professional_id: Any, kind: str) -> str:
    """Sign who declines what."""
    # No timestamp: a link in a letter of last year must still stop the letters.
    return signing.Signer(salt=_SALT).sign_object([str(professional_id), str(kind)])


def read_token(token: str) -> Subscription | None:
    """Return what a token says, or nothing where it was not signed here."""
    try:
        professional_id, kind = signing.Signer(salt=_SALT).unsign_object(token)
    except (signing.BadSignature, ValueError):
        return None
    return Subscription(professional_id, kind) if kind in DECLINABLE else None
