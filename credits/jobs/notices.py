"""
Promise what became due and send what is promised.

No run is recorded: several senders may be at work at once.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Count

from credits.conf import get_settings
from credits.engine.cutting import ranges
from credits.engine.database import attempts, ledger_database
from credits.engine.notices import expiring_lots, warnings
from credits.engine.statements import Statement
from credits.jobs.due import LateJob, late_jobs
from credits.jobs.pausing import pause_of, refuse_if_paused
from credits.jobs.resting import Rest
from credits.jobs.running import Watch
from credits.models import JobPause, JobRun, Notice
from credits.notices.handing_over import Mailer
from credits.notices.pacing import Pace
from credits.notices.sending import Sender
from credits.notices.staging import promise_to_operators
from credits.signals import jobs_checked


@dataclass(frozen=True)
class SendReport:
    """What one call did, in notices."""

    warned: int
    """Expiry warnings promised now."""

    late: int
    """Words to the operators about jobs that did not run, promised now."""

    merged: int
    """Expiry warnings told in the mail of another."""

    sent: int
    suppressed: int
    """Never to be sent: declined, bounced before, or nothing is lost any more."""

    postponed: int
    """Waiting for the morning where the professional lives."""

    retried: int
    """Not taken, or not answered for by a service that can be asked again: pending."""

    parked: int
    """Perhaps sent: for a person to judge."""

    failed: int
    was_stopped: bool
    given_up: str
    """Why the rest was left pending, in a sentence; empty if nothing was."""

    last_problem: str = ""
    """Why the last of those retried, parked or failed did not leave; it may quote an address."""


@dataclass(frozen=True)
class SendForecast:
    """What a call would begin with."""

    warned: int
    late: int
    due: dict[str, int]
    """Notices that are due, by kind."""


def send_notices(
    *,
    as_of: datetime,
    limit: int | None = None,
    promising: bool = True,
    even_if_paused: bool = False,
    watch: Watch | None = None,
    mailer: Mailer | None = None,
    pace: Pace | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> SendReport:
    """
    Promise expiry warnings and words about late runs, then send every notice that is due.

    Safe to kill and to run beside another: a notice is committed as ``sending`` before it is
    handed over, and one whose sender died is parked, or sent again where the mail service tells
    the second from the first.

    Args:
        as_of: the present moment; the clock goes on from it.
        limit: at most so many notices.
        promising: whether to look for what became due; if not, what was promised before is sent.

    Raises:
        JobPaused: somebody paused the sending, and it is not to go on all the same.
        MailMisconfigured: the mail settings do not work; nothing is lost.
    """
    watch = watch or Watch()
    using = ledger_database()
    started = monotonic()

    def clock() -> datetime:
        return as_of + timedelta(seconds=monotonic() - started)

    def was_paused() -> bool:
        return not even_if_paused and pause_of(JobPause.Job.SENDING) is not None

    if not even_if_paused:
        refuse_if_paused(JobPause.Job.SENDING)
    warned = stage_expiry_warnings(as_of=as_of) if promising else 0
    late = late_jobs(as_of=as_of) if promising else []
    late_promised = stage_late_runs(late, as_of=as_of)
    if promising:
        # Who looks this often may tell the chats too; they raise what the mails below are about.
        jobs_checked.send_robust(sender=JobRun, as_of=as_of, late=late)
    watch.found(Notice.objects.using(using).due(as_of).count())
    with mailer or Mailer() as open_mailer:
        sender = Sender(
            open_mailer,
            clock=clock,
            pace=pace or Pace(get_settings().notices_per_second),
            using=using,
            should_stop=lambda: watch.should_stop() or was_paused(),
            progress=watch.progress,
        )
        sender.send_due(limit=limit)
    given_up, was_stopped = sender.given_up, sender.was_stopped
    if was_stopped and was_paused():
        given_up, was_stopped = "It was paused meanwhile. The rest stay pending.", False
    return SendReport(
        warned=warned,
        late=late_promised,
        **asdict(sender.counts),
        was_stopped=was_stopped,
        given_up=given_up,
    )


def stage_expiry_warnings(*, as_of: datetime) -> int:
    """
    Promise a warning for each professional, day of expiry and lead; return how many are new.

    Goes chunk by chunk, each a transaction of its own; what was promised before is left alone.
    """
    settings = get_settings()
    using = ledger_database()
    rest = Rest()
    promised = 0
    for lead in settings.expiry_warning_days:
        owners = expiring_lots(as_of=as_of, lead=lead, using=using).values_list(
            "professional_id", flat=True
        )
        promise = Statement(
            partial(
                warnings, lead=lead, least=settings.min_credits_to_warn, as_of=as_of, using=using
            ),
            using=using,
        )
        for within in ranges(owners, size=settings.chunk_size):
            rest.take()
            for attempt in attempts(using=using):
                with attempt, transaction.atomic(using=using):
                    count = promise.done(within)
            promised += count
    return promised


def stage_late_runs(late: Iterable[LateJob], *, as_of: datetime) -> int:
    """Promise the operators a word about each of these jobs; return how many are new."""
    return sum(
        promise_to_operators(
            Notice.Kind.RUN_LATE,
            f"{it.job.value}:{it.about}",
            {"job": it.job.value, "about": it.about, "command": it.command},
            at=as_of,
            using=ledger_database(),
        )
        for it in late
    )


def forecast_notices(*, as_of: datetime) -> SendForecast:
    """
    Say what ``send_notices`` would promise and find due; nothing is written or sent.

    The promises are really made, counted and rolled back: the figures are not an estimate.
    """
    using = ledger_database()
    with transaction.atomic(using=using):
        warned = stage_expiry_warnings(as_of=as_of)
        late = stage_late_runs(late_jobs(as_of=as_of), as_of=as_of)
        due = Notice.objects.using(using).due(as_of).order_by("kind").values_list("kind")
        by_kind = dict(due.annotate(count=Count("pk")))
        transaction.set_rollback(True, using=using)
    return SendForecast(warned=warned, late=late, due=by_kind)
