"""Who must not get a notice: an address that bounced or complained, a person who declined."""

from datetime import datetime

from credits.engine.database import ledger_database
from credits.models import Notice, NoticeOptOut, SuppressedAddress
from credits.notices.recipients import Recipient

DECLINABLE = frozenset({Notice.Kind.RESET.value, Notice.Kind.EXPIRY_WARNING.value})
"""The kinds a professional can ask not to get; receipts and words to operators are not."""


def why_not(notice: Notice, recipient: Recipient) -> str:
    """Return why a notice must not be sent, in a few words that name nobody; "" if it may be."""
    address = recipient.address.strip().lower()
    if not address:
        return "no address"
    using = ledger_database()
    suppressed = SuppressedAddress.objects.using(using).filter(address=address).first()
    if suppressed:
        return f"address suppressed: {suppressed.reason}"
    if notice.professional is None:
        return ""
    # A user model need not have it; Django's own base class says True.
    if not getattr(notice.professional, "is_active", True):
        return "inactive"
    declined = NoticeOptOut.objects.using(using).filter(
        professional_id=notice.professional_id, kind=notice.kind
    )
    if notice.kind in DECLINABLE and declined.exists():
        return "declined"
    return ""


def suppress(
    address: str, reason: SuppressedAddress.Reason, notice: Notice | None, at: datetime
) -> None:
    """Send this address nothing more; a complaint outlasts a bounce, whichever came first."""
    suppressed, is_new = SuppressedAddress.objects.using(ledger_database()).get_or_create(
        address=address.strip().lower(),
        defaults={"reason": reason, "notice": notice, "created_at": at},
    )
    complained = SuppressedAddress.Reason.COMPLAINED
    if not is_new and reason == complained and suppressed.reason != complained:
        suppressed.reason = reason
        suppressed.notice = notice
        suppressed.save(update_fields=["reason", "notice"])


def clear(address: str) -> bool:
    """Let an address have notices again; return whether it was suppressed."""
    rows = SuppressedAddress.objects.using(ledger_database()).filter(
        address=address.strip().lower()
    )
    deleted, _ = rows.delete()
    return bool(deleted)


def decline(*, professional_id: int, kind: str, at: datetime) -> None:
    """
    Send a professional no more notices of this kind; once declined, it stays so.

    Raises:
        ValueError: notices of this kind cannot be declined.
    """
    if kind not in DECLINABLE:
        raise ValueError(f"Notices of the kind {kind!r} cannot be declined.")
    NoticeOptOut.objects.using(ledger_database()).get_or_create(
        professional_id=professional_id, kind=kind, defaults={"created_at": at}
    )


def accept(*, professional_id: int, kind: str) -> None:
    """Send a professional notices of this kind again."""
    NoticeOptOut.objects.using(ledger_database()).filter(
        professional_id=professional_id, kind=kind
    ).delete()


def has_declined(*, professional_id: int, kind: str) -> bool:
    """Say whether a professional asked not to get notices of this kind."""
    declined = NoticeOptOut.objects.using(ledger_database())
    return declined.filter(professional_id=professional_id, kind=kind).exists()
