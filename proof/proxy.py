"""
A proxy in front of PostgreSQL's socket that swallows the answer to a COMMIT and hangs up.

It knows one thing of the protocol: a client's message ``Q`` with the text COMMIT. That one it
passes on, waits for the server's answer, and keeps it: the transaction is committed and nobody was
told.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET = ".s.PGSQL.5432"
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class Proxy:
    """Passes everything on, until it is told to lose an answer."""

    def __init__(self, server: Path, directory: Path) -> None:
        self.lost = 0
        """Answers lost so far."""

        self._to_lose = 0
        self._lock = threading.Lock()
        self._server = str(server / SOCKET)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(directory / SOCKET))
        self._listening.listen(64)

    def lose_answer(self, number: int) -> None:
        """Lose the answer to the ``number``-th COMMIT from now, counted from 1; 0 loses none."""
        with self._lock:
            self._to_lose = number

    def serve(self) -> None:
        """Accept clients until the listening socket is closed."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Accept nobody any more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve_one(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        is_cut = threading.Event()
        with client, server:
            back = threading.Thread(target=self._answer, args=(server, client, is_cut), daemon=True)
            back.start()
            with suppress(OSError):
                while message := client.recv(65536):
                    if message == _COMMIT and self._is_the_one():
                        is_cut.set()
                    server.sendall(message)
            with suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _answer(
        self, server: socket.socket, client: socket.socket, is_cut: threading.Event
    ) -> None:
        with suppress(OSError):
            while answer := server.recv(65536):
                if is_cut.is_set():
                    break
                client.sendall(answer)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _is_the_one(self) -> bool:
        with self._lock:
            self._to_lose -= 1
            self.lost += self._to_lose == 0
            return self._to_lose == 0


@contextmanager
def proxy_before(server: Path, directory: Path) -> Iterator[Proxy]:
    """Listen in ``directory`` for whoever would speak to the server whose socket is in another."""
    proxy = Proxy(server, directory)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
