"""A real HTTP server on the loopback that keeps what it is sent, and can be rude."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


@dataclass(frozen=True)
class Heard:
    """One request."""

    method: str
    path: str
    raw: bytes
    headers: dict[str, str]

    @property
    def body(self) -> str:
        """The body, as text."""
        return self.raw.decode()

    @property
    def document(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.body)


@dataclass
class Listener:
    """What the server was sent, and how it answers."""

    port: int = 0
    status: int = 200
    is_hanging: bool = False
    heard: list[Heard] = field(default_factory=list)
    released: Event = field(default_factory=Event)

    @property
    def paths(self) -> list[str]:
        """Where the requests went."""
        return [it.path for it in self.heard]

    def url(self, scheme: str = "http") -> str:
        """Return the address of the server."""
        return f"{scheme}://127.0.0.1:{self.port}"


@contextmanager
def listening() -> Iterator[Listener]:
    """Serve until the block ends; who is kept waiting then is let go."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            listener.heard.append(Heard("POST", self.path, body, dict(self.headers)))
            if listener.is_hanging:
                listener.released.wait(30)
                return
            self.send_response(listener.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            listener.released.set()
            server.shutdown()
            thread.join()
