"""
Turn a notice into the mail that is sent: subject, text, HTML and headers, in its reader's language.

Every template stands under ``credits/notices/`` and gives way to the host's of the same name.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.template import Context
from django.template.backends.django import Template as DjangoTemplate
from django.template.loader import get_template
from django.utils import translation

from credits.models import Notice
from credits.notices.facts import Facts, facts_of
from credits.notices.recipients import Recipient, recipient_for
from credits.notices.suppression import DECLINABLE
from credits.notices.unsubscribing import unsubscribe_url
from credits.notices.wording import RIGHT_TO_LEFT_MARK, clean, clean_name, language_of
from credits.notices.words import words_of

# What a mail program or a mail server could take for the end of a header, or show as a box.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Message:
    """A mail, ready to be handed over."""

    recipient: Recipient
    """Its name is safe in a header and in HTML; its language is the one the mail is written in."""

    subject: str
    text: str
    html: str
    headers: dict[str, str]
    tags: list[str]
    """One tag: some mail services take no more."""

    metadata: dict[str, str]
    """What the mail service gives back with its events: ``notice`` (its id) and ``kind``."""


def compose(notice: Notice, *, at: datetime, until: date | None = None) -> Message:
    """
    Write the mail for a notice from what the books say at ``at``.

    Args:
        until: the last day of expiry (UTC) that a warning lists; its own if not given. Who merges
            several warnings of one professional into one mail passes the latest of their days.

    Raises:
        NothingToSay: nothing is lost any more, so the mail is better not sent.
    """
    facts = facts_of(notice, at=at, until=until)
    declining = ""
    if notice.kind in DECLINABLE:
        declining = unsubscribe_url(professional_id=notice.professional_id, kind=notice.kind)
    return write(
        notice.kind,
        facts,
        recipient=recipient_for(notice),
        at=at,
        notice_id=str(notice.pk),
        declining=declining,
    )


def write(
    kind: str, facts: Facts, *, recipient: Recipient, at: datetime, notice_id: str, declining: str
) -> Message:
    """
    Write a mail from facts: no question is asked of the database.

    Args:
        declining: the address that stops mails of this kind; nothing where there is none.
    """
    language = language_of(recipient.language)
    recipient = replace(recipient, name=clean_name(recipient.name), language=language)
    with translation.override(language):
        is_right_to_left = translation.get_language_bidi()
        words = {
            "kind": kind,
            "language": language,
            "direction": "rtl" if is_right_to_left else "ltr",
            "start": "right" if is_right_to_left else "left",
            "end": "left" if is_right_to_left else "right",
            "unsubscribe_url": declining,
        } | words_of(facts, recipient=recipient, at=at)
        words["subject"] = _in_one_line(_render(kind, "subject.txt", words))
        text = _EMPTY_LINES.sub("\n\n", _render(kind, "txt", words)).strip()
        html = _render(kind, "html", words).strip()
    # A subject that begins with a number or a foreign name would else be set from the left.
    mark = RIGHT_TO_LEFT_MARK if is_right_to_left else ""
    return Message(
        recipient=recipient,
        subject=f"{mark}{words['subject']}",
        text=f"{text}\n",
        html=f"{html}\n",
        headers=_headers(language, declining=declining),
        tags=[f"credits-{kind}"],
        metadata={"notice": notice_id, "kind": str(kind)},
    )


def _headers(language: str, *, declining: str) -> dict[str, str]:
    headers = {
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Content-Language": language,
    }
    if declining:
        headers["List-Unsubscribe"] = f"<{_in_one_line(declining)}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _render(kind: str, suffix: str, words: dict[str, object]) -> str:
    template = get_template(f"credits/notices/{clean(kind)}.{suffix}")
    if suffix != "html" and isinstance(template, DjangoTemplate):
        # Text is not HTML: Django escapes by engine, not by what a file's name ends with.
        return template.template.render(Context(words, autoescape=False))
    return template.render(words)


def _in_one_line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())
