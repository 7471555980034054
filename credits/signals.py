"""
Signals a host project may listen to. A receiver that raises is logged and harms nothing.

``run_finished`` is sent after the last commit of a run, with ``run``, the finished ``JobRun``.
"""

from django.dispatch import Signal

run_finished = Signal()
