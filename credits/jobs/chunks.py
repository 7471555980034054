"""
Work in chunks: each a database transaction that moves a record along with what it does.

The record is the run's own row, or that of the shard of it that one of several workers does. Every
chunk begins with a compare-and-set on it, so a process whose work was taken over (or that cannot
know whether its last commit arrived) writes nothing twice.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import F, Model, QuerySet
from django.db.models.expressions import Combinable
from django.dispatch import Signal

from credits.engine.cutting import halves, only_key, ranges
from credits.engine.database import attempts, is_about_the_data, retried
from credits.engine.keys import EVERYBODY, KeyRange
from credits.engine.tally import Tally
from credits.exceptions import LeaseLost, TooManyFailures
from credits.jobs.pausing import pause_of
from credits.jobs.resting import Rest
from credits.models import CreditTransaction, JobFailure, JobRun, TransactionType
from credits.models.balances import ProfessionalId
from credits.signals import credits_expired, credits_reset

HOPELESS_AFTER = 100
"""So many professionals failed and none succeeded: the fault is not theirs, the run gives up."""

ASK_FOR_PAUSE_AFTER = 1.0
"""Seconds after which it is asked again, between two chunks, whether somebody paused the job."""


_ANNOUNCED: dict[str, tuple[Signal, TransactionType]] = {
    JobRun.Job.RESET.value: (credits_reset, TransactionType.MONTHLY_RESET),
    JobRun.Job.EXPIRY.value: (credits_expired, TransactionType.EXPIRY),
}


class Stopped(Exception):
    """The watch said stop."""


@dataclass(frozen=True)
class Watch:
    """What the caller of a job wants to be told while it runs, and how it says stop."""

    found: Callable[[int], None] = lambda count: None
    """Called once, with the professionals (reset) or lots (expiry) the job is about."""

    progress: Callable[[int], None] = lambda written: None
    """Called after each chunk with the ledger rows written so far."""

    should_stop: Callable[[], bool] = lambda: False
    """Asked before each chunk; when it says yes the run ends ``interrupted``."""

    may_start: Callable[[], bool] = lambda: True
    """
    Asked while no other run of the job can start or be under way; when it says no there is none.
    """


@dataclass(frozen=True)
class Step:
    """One act of a job and the keys that it goes over."""

    keys: QuerySet[Model, Any]
    """One column of professionals' keys, for ``ranges``."""

    act: Callable[[KeyRange], Tally]


@dataclass(frozen=True)
class Prospect:
    """What a job found in a range of keys."""

    found: int
    """Professionals (reset) or lots (expiry)."""

    steps: Callable[[JobRun], list[Step]]
    """What there is to do; as many steps at any moment, those with nothing left have no keys."""


@dataclass(frozen=True)
class Plan:
    """What a job is about."""

    keys: QuerySet[Model, Any]
    """The professionals (reset) or the owners of the lots (expiry); one row for each."""

    look: Callable[[KeyRange], Prospect]
    """Asks the database what there is; of professionals in a range alone."""


