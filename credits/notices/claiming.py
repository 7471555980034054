"""
Who has a notice, and what became of it: every step a compare-and-set, each in its own transaction.

A sender takes a notice by moving ``next_attempt_at`` ahead: that moment is its lease, and no other
sender's. ``sent_at`` stands from the hand-over on for as long as the mail may have been taken, so
a pending notice that carries one was handed over before and never answered for.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta

from django.db import connections, transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from credits.engine.database import attempts
from credits.models import Notice
from credits.models.notices import NoticeQuerySet
from credits.notices.outcomes import LONGEST_REASON
from credits.notices.pacing import MOST_ATTEMPTS
from credits.notices.recipients import Recipient

LEASE = timedelta(minutes=10)

KILLED = "Its sender was killed before the mail service answered."


def claim(now: datetime, *, size: int, using: str) -> list[Notice]:
    """Take up to ``size`` due notices, longest due first; other senders pass them over."""
    rows = _notices(using)
    due = rows.due(now).order_by("next_attempt_at", "pk")
    if connections[using].features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True)
    keys: list[int] = []

    def take() -> None:
        keys[:] = due.values_list("pk", flat=True)[:size]
        if keys:
            rows.filter(pk__in=keys).update(next_attempt_at=now + LEASE)

    _commit(take, using=using)
    found = rows.select_related("professional", "run").in_bulk(keys)
    return [found[key] for key in keys if key in found]


def release(claimed: Sequence[Notice], *, at: datetime, using: str) -> None:
    """Give notices back, due ``at``, that nothing was done about."""
    by_lease: dict[datetime, list[int]] = {}
    for notice in claimed:
        by_lease.setdefault(notice.next_attempt_at, []).append(notice.pk)
    for lease, keys in by_lease.items():
        own = _notices(using).filter(
            pk__in=keys, status=Notice.Status.PENDING, next_attempt_at=lease
        )
        own.update(next_attempt_at=at)


def take_over(now: datetime, *, repeatable: timedelta | None, using: str) -> tuple[int, int]:
    """
    Judge the notices whose sender was killed in the middle of the hand-over.

    Args:
        repeatable: how long after the first hand-over the mail service tells a second from it.

    Returns:
        How many are pending again, and how many were parked for a person.
    """
    dead = _notices(using).filter(status=Notice.Status.SENDING, next_attempt_at__lte=now)
    again = 0
    if repeatable is not None:
        again = dead.filter(sent_at__gt=now - repeatable, attempts__lt=MOST_ATTEMPTS).update(
            status=Notice.Status.PENDING, next_attempt_at=now, reason=KILLED
        )
    return again, dead.update(status=Notice.Status.PARKED, reason=KILLED)


def waiting_beside(notice: Notice, *, using: str) -> list[Notice]:
    """Return the other expiry warnings that wait for the same professional."""
    if notice.kind != Notice.Kind.EXPIRY_WARNING or notice.sent_at is not None:
        # What was handed over once must not say more the second time.
        return []
    beside = _notices(using).filter(
        professional=notice.professional_id,
        kind=notice.kind,
        status=Notice.Status.PENDING,
        sent_at=None,
    )
    return list(beside.exclude(pk=notice.pk).order_by("pk"))


def last_day(notices: Collection[Notice]) -> date:
    """Return the latest day (UTC) that these expiry warnings are about."""
    told = (notice.context.get("until") or notice.context["day"] for notice in notices)
    return date.fromisoformat(max(told))


def begin(
    notice: Notice, recipient: Recipient, beside: Sequence[Notice], *, now: datetime, using: str
) -> int | None:
    """
    Commit that a notice is about to be handed over, and that it tells what those beside it would.

    Returns:
        How many of those beside it need no mail of their own now; ``None`` if the notice is
        somebody else's meanwhile, and must not be handed over.
    """
    rows = _notices(using)
    own = rows.filter(pk=notice.pk)
    token = now + LEASE
    merged: int | None = None
    tries = 0

    def mark() -> None:
        nonlocal merged, tries
        merged = 0
        tries += 1
        if beside:
            # Two senders at two warnings of one person: locked in one order, the second sees what
            # the first did.
            keys = [notice.pk, *(other.pk for other in beside)]
            list(rows.filter(pk__in=keys).order_by("pk").select_for_update().values_list("pk"))
        if not own.filter(
            status=Notice.Status.PENDING, next_attempt_at=notice.next_attempt_at
        ).update(
            status=Notice.Status.SENDING,
            attempts=F("attempts") + 1,
            next_attempt_at=token,
            sent_at=Coalesce("sent_at", Value(now)),
            address=recipient.address,
            language=recipient.language,
            context=notice.context,
        ):
            # Ours all the same if only the answer to an earlier COMMIT was lost.
            ours = own.filter(status=Notice.Status.SENDING, next_attempt_at=token)
            if tries == 1 or not ours.exists():
                merged = None
            return
        waiting = rows.filter(
            pk__in=[other.pk for other in beside], status=Notice.Status.PENDING, sent_at=None
        )
        merged = waiting.update(
            status=Notice.Status.SUPPRESSED, reason=f"told with notice {notice.pk}"
        )

    if beside:
        until = last_day([notice, *beside]).isoformat()
        notice.context = notice.context | {"until": until}
    _commit(mark, using=using)
    if merged is not None:
        notice.status = Notice.Status.SENDING
        notice.attempts += 1
        notice.next_attempt_at = token
    return merged


def begun_at(notice: Notice) -> datetime:
    """Return when the hand-over of a notice that is ``sending`` began."""
    return notice.next_attempt_at - LEASE


def end_sent(notice: Notice, *, message_id: str, now: datetime, using: str) -> None:
    """Record that the mail service has it, unless a word of its own came first."""
    rows = _notices(using).filter(pk=notice.pk)

    def mark() -> None:
        # Another sender may have parked it meanwhile: now we know.
        if not rows.filter(status__in=[Notice.Status.SENDING, Notice.Status.PARKED]).update(
            status=Notice.Status.SENT, sent_at=now, message_id=message_id, reason=""
        ):
            rows.filter(message_id="").update(message_id=message_id)

    _commit(mark, using=using)


def end(notice: Notice, status: Notice.Status, reason: str, *, at: datetime, using: str) -> None:
    """
    Record what became of a notice that was not sent, with its ``attempts`` and ``sent_at``.

    Args:
        at: when a pending one is due.
    """
    own = _notices(using).filter(
        pk=notice.pk, status=notice.status, next_attempt_at=notice.next_attempt_at
    )
    notice.status = status
    notice.reason = reason[:LONGEST_REASON]
    notice.next_attempt_at = at
    changed = ("status", "reason", "next_attempt_at", "attempts", "sent_at")
    values = {name: getattr(notice, name) for name in changed}
    _commit(lambda: own.update(**values), using=using)


def _notices(using: str) -> NoticeQuerySet:
    return Notice.objects.using(using)


def _commit(act: Callable[[], object], *, using: str) -> None:
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using, durable=True):
            act()
