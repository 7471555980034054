"""
What became of a notice after it left, as the mail service tells it.

The receiver of anymail's tracking signal: one event, told once or several times and in any order,
leaves the same notice behind. It never raises, because anymail would drop the rest of the batch;
what was lost to a database that could not be reached is counted, and the webhook asks for it again.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from credits.engine.database import attempts, is_transient, ledger_database
from credits.models import Notice, NoticeEvent, SuppressedAddress
from credits.notices.bounces import is_hard
from credits.notices.suppression import DECLINABLE, decline, suppress

logger = logging.getLogger(__name__)

Status = Notice.Status

# How far along a status is. An event moves a notice forward only, so the order of arrival does not
# matter. What is not here (a retry that waits, an unclear answer) ranks lowest: the service knows.
_RANK = {
    Status.SENT: 1,
    Status.FAILED: 2,
    Status.DELIVERED: 3,
    Status.BOUNCED: 4,
    Status.COMPLAINED: 5,
}

_MEANS = {
    "queued": Status.SENT,
    "sent": Status.SENT,
    "deferred": Status.SENT,
    "rejected": Status.FAILED,
    "failed": Status.FAILED,
    "delivered": Status.DELIVERED,
    "autoresponded": Status.DELIVERED,
    "opened": Status.DELIVERED,
    "clicked": Status.DELIVERED,
    "bounced": Status.BOUNCED,
    "complained": Status.COMPLAINED,
}
"""What an event proves. ``unsubscribed``, ``subscribed`` and ``unknown`` prove nothing."""

_LONGEST_ID = 255

_missed: ContextVar[list[str] | None] = ContextVar("credits_missed_events", default=None)


@contextmanager
def missed_events() -> Iterator[list[str]]:
    """Collect what could not be written down now but may be later, one word for each event."""
    missed: list[str] = []
    token = _missed.set(missed)
    try:
        yield missed
    finally:
        _missed.reset(token)


def receive(sender: Any, *, event: Any, esp_name: str, **kwargs: Any) -> None:
    """Take what anymail's ``tracking`` signal brings; never raise."""
    try:
        _record(event, esp_name)
    except Exception as error:
        # The error's text is left out: a database quotes the row, and with it the address.
        logger.error(
            "tracking event lost notice=%s event=%s error=%s",
            _claimed(event),
            _event_id(event, esp_name),
            type(error).__name__,
        )
        missed = _missed.get()
        if missed is not None and is_transient(error):
            missed.append(_word(event.event_type))


def _record(event: Any, service: str) -> None:
    using = ledger_database()
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using):
            _record_once(event, service, using=using)


def _record_once(event: Any, service: str, *, using: str) -> None:
    notice = _find_notice(event, using=using)
    if notice is None:
        return
    at = _moment(event)
    _, is_new = NoticeEvent.objects.using(using).get_or_create(
        event_id=_event_id(event, service),
        defaults={
            "notice": notice,
            "event_type": _word(event.event_type),
            "description": _description(event),
            "occurred_at": at,
        },
    )
    if not is_new:
        return
    _move_forward(notice, event, at=at)
    _draw_conclusions(notice, event, service, at=at)


def _move_forward(notice: Notice, event: Any, *, at: datetime) -> None:
    status = _MEANS.get(event.event_type)
    if status is None or _RANK[status] <= _RANK.get(Status(notice.status), 0):
        return
    notice.status = status
    notice.reason = ""
    if status in {Status.FAILED, Status.BOUNCED}:
        reason = _word(event.reject_reason) if event.reject_reason else ""
        notice.reason = f"{_word(event.event_type)}: {reason}" if reason else event.event_type
    if notice.sent_at is None and status != Status.FAILED:
        notice.sent_at = at
    if event.message_id and not notice.message_id and len(event.message_id) <= _LONGEST_ID:
        notice.message_id = event.message_id
    notice.save(update_fields=["status", "reason", "sent_at", "message_id"])


def _draw_conclusions(notice: Notice, event: Any, service: str, *, at: datetime) -> None:
    address = notice.address or event.recipient or ""
    if event.event_type == "complained" and address:
        suppress(address, SuppressedAddress.Reason.COMPLAINED, notice, at)
    elif event.event_type in {"bounced", "rejected"} and address:
        if is_hard(service=service, reason=event.reject_reason, document=event.esp_event):
            suppress(address, SuppressedAddress.Reason.BOUNCED, notice, at)
    elif event.event_type == "unsubscribed" and notice.professional_id is not None:
        for kind in sorted(DECLINABLE):
            decline(professional_id=notice.professional_id, kind=kind, at=at)


def _find_notice(event: Any, *, using: str) -> Notice | None:
    """Find the notice an event is about, and lock it; most events are about other mail."""
    notices = Notice.objects.using(using).select_for_update()
    claimed = _claimed(event)
    if claimed is not None:
        notice = notices.filter(pk=claimed).first()
        if notice is None or _is_about(event, notice):
            return notice
        logger.warning(
            "tracking event disagrees notice=%s type=%s", claimed, _word(event.event_type)
        )
        return None
    ids = _spellings(event.message_id)
    # An id given twice would be two services' doing; the recipient decides.
    found = notices.filter(message_id__in=ids).order_by("-pk")[:10] if ids else []
    return next((notice for notice in found if _is_about(event, notice)), None)


def _claimed(event: Any) -> int | None:
    """Return the notice that the message's own metadata names."""
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    claimed = str(metadata.get("notice", ""))
    # A bigint has 19 digits, and a longer one would be an error of the database's.
    return int(claimed) if claimed.isascii() and claimed.isdigit() and len(claimed) < 19 else None


def _is_about(event: Any, notice: Notice) -> bool:
    """
    Say whether message id and recipient agree with a notice.

    The recipient must, where both sides know it. The message id must where the recipient is
    unknown; else it may differ, as it does when an earlier attempt turns out to have arrived.
    """
    recipient = str(event.recipient or "").strip().lower()
    if recipient and notice.address:
        return recipient == notice.address.strip().lower()
    return bool(notice.message_id) and notice.message_id in _spellings(event.message_id)


def _spellings(message_id: Any) -> list[str]:
    """Return a message id with and without its angle brackets, as services differ in that."""
    bare = str(message_id or "").strip().strip("<>")
    return [bare, f"<{bare}>"] if bare and len(bare) < _LONGEST_ID else []


def _event_id(event: Any, service: str) -> str:
    """
    Return the event's id, or one made of what it says, so that the same event has the same.

    The type belongs to it: Postmark counts bounces and complaints alike, and Amazon gives all the
    recipients of one message one id.
    """
    if event.event_id:
        own = ":".join([_word(service), _word(event.event_type), str(event.event_id)])
        if own.isprintable() and len(own) <= _LONGEST_ID and "@" not in own:
            return own
    said = [
        service,
        event.event_type,
        event.event_id,
        event.message_id,
        str(event.recipient or "").lower(),
        event.timestamp,
        event.reject_reason,
        event.click_url,
    ]
    digest = hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()
    return f"{_word(service)}:{_word(event.event_type)}:sha256-{digest}"


def _moment(event: Any) -> datetime:
    moment = event.timestamp
    if not isinstance(moment, datetime):
        return timezone.now()
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)


def _description(event: Any) -> str:
    """Return what the service and the other mail server said, in one line."""
    said = " ".join(str(part) for part in (event.description, event.mta_response) if part)
    return _one_line(said)[:500]


def _word(text: Any) -> str:
    return _one_line(str(text))[:32]


def _one_line(text: str) -> str:
    # A line break would begin a new line of the log; PostgreSQL refuses NUL and lone surrogates.
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
