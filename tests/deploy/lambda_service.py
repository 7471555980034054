"""Lambda's side of the Runtime API: hands events out, and hears how each call ended."""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TIMEOUT = 60
"""Seconds after which a test gives up waiting."""

RUNTIME = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Ending:
    """How a call ended: ``response``, or ``error``, or ``init`` where no call was possible."""

    kind: str
    content: Any


class LambdaService:
    """One execution environment, as its runtime sees it."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, int] | None] = queue.Queue()
        self.endings: queue.Queue[Ending] = queue.Queue()
        self.address = ""

    def invoke(self, event: str, *, seconds: float = 900) -> Ending:
        """Let the function be called with this event, with so much time; return how it ended."""
        self.events.put((event, int((time.time() + seconds) * 1000)))
        return self.endings.get(timeout=TIMEOUT)


@contextmanager
def lambda_service() -> Iterator[LambdaService]:
    """Serve the Runtime API on a port of its own."""
    service = LambdaService()

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == f"{RUNTIME}/invocation/next"
            asked = service.events.get()
            if asked is None:
                self.close_connection = True
                return
            event, deadline = asked
            self.send_response(200)
            self.send_header(
                "Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
            )
            self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
            self.send_header(
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:me-central-1:123456789012:function:jobs",
            )
            self.send_header("Content-Type", "application/json")
            self._end(event.encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            *_, before, kind = self.path.split("/")
            kind = before if before == "init" else kind
            self.send_response(202)
            self._end(b"{}")
            service.endings.put(Ending(kind, json.loads(body)))

        def _end(self, body: bytes) -> None:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    service.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        service.events.put(None)
        server.shutdown()
        thread.join()
        server.server_close()