class Chunks(ABC):
    """Ranges of keys done one after the other, for a run."""

    def __init__(
        self,
        record: JobRun,
        watch: Watch,
        *,
        even_if_paused: bool = False,
        using: str,
        chunks: int = 0,
    ) -> None:
        self.record = record
        self.using = using
        self.watch = watch
        self._even_if_paused = even_if_paused
        self._asked_at = time.monotonic()
        self._rest = Rest()
        self._chunks = chunks
        self._written = 0
        self._failed = 0

    @abstractmethod
    def _take(self, upto: Any) -> bool:
        """Move what is ours from ``_chunks`` on by one; say whether it was there to move."""

    @abstractmethod
    def _is_taken(self) -> bool:
        """Say whether what is ours has been moved on by one already."""

    @abstractmethod
    def _count(self, tally: Tally) -> None:
        """Add up what a chunk did, in its transaction."""

    def work_through(
        self,
        keys: QuerySet[Model, Any],
        act: Callable[[KeyRange], Tally],
        *,
        size: int,
        within: KeyRange = EVERYBODY,
    ) -> None:
        """
        Do ``act`` on every range of about ``size`` keys, each in a transaction of its own.

        Transient errors are tried again. A range that fails otherwise is halved until the
        professional to blame stands alone and is recorded as a failure.

        Args:
            within: go over these keys alone.

        Raises:
            LeaseLost: another process took the work over.
            Stopped: the watch said so, or somebody paused the job.
            TooManyFailures: nobody succeeded and too many failed.
        """
        for piece in ranges(keys, size=size, within=within):
            self._rest.take()
            if self.watch.should_stop() or self._was_paused():
                raise Stopped
            self._do(keys, piece, act)
            self.watch.progress(self._written)

    def _was_paused(self) -> bool:
        # Whoever pauses a job because something is wrong means the run under way too.
        if self._even_if_paused or time.monotonic() - self._asked_at < ASK_FOR_PAUSE_AFTER:
            return False
        self._asked_at = time.monotonic()
        return retried(lambda: pause_of(self.record.job) is not None, using=self.using)

    def _do(
        self, keys: QuerySet[Model, Any], within: KeyRange, act: Callable[[KeyRange], Tally]
    ) -> None:
        try:
            tally = self._commit(lambda: act(within), upto=within.upto)
        except DatabaseError as error:
            if not is_about_the_data(error):
                raise
            parts = halves(keys, within)
            for part in parts:
                self._do(keys, part, act)
            if not parts and (professional_id := only_key(keys, within)) is not None:
                self._record_failure(
                    professional_id,
                    str(error).strip() or type(error).__name__,
                    upto=within.upto,
                )
        else:
            self._written += tally.succeeded
            self._announce(within, tally)

    def _announce(self, within: KeyRange, tally: Tally) -> None:
        signal, kind = _ANNOUNCED[self.record.job]
        if not tally.succeeded or not signal.has_listeners(JobRun):
            return
        rows = CreditTransaction.objects.using(self.using).filter(
            within.on("professional"),
            # The ledger has no index on its runs: the moment leads along that of the professionals.
            created_at=self.record.as_of,
            transaction_type=kind,
            run=self.record,
        )
        signal.send_robust(
            sender=JobRun,
            run=self.record,
            transactions=rows.order_by("pk"),
            count=tally.succeeded,
            granted=tally.granted,
            expired=tally.expired,
        )

    def _record_failure(self, professional_id: ProfessionalId, message: str, *, upto: Any) -> None:
        def record() -> Tally:
            JobFailure.objects.using(self.using).create(
                run=self.record, professional_id=professional_id, error=message
            )
            return Tally(failed=1)

        self._commit(record, upto=upto)
        self._failed += 1
        if self._failed >= HOPELESS_AFTER and not self._written:
            raise TooManyFailures(failures=self._failed, last=message)

    def _commit(self, act: Callable[[], Tally], *, upto: Any) -> Tally:
        """Do one chunk and its counts in one transaction, once and never twice."""
        tally = Tally()
        for attempt in attempts(using=self.using):
            with attempt, transaction.atomic(using=self.using, durable=True):
                if not self._take(upto):
                    # Either an answer was lost and the attempt before this one is committed, or
                    # the work is no longer ours.
                    if not self._is_taken():
                        raise LeaseLost(run_id=self.record.pk)
                    break
                tally = act()
                self._count(tally)
        self._chunks += 1
        return tally


def added(tally: Mapping[str, Any]) -> dict[str, Combinable]:
    """Return what a tally's fields, or what stands for them, add to a run's counts."""
    return {
        "total_count": F("total_count") + tally["succeeded"] + tally["failed"],
        "success_count": F("success_count") + tally["succeeded"],
        "error_count": F("error_count") + tally["failed"],
        "credits_granted": F("credits_granted") + tally["granted"],
        "credits_expired": F("credits_expired") + tally["expired"],
        "notices_staged": F("notices_staged") + tally["notices"],
    }
