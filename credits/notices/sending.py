"""
Send what is due: one mail to one person at a time, each marked before it is handed over.

    claim a batch -> ask whether and when -> compose -> mark ``sending``, COMMIT -> hand over ->
    record the outcome, COMMIT

A sender that is killed leaves at most one notice in doubt. Several may run at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError

from credits.conf import get_settings
from credits.exceptions import MailMisconfigured, NothingToSay
from credits.models import Notice
from credits.notices import claiming
from credits.notices.composing import Message, compose
from credits.notices.handing_over import Mailer
from credits.notices.outcomes import (
    Again,
    Misconfigured,
    Refused,
    Sent,
    Unclear,
    in_one_line,
)
from credits.notices.pacing import MOST_ATTEMPTS, Pace, opening, pause_after
from credits.notices.recipients import Recipient, recipient_for
from credits.notices.suppression import why_not
from credits.signals import notice_sent

BATCH = 100
"""Notices taken at a time."""

TROUBLE_IN_A_ROW = 10
"""So many in a row were not taken, or not answered for: the service is down, the run gives up."""

HOPELESS_AFTER = 20
"""So many were refused and none sent: the fault is not theirs."""

Status = Notice.Status


@dataclass
class Counts:
    """What became of the notices that a sender took."""

    merged: int = 0
    sent: int = 0
    suppressed: int = 0
    postponed: int = 0
    retried: int = 0
    parked: int = 0
    failed: int = 0
    last_problem: str = ""
    """Why the last of those retried, parked or failed did not leave."""


class _Postponed(Exception):
    """It is night where the recipient lives."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__()


class _Suppressed(Exception):
    """The recipient gets no such mail; the text says why."""


