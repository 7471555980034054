"""
Call what may hang: other people's servers, for ten seconds at most, and never a word of a secret.

Each hook has a thread of its own, a daemon: neither a run nor the end of the process waits for one
longer than that. A hook gets plain values and touches no database.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

LONGEST = 10.0
"""Seconds that all hooks of a run together may delay it."""

# These write whole addresses, and in the addresses of webhooks stand their passwords.
_TALKATIVE = ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "urllib3.poolmanager")

_discreet = threading.local()


class HookFailed(Exception):
    """A hook did not reach whom it should; the text says why and holds no secret."""


@dataclass(frozen=True)
class Hook:
    """One thing to tell one service."""

    name: str
    """Who is told, without secrets: ``heartbeat``, ``chat 1 (slack)``."""

    act: Callable[[], None] = field(repr=False)


@dataclass
class Answer:
    """What became of a hook."""

    name: str
    problem: str | None
    """Why it failed, without secrets; nothing if it did not."""


class Pending:
    """A hook under way."""

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._call, name="credits-hook", daemon=True)
        self._thread.start()

    def _call(self) -> None:
        try:
            with discretion():
                self.hook.act()
        except HookFailed as error:
            self._problem = str(error)
        except BaseException as error:
            # Its text may quote the address.
            self._problem = type(error).__name__

    def answer(self, *, until: float) -> Answer:
        """Wait for it, not longer than until then."""
        self._thread.join(max(until - time.monotonic(), 0))
        if self._thread.is_alive():
            return Answer(self.hook.name, "no answer in time")
        return Answer(self.hook.name, self._problem)


def start(hook: Hook) -> Pending:
    """Call a hook and wait for nothing."""
    return Pending(hook)


def call_all(hooks: Sequence[Hook], *, seconds: float | None = None) -> list[Answer]:
    """Call hooks side by side; return what became of each after ``LONGEST`` seconds at most."""
    until = time.monotonic() + (LONGEST if seconds is None else seconds)
    return [pending.answer(until=until) for pending in [start(hook) for hook in hooks]]


@contextmanager
def discretion() -> Iterator[list[str]]:
    """
    Let nothing be logged that libraries say in this thread; they would say whole addresses.

    Yields the list that fills with what they warned of instead: secrets.
    """
    for name in _TALKATIVE:
        # Adding it twice does nothing.
        logging.getLogger(name).addFilter(_is_not_ours)
    _discreet.overheard = []
    try:
        yield _discreet.overheard
    finally:
        _discreet.overheard = None


def _is_not_ours(record: logging.LogRecord) -> bool:
    overheard: list[str] | None = getattr(_discreet, "overheard", None)
    if overheard is None:
        return True
    if record.levelno >= logging.WARNING:
        overheard.append(record.getMessage())
    return False
