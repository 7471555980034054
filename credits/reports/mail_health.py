"""What became of the last mails, and what waits: the same effort however many there ever were."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from credits.engine import outlook
from credits.engine.database import ledger_database
from credits.models import Notice

LAST = 10_000
"""Notices that are looked at; of those that wait, the most that are counted."""


@dataclass(frozen=True)
class MailHealth:
    """The last ``LAST`` notices by outcome, and the queue."""

    outcomes: dict[str, int]
    """Notices by status; those with none are left out."""

    waiting: int
    """Due now and not sent: ``LAST`` + 1 stands for more than ``LAST``."""

    oldest: datetime | None
    """Since when the first of them has been due."""

    @property
    def looked_at(self) -> int:
        """How many notices the outcomes are of."""
        return sum(self.outcomes.values())


def mail_health(*, as_of: datetime) -> MailHealth:
    """Return how mail is doing, in two statements."""
    notices = Notice.objects.using(ledger_database())
    counted = outlook.last_outcomes(LAST, using=ledger_database())
    waiting = (
        notices.due(as_of)
        .order_by("next_attempt_at", "pk")[: LAST + 1]
        .aggregate(count=Count("pk"), oldest=Min("next_attempt_at"))
    )
    return MailHealth(
        outcomes={
            status.value: counted[status] for status in Notice.Status if status.value in counted
        },
        waiting=waiting["count"],
        oldest=waiting["oldest"],
    )
