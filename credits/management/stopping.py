"""Ctrl-C and SIGTERM: what is at hand is finished, and then the command stops."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals(
    say: Callable[[str], None], *, finishing: str = "this chunk"
) -> Iterator[threading.Event]:
    """
    Let Ctrl-C and SIGTERM set an event instead of tearing a chunk apart.

    A second Ctrl-C does tear: whoever presses it twice means it, and the chunk rolls back.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may install handlers; elsewhere the caller has its own ways.
        yield stop
        return

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()
        say(f"Finishing {finishing}, then stopping.")

    before = {number: signal.signal(number, ask_to_stop) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