class Sender:
    """
    Sends due notices until none is left, it is told to stop, or the mail service is down.

    Args:
        clock: the present moment; it moves on while the sender works.
        should_stop: asked before each notice.
        progress: told after each notice how many were done with.
    """

    def __init__(
        self,
        mailer: Mailer,
        *,
        clock: Callable[[], datetime],
        pace: Pace,
        using: str,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        self.counts = Counts()
        self.given_up = ""
        """Why the sender stopped before its work was done, in a sentence."""

        self.was_stopped = False
        self._mailer = mailer
        self._clock = clock
        self._pace = pace
        self._using = using
        self._should_stop = should_stop
        self._progress = progress
        self._trouble = 0
        self._done = 0
        self._at_once: list[Notice] = []

    def send_due(self, *, limit: int | None = None) -> None:
        """
        Send what is due, ``limit`` notices at most.

        Raises:
            MailMisconfigured: nothing can be handed over; what was taken is pending again.
        """
        while limit is None or self._done < limit:
            size = BATCH if limit is None else min(BATCH, limit - self._done)
            now = self._clock()
            again, parked = claiming.take_over(
                now, repeatable=self._remembered(), using=self._using
            )
            self.counts.retried += again
            self.counts.parked += parked
            batch = claiming.claim(now, size=size, using=self._using)
            if not batch or not self._send_batch(batch):
                return

    def _send_batch(self, batch: Sequence[Notice]) -> bool:
        """Return whether there is any sense in taking another batch."""
        postponed: dict[datetime, list[Notice]] = {}
        left = list(batch)
        try:
            while left or self._at_once:
                self.was_stopped = self._should_stop()
                if self.was_stopped or self.given_up:
                    return False
                notice = (self._at_once or left).pop(0)
                try:
                    self._send(notice)
                except _Postponed as night:
                    postponed.setdefault(night.until, []).append(notice)
                    self.counts.postponed += 1
                self._done += 1
                self._progress(self._done)
        finally:
            for until, notices in postponed.items():
                claiming.release(notices, at=until, using=self._using)
            claiming.release([*self._at_once, *left], at=self._clock(), using=self._using)
            self._at_once.clear()
        return not self.given_up

    def _send(self, notice: Notice) -> None:
        now = self._clock()
        if notice.sent_at is not None and not self._is_repeatable(notice.sent_at, now):
            # Whatever its reason says by now: an earlier hand-over was never answered for.
            self._park(notice, notice.reason, at=now)
            return
        beside = claiming.waiting_beside(notice, using=self._using)
        try:
            recipient = self._ask(notice, now=now)
            message = _compose(notice, beside, now=now)
        except (_Suppressed, NothingToSay) as reason:
            self._end(notice, Status.SUPPRESSED, str(reason), at=now)
            self.counts.suppressed += 1
            return
        except (_Postponed, DatabaseError):
            raise
        except Exception as error:
            # The host's function or template failed; the mail service was never asked.
            notice.attempts += 1
            self._put_off(notice, in_one_line(error), at=now + pause_after(notice.attempts))
            return

        self._pace.wait()
        merged = claiming.begin(notice, recipient, beside, now=self._clock(), using=self._using)
        if merged is None:
            return
        self.counts.merged += merged
        self._hand_over(notice, message)

    def _ask(self, notice: Notice, *, now: datetime) -> Recipient:
        """Return whom to send it to, if they may have it, and now."""
        recipient = recipient_for(notice)
        if reason := why_not(notice, recipient):
            raise _Suppressed(reason)
        if notice.professional_id is not None:
            until = opening(now, recipient.time_zone, window=get_settings().send_window)
            if until > now:
                raise _Postponed(until)
        return recipient

    def _hand_over(self, notice: Notice, message: Message) -> None:
        outcome = self._mailer.hand_over(notice, message, now=self._clock())
        now = self._clock()
        match outcome:
            case Sent(message_id):
                claiming.end_sent(notice, message_id=message_id, now=now, using=self._using)
                self.counts.sent += 1
                self._trouble = 0
                notice.status, notice.sent_at, notice.message_id = Status.SENT, now, message_id
                notice_sent.send_robust(sender=Notice, notice=notice)
            case Refused(reason):
                self.counts.last_problem = reason
                self._end(notice, Status.FAILED, reason, at=now)
                self.counts.failed += 1
                if (failed := self.counts.failed) >= HOPELESS_AFTER and not self.counts.sent:
                    self._give_up(f"{failed} notices were refused and none sent", reason)
            case Again(reason, asked):
                self._put_off(notice, reason, at=now + pause_after(notice.attempts, asked=asked))
            case Unclear(reason):
                self._leave_unclear(notice, reason, now=now)
            case Misconfigured(reason):
                notice.attempts -= 1
                self._end(notice, Status.PENDING, reason, at=now)
                raise MailMisconfigured(f"The mail settings do not work: {reason}")

    def _put_off(self, notice: Notice, reason: str, *, at: datetime) -> None:
        self.counts.last_problem = reason
        self._count_trouble(reason)
        if notice.attempts < MOST_ATTEMPTS:
            self._end(notice, Status.PENDING, reason, at=at)
            self.counts.retried += 1
        elif notice.sent_at is None:
            self._end(notice, Status.FAILED, reason, at=at)
            self.counts.failed += 1
        else:
            self._park(notice, reason, at=at)

    def _leave_unclear(self, notice: Notice, reason: str, *, now: datetime) -> None:
        self.counts.last_problem = reason
        self._count_trouble(reason)
        is_first = notice.sent_at is None
        notice.sent_at = notice.sent_at or claiming.begun_at(notice)
        if notice.attempts >= MOST_ATTEMPTS or not self._is_repeatable(notice.sent_at, now):
            self._park(notice, reason, at=now)
            return
        self._end(notice, Status.PENDING, reason, at=now)
        self.counts.retried += 1
        if is_first:
            # While the service still knows the key; whoever is next may wait a moment.
            self._at_once.append(notice)

    def _park(self, notice: Notice, reason: str, *, at: datetime) -> None:
        self._end(notice, Status.PARKED, reason, at=at)
        self.counts.parked += 1

    def _end(self, notice: Notice, status: Notice.Status, reason: str, *, at: datetime) -> None:
        claiming.end(notice, status, reason, at=at, using=self._using)

    def _is_repeatable(self, first: datetime, now: datetime) -> bool:
        remembered = self._remembered()
        return remembered is not None and now < first + remembered

    def _remembered(self) -> timedelta | None:
        remembered = self._mailer.remembers_keys_for
        # A minute for the clocks to differ and the mail to travel.
        return remembered and remembered - timedelta(minutes=1)

    def _count_trouble(self, reason: str) -> None:
        self._trouble += 1
        if self._trouble >= TROUBLE_IN_A_ROW:
            self._give_up(f"{self._trouble} notices in a row could not be sent", reason)

    def _give_up(self, what: str, reason: str) -> None:
        self.given_up = f"{what}; the last: {reason}. The rest stay pending."


def _compose(notice: Notice, beside: Sequence[Notice], *, now: datetime) -> Message:
    if notice.kind == Notice.Kind.EXPIRY_WARNING:
        return compose(notice, at=now, until=claiming.last_day([notice, *beside]))
    return compose(notice, at=now)
