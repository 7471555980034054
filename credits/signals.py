"""
Signals a host project may listen to. A receiver that raises is logged and harms nothing.

``run_started`` is sent after the commit that opened a run, with ``run``, the running ``JobRun``.

``run_finished`` is sent after the last commit of a run, with ``run``, the finished ``JobRun``.

``jobs_checked`` is sent whenever it was asked what is late, with ``as_of`` and ``late``, a list of
``credits.jobs.due.LateJob`` that is empty when all is well.
"""

from django.dispatch import Signal

run_started = Signal()
run_finished = Signal()
jobs_checked = Signal()
