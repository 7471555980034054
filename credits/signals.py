"""
Signals a host project may listen to. A receiver that raises is logged and harms nothing.

``run_started`` is sent after the commit that opened a run, with ``run``, the running ``JobRun``.

``run_finished`` is sent after the last commit of a run, with ``run``, the finished ``JobRun``. It
comes without ``run_started`` for a month that passed without a reset: its row is then ``missed``
or ``skipped``, and moved nothing.

``jobs_checked`` is sent at the end of each check of what is due (``run_due_credit_jobs``), with
``as_of`` and ``late``, a list of ``credits.jobs.due.LateJob`` that is empty when all is well. That
may be every minute, on several hosts.
"""

from django.dispatch import Signal

run_started = Signal()
run_finished = Signal()
jobs_checked = Signal()
