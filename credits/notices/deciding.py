"""What a person decides about notices that stopped: one statement each, and only where it fits."""

from datetime import datetime

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from credits.models import Notice


def retry(notices: QuerySet[Notice], *, at: datetime) -> int:
    """Try failed notices again, from the first attempt on; return how many there were."""
    return _put_back(notices, Notice.Status.FAILED, at=at)


def send_again(notices: QuerySet[Notice], *, at: datetime) -> int:
    """
    Send parked notices a second time; return how many there were.

    Who got the first copy after all gets two, unless the mail service drops the repetition.
    """
    return _put_back(notices, Notice.Status.PARKED, at=at)


def call_arrived(notices: QuerySet[Notice], *, at: datetime) -> int:
    """Take parked notices for sent; return how many there were."""
    parked = notices.filter(status=Notice.Status.PARKED)
    return parked.update(
        status=Notice.Status.SENT, reason="", sent_at=Coalesce("sent_at", Value(at))
    )


def _put_back(notices: QuerySet[Notice], status: Notice.Status, *, at: datetime) -> int:
    # The condition is part of the statement: an event that came meanwhile goes first. Without its
    # ``sent_at``, or the sender would take it for one in doubt and park it.
    return notices.filter(status=status).update(
        status=Notice.Status.PENDING, reason="", attempts=0, next_attempt_at=at, sent_at=None
    )
