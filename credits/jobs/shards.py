"""A shard in a worker's hands: its chunks, and its end, which may be that of the run."""

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from credits.conf import get_settings
from credits.engine.database import attempts, check_references, locked_not_for_its_key, retried
from credits.engine.keys import KeyRange
from credits.engine.mariadb import is_mariadb
from credits.engine.tally import Tally
from credits.exceptions import LeaseLost
from credits.jobs.chunks import Chunks, Plan, Watch, added
from credits.jobs.running import close
from credits.models import JobRun, JobShard
from credits.signals import run_finished

OPEN = [JobShard.Status.PENDING, JobShard.Status.RUNNING]


class Work(StrEnum):
    """What became of a call to ``work_on_shard``."""

    NOTHING = "nothing"
    """The shard is done, or in somebody else's hands, or its run is over."""

    RELEASED = "released"
    """The watch said stop: whoever comes next goes on."""

    DONE = "done"
    """The shard is done."""

    CLOSED = "closed"
    """The shard is done, it was the last, and the run is closed."""


class Shard(Chunks):
    """A shard in this worker's hands."""

    def __init__(self, shard: JobShard, watch: Watch, *, using: str) -> None:
        super().__init__(shard.run, watch, using=using, chunks=shard.chunk_count)
        self.shard = shard
        self._step = shard.step

    @property
    def _own(self) -> QuerySet[JobShard]:
        return JobShard.objects.using(self.using).filter(
            pk=self.shard.pk, holder=self.shard.holder, status=JobShard.Status.RUNNING
        )

    def go_through(self, plan: Plan) -> None:
        """Do what is left of the plan in this range."""
        after, upto = self.shard.cursor, _key(self.shard.upto)
        prospect = plan.look(KeyRange(_key(self.shard.after), upto))
        for step in prospect.steps(self.record)[self._step :]:
            self.work_through(
                step.keys,
                step.act,
                size=get_settings().chunk_size,
                within=KeyRange(_key(after), upto),
            )
            after = self.shard.after
            self._step += 1

    def _take(self, upto: Any) -> bool:
        is_ours = bool(
            self._own.filter(chunk_count=self._chunks).update(
                chunk_count=self._chunks + 1,
                step=self._step,
                cursor=str(upto),
                heartbeat_at=timezone.now(),
                attempts=0,
            )
        )
        if is_ours and is_mariadb(self.using):
            # There each row that refers to the run shares a lock on it until the commit: two that
            # count on it afterwards would each wait for the other. So one comes behind the other.
            JobRun.objects.using(self.using).select_for_update().get(pk=self.record.pk)
        return is_ours

    def _is_taken(self) -> bool:
        return self._own.filter(chunk_count=self._chunks + 1).exists()

    def _count(self, tally: Tally) -> None:
        counts = added(asdict(tally))
        if tally.succeeded or tally.failed:
            self._own.update(total_count=counts["total_count"], error_count=counts["error_count"])
        # Last in the chunk: this row is everybody's. It also tells whether the run still is open.
        check_references(using=self.using)
        run = JobRun.objects.using(self.using).filter(
            pk=self.record.pk, status=JobRun.Status.RUNNING
        )
        if not run.update(chunk_count=F("chunk_count") + 1, heartbeat_at=timezone.now(), **counts):
            raise LeaseLost(run_id=self.record.pk)

    def release(self, *, error: str = "") -> None:
        """Leave the rest to whoever comes next."""
        retried(
            lambda: self._own.update(
                status=JobShard.Status.PENDING,
                holder="",
                error=error,
                heartbeat_at=timezone.now(),
            ),
            using=self.using,
        )

    def end(self, status: JobShard.Status, *, error: str = "") -> Work:
        """
        Record that nothing is left to do here; close the run if that is so everywhere.

        Raises:
            LeaseLost: the shard or its run is no longer ours; nothing is written.
        """
        now = timezone.now()
        is_closed = False
        for attempt in attempts(using=self.using):
            with attempt, transaction.atomic(using=self.using, durable=True):
                if not self._own.update(status=status, error=error, heartbeat_at=now):
                    if not self._has_ended(status):
                        raise LeaseLost(run_id=self.record.pk)
                    # The answer to our own commit was lost.
                    break
                is_closed = self._close_if_last(now)
        if not is_closed:
            return Work.DONE
        self.record.refresh_from_db(using=self.using)
        run_finished.send_robust(sender=JobRun, run=self.record)
        return Work.CLOSED

    def _has_ended(self, status: JobShard.Status) -> bool:
        shards = JobShard.objects.using(self.using)
        return shards.filter(pk=self.shard.pk, holder=self.shard.holder, status=status).exists()

    def _close_if_last(self, now: datetime) -> bool:
        # Of two that end at once, the second waits here and then sees that the first has ended.
        runs = locked_not_for_its_key(JobRun.objects.using(self.using), using=self.using)
        self.record = run = runs.get(pk=self.record.pk)
        if run.status != JobRun.Status.RUNNING:
            raise LeaseLost(run_id=run.pk)
        shards = JobShard.objects.using(self.using).filter(run=run)
        if shards.filter(status__in=OPEN).exists():
            return False
        failed = shards.filter(status=JobShard.Status.FAILED).order_by("number").first()
        if failed is None:
            close(run, JobRun.Status.SUCCEEDED, at=now, using=self.using)
        else:
            summary = f"Shard {failed.number} failed: {failed.error}"
            close(run, JobRun.Status.FAILED, at=now, summary=summary, using=self.using)
        return True


def _key(text: str) -> Any:
    """Return a professional's key from its text; an open end if there is none."""
    if not text:
        return None
    return get_user_model()._meta.pk.to_python(text)
