"""
One at a time, for work that records no run: a lease on the job's row of claims.

Whoever takes it moves ``held_until`` ahead, and again while at work; whoever dies holds it until
then, and so does whoever failed: the next try waits as long.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Q

from credits.engine.database import ledger_database, retried
from credits.engine.inserting import insert_unless_there
from credits.models import JobClaim

LEASE = timedelta(minutes=5)


class Hold:
    """A claim on a job; falsy where another holds it."""

    def __init__(self, job: str, *, clock: Callable[[], datetime]) -> None:
        self._using = ledger_database()
        self._job = job
        self._clock = clock
        now = clock()
        self._until = now + LEASE
        self._is_ours = retried(lambda: self._take(now), using=self._using)

    def __bool__(self) -> bool:
        return self._is_ours

    def renew(self) -> None:
        """Move the lease ahead once a third of it is over; what was lost meanwhile is lost."""
        now = self._clock()
        if now + LEASE - self._until < LEASE / 3:
            return
        self._is_ours = self._move(now + LEASE)
        if self._is_ours:
            self._until = now + LEASE

    def release(self) -> None:
        """Let the next one in at once."""
        self._move(None)

    def mark_done(self, at: datetime) -> None:
        """Keep when the job was last done."""
        JobClaim.objects.using(self._using).filter(pk=self._job).update(done_at=at)

    def _take(self, now: datetime) -> bool:
        claims = JobClaim.objects.using(self._using)
        if not claims.filter(pk=self._job).exists():
            insert_unless_there(JobClaim(job=self._job), using=self._using)
        free = claims.filter(Q(held_until=None) | Q(held_until__lte=now), pk=self._job)
        # Where the answer is lost nobody has the claim, until its lease runs out.
        return bool(free.update(held_until=self._until))

    def _move(self, until: datetime | None) -> bool:
        own = JobClaim.objects.using(self._using).filter(pk=self._job, held_until=self._until)
        return bool(own.update(held_until=until))
