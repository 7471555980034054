"""A Redis of one's own, and Celery's workers on it and on the test's database."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from settings.environment import BASE_DIR
from tests.threads import eventually


class RedisUnavailable(Exception):
    """No Redis can be started here; the text says what would help."""


@contextmanager
def throwaway_redis() -> Iterator[str]:
    """Start a Redis on a socket of its own, yield Celery's URL of it, and remove all of it."""
    program = shutil.which("redis-server")
    if program is None:
        raise RedisUnavailable("Redis is not installed: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="credits-redis-", dir="/tmp") as directory:
        path = Path(directory, "redis.sock")
        words = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", directory]
        with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL) as server:
            try:
                eventually(lambda: _answers(path))
                yield f"redis+socket://{path}"
            finally:
                server.kill()


def _answers(path: Path) -> bool:
    with redis.Redis(unix_socket_path=str(path)) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


class Workers:
    """Celery's workers, one process each, and the queue that they take from."""

    def __init__(self, broker: str, log: Path, *, database: str, settings: str) -> None:
        self.queue = Celery(broker=broker, set_as_current=False)
        self._environment = {
            **os.environ,
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": settings,
            "CELERY_BROKER_URL": broker,
        }
        self._log = log
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, count: int, *, pool: str = "solo") -> None:
        """Start workers; they are at work as soon as they answer."""
        with self._log.open("ab") as log:
            self.processes += [
                subprocess.Popen(
                    [
                        *(sys.executable, "-m", "celery", "-A", "homezy", "worker"),
                        *("--pool", pool, "--concurrency", "1", "--loglevel", "INFO"),
                        *("--hostname", f"worker-{number}@%h"),
                        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                    ],
                    cwd=BASE_DIR,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                for number in range(count)
            ]
        eventually(lambda: self.said().count(" ready.") >= len(self.processes))

    def send(self, task: str, *args: Any) -> None:
        """Put a task into the queue."""
        self.queue.send_task(task, args)

    def kill(self, pids: set[int]) -> None:
        """Kill these with -9, workers or the processes of their pools, and see them buried."""
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for process in self.processes:
            if process.pid in pids:
                process.wait()

    def said(self) -> str:
        """Return what the workers have logged."""
        return self._log.read_text(errors="replace")

    def end(self) -> None:
        """Leave no worker behind."""
        for process in self.processes:
            # A pool's processes are in the session of their worker.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.queue.close()
