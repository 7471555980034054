"""Real threads, each with a connection of its own, that a test stops at a chosen statement."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier, Event
from typing import Any

from django.db import connection, connections

from credits.exceptions import CreditsError

TIMEOUT = 120
"""
Seconds after which a test gives up waiting.

What it waits for takes milliseconds, and on a machine that is busy with other things, seconds.
"""

Act = Callable[[], Any]
Wrapper = Callable[..., Any]


def in_double_quotes(sql: str) -> str:
    """Return a statement with its names quoted as standard SQL does, and MariaDB does not."""
    return sql.replace("`", '"')


class Pause:
    """Stop a thread, once, before or after the first statement that contains these words."""

    def __init__(self, *, before: str = "", after: str = "") -> None:
        self._before = before
        self._after = after
        self._reached = Event()
        self._resumed = Event()
        self._ended = False

    def __call__(self, execute: Wrapper, sql: str, *args: Any) -> Any:
        """Execute the statement, and stop at it if it is the one."""
        said = in_double_quotes(sql)
        if self._before and self._before in said:
            self._stop()
        result = execute(sql, *args)
        if self._after and self._after in said:
            self._stop()
        return result

    def _stop(self) -> None:
        if not self._reached.is_set():
            self._reached.set()
            assert self._resumed.wait(TIMEOUT), "Nobody let the thread go on."

    def wait(self) -> None:
        """Wait until the thread has come to the statement."""
        assert self._reached.wait(TIMEOUT), "The thread has not come to the statement."
        assert not self._ended, "The thread has ended without coming to the statement."

    def resume(self) -> None:
        """Let the thread go on."""
        self._resumed.set()

    def end(self) -> None:
        """Let nobody wait for a thread that is no more."""
        self._ended = not self._reached.is_set()
        self._reached.set()


class Knock:
    """Know when a thread is kept waiting by another one's lock."""

    def __init__(self) -> None:
        self._asked = Event()
        self._backend = 0

    def __call__(self, execute: Wrapper, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Execute the statement; the thread is known from now on."""
        its_own = context["connection"]
        if its_own.vendor == "postgresql":
            self._backend = its_own.connection.info.backend_pid
            self._asked.set()
        elif its_own.vendor == "mysql":
            self._backend = its_own.connection.thread_id()
            self._asked.set()
        elif not sql.startswith(("SELECT", "PRAGMA")):
            # SQLite has one lock, and all that may write begins by taking it.
            self._asked.set()
        return execute(sql, params, many, context)

    def wait_until_blocked(self, *, unless: "Future[Any] | None" = None) -> None:
        """Wait until the thread waits for a lock, or until it is done with ``unless``."""
        assert self._asked.wait(TIMEOUT), "The thread never asked for a lock."
        if connection.vendor != "sqlite":
            eventually(lambda: self._is_blocked() or (unless is not None and unless.done()))

    def _is_blocked(self) -> bool:
        _let_locks_be_listed_anew()
        with connection.cursor() as cursor:
            cursor.execute(_IS_BLOCKED[connection.vendor], [self._backend])
            (blocked,) = cursor.fetchone()
        return bool(blocked)


_IS_BLOCKED = {
    "postgresql": "SELECT cardinality(pg_blocking_pids(%s)) > 0",
    "mysql": "SELECT COUNT(*) FROM information_schema.innodb_trx"
    " WHERE trx_state = 'LOCK WAIT' AND trx_mysql_thread_id = %s",
}


class Threads:
    """Starts acts in threads."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._pauses: list[Pause] = []

    def start(self, act: Act, *wrappers: Wrapper) -> "Future[Any]":
        """Start an act; the wrappers see each of its statements."""
        future = self._pool.submit(with_own_connection, act, *wrappers)
        for pause in wrappers:
            if isinstance(pause, Pause):
                self._pauses.append(pause)
                future.add_done_callback(lambda _, pause=pause: pause.end())
        return future

    def resume_all(self) -> None:
        """Let every thread go on, so that a failed test ends at once."""
        for pause in self._pauses:
            pause.resume()


@contextmanager
def threads() -> Iterator[Threads]:
    """Yield a starter of threads, and wait for all of them at the end."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        started = Threads(pool)
        try:
            yield started
        finally:
            started.resume_all()


def with_own_connection(act: Act, *wrappers: Wrapper) -> Any:
    """Do an act in this thread and close the connection that it used."""
    try:
        with ExitStack() as stack:
            for wrapper in wrappers:
                stack.enter_context(connection.execute_wrapper(wrapper))
            return act()
    finally:
        connections.close_all()


def at_once(*acts: Act) -> list[Any]:
    """Do all acts at the same moment; return what each returned, or the refusal it got."""
    barrier = Barrier(len(acts))

    def begin(act: Act) -> Any:
        # Connected before the start, or the first would be done before the last is there.
        connection.ensure_connection()
        barrier.wait(TIMEOUT)
        try:
            return act()
        except CreditsError as refusal:
            return refusal

    with threads() as started:
        futures = [started.start(lambda act=act: begin(act)) for act in acts]
        return [future.result(TIMEOUT) for future in futures]


def eventually(is_so: Callable[[], bool]) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + TIMEOUT
    while not is_so():
        assert time.monotonic() < deadline, "It never came to pass."
        time.sleep(0.005)


def _let_locks_be_listed_anew() -> None:
    # MariaDB makes its list of locks when it was not read for a tenth of a second.
    if connection.vendor == "mysql":
        time.sleep(0.11)


def somebody_waits_for_us() -> bool:
    """Say whether anyone waits for a lock that this thread holds; SQLite does not tell."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            _let_locks_be_listed_anew()
            cursor.execute(
                "SELECT 1 FROM information_schema.innodb_lock_waits"
                " JOIN information_schema.innodb_trx ON trx_id = blocking_trx_id"
                " WHERE trx_mysql_thread_id = CONNECTION_ID()"
            )
            return cursor.fetchone() is not None
        # Unlike pg_stat_activity, the list of locks is a new one each time in a transaction too.
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE NOT granted"
            " AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return cursor.fetchone() is not None
