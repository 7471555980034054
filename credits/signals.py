"""
Signals a host project may listen to. A receiver that raises is logged and harms nothing.

All are sent after the commit, in the process and thread that did it: what was rolled back sends
none, and neither does a repeated call that found its key used. A process that is killed between
its commit and its signal sends none either, so what must not be missed is read from the ledger.
A receiver holds up whoever caused it: leave what takes long to a queue.

Of the ledger's functions, with ``sender=CreditTransaction``:

``credits_granted`` (``transaction: CreditTransaction``)
    a purchase or a bonus.

``credits_spent`` (``transactions: list[CreditTransaction]``)
    one spend: a transaction for each pool that gave something, the free one first.

``credits_refunded`` (``transactions: list[CreditTransaction]``)
    one refund, likewise.

``credits_adjusted`` (``transaction: CreditTransaction``)
    a correction by hand, up or down, or an extension, whose amount is 0.

Of the jobs, with ``sender=JobRun``. Both jobs go chunk by chunk, thousands of professionals in a
few statements, and so there is one signal for each chunk, not for each professional:

``credits_reset``, ``credits_expired`` (``run: JobRun, transactions: QuerySet[CreditTransaction], \
count: int, granted: int, expired: int``)
    the ledger rows of one chunk, not read until the receiver asks for them, how many they are, and
    the credits that they added and took. The run is as it was when it started: its own counts come
    with ``run_finished``.

``run_started`` (``run: JobRun``)
    a run was opened.

``run_finished`` (``run: JobRun``)
    a run has ended, whatever its status. It comes without ``run_started`` for a month that passed
    without a reset: its row is then ``missed`` or ``skipped``, and moved nothing.

``jobs_checked`` (``as_of: datetime, late: list[credits.jobs.due.LateJob]``)
    a check of what is due (``run_due_credit_jobs``) ended; the list is empty when all is well. That
    may be every minute, on several hosts.

Of notices, with ``sender=Notice``:

``notice_sent`` (``notice: Notice``)
    the mail service took a notice's mail. Notices that were merged into it send none of their own.
"""

from django.dispatch import Signal

credits_granted = Signal()
credits_spent = Signal()
credits_refunded = Signal()
credits_adjusted = Signal()
credits_reset = Signal()
credits_expired = Signal()
run_started = Signal()
run_finished = Signal()
jobs_checked = Signal()
notice_sent = Signal()
