"""
Mail services on this machine that fail as the real ones do.

One HTTP server speaks the APIs of Mailgun, Postmark, Resend, Brevo and Amazon SES v2 as anymail
calls them, an SMTP server the other protocol. What they took is kept by recipient, so a mail that
came twice is seen. Resend's and Brevo's doubles know idempotency keys for as long as the services
document.
"""

import asyncio
import base64
import email
import email.policy
import json
import random
import socket
import struct
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller

SERVICES = ("smtp", "mailgun", "postmark", "amazon_ses", "resend", "brevo")
DEDUPLICATING = {"resend": timedelta(hours=24), "brevo": timedelta(minutes=15)}

CLIENT_TIMEOUT = 0.5
"""Seconds that a sender waits for an answer."""

FAULTS = (
    "busy",
    "broken",
    "silent",
    "reset",
    "taken, then silent",
    "taken, then reset",
)
"""A clear no twice; four times no answer, and in the last two of them the mail was taken."""

UNANSWERED = set(FAULTS[2:])


@dataclass
class Ledger:
    """What a service took, refused and left without an answer; shared with the test."""

    seed: int
    share_of_faults: float
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    """The moment that the senders of now believe in."""

    taken: Counter[str] = field(default_factory=Counter)
    """Mails by recipient."""

    faults: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    """Requests without an answer, by recipient."""

    requests: int = 0
    on_request: Callable[[str], None] = lambda moment: None
    """Told ``before`` a mail is taken and ``after``, while the sender waits."""

    known: dict[str, tuple[datetime, str, str]] = field(default_factory=dict)
    """Idempotency keys: first use, what was asked, what was answered."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.RLock()

    def draw(self) -> str:
        """Return the fault of the next request, or none."""
        with self._lock:
            self.requests += 1
            fault = ""
            if self._random.random() < self.share_of_faults:
                fault = self._random.choice(FAULTS)
                self.faults[fault] += 1
            return fault

    def take(self, recipient: str) -> None:
        with self._lock:
            self.taken[recipient] += 1

    def leave_unanswered(self, recipient: str) -> None:
        with self._lock:
            self.unanswered[recipient] += 1

    def remembered(self, key: str, kept: timedelta) -> tuple[str, str] | None:
        with self._lock:
            first, asked, answered = self.known.get(key, (None, "", ""))
            if first is None or self.now >= first + kept:
                return None
            return asked, answered

    @property
    def twice(self) -> int:
        """Recipients who got a mail more than once."""
        return sum(count > 1 for count in self.taken.values())


def django_settings(service: str, port: int) -> dict[str, Any]:
    """Return the settings with which a project would reach a service at this port."""
    url = f"http://127.0.0.1:{port}"
    if service == "smtp":
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": port,
            "EMAIL_TIMEOUT": CLIENT_TIMEOUT,
        }
    backends = {
        "resend": "credits.notices.backends.ResendBackend",
        "brevo": "credits.notices.backends.BrevoBackend",
        "amazon_ses": "credits.notices.ses.AmazonSESBackend",
    }
    return {
        "EMAIL_BACKEND": backends.get(service, f"anymail.backends.{service}.EmailBackend"),
        "ANYMAIL": {
            "REQUESTS_TIMEOUT": CLIENT_TIMEOUT,
            "MAILGUN_API_KEY": "key",
            "MAILGUN_SENDER_DOMAIN": "homezy.example",
            "MAILGUN_API_URL": f"{url}/v3",
            "POSTMARK_SERVER_TOKEN": "token",
            "POSTMARK_API_URL": url,
            "RESEND_API_KEY": "key",
            "RESEND_API_URL": url,
            "BREVO_API_KEY": "key",
            "BREVO_API_URL": f"{url}/v3",
            "AMAZON_SES_CLIENT_PARAMS": {
                "endpoint_url": url,
                "region_name": "me-central-1",
                "aws_access_key_id": "id",
                "aws_secret_access_key": "secret",
                "config": {"read_timeout": CLIENT_TIMEOUT, "connect_timeout": CLIENT_TIMEOUT},
            },
        },
    }


class _Api(BaseHTTPRequestHandler):
    """One request to whichever service its path belongs to."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ledger = self.server.ledger
        asked_at = time.monotonic()
        service, recipient, key = self._read(body)
        ledger.on_request("before")
        fault = ledger.draw()
        if fault == "busy":
            self._answer(429, {"message": "Too many requests"}, retry_after="0")
            return
        if fault == "broken":
            self._answer(503, {"message": "Unavailable"})
            return
        if fault in UNANSWERED:
            ledger.leave_unanswered(recipient)
        if fault == "silent":
            self._say_nothing()
            return
        if fault == "reset":
            self._reset()
            return
        status, answer = self._take(service, recipient, key, body.decode())
        ledger.on_request("after")
        if fault == "taken, then silent":
            self._say_nothing()
        elif fault == "taken, then reset":
            self._reset()
        else:
            self._answer(status, answer)
            if time.monotonic() - asked_at > CLIENT_TIMEOUT / 2:
                # The machine was busy: the sender may have hung up before it heard.
                ledger.leave_unanswered(recipient)

    def _read(self, body: bytes) -> tuple[str, str, str]:
        if self.path == "/v3/homezy.example/messages":
            return "mailgun", parse_qs(body.decode())["to"][0], ""
        content = json.loads(body)
        match self.path:
            case "/email":
                return "postmark", content["To"], ""
            case "/emails":
                return "resend", content["to"][0], self.headers.get("Idempotency-Key", "")
            case "/v3/smtp/email":
                key = content.get("headers", {}).get("idempotencyKey", "")
                return "brevo", content["to"][0]["email"], key
            case "/v2/email/outbound-emails":
                raw = base64.b64decode(content["Content"]["Raw"]["Data"])
                mail = email.message_from_bytes(raw, policy=email.policy.default)
                assert content["Destination"]["ToAddresses"] == [str(mail["To"])]
                return "amazon_ses", str(mail["To"]), ""
        raise AssertionError(self.path)

    def _take(
        self, service: str, recipient: str, key: str, asked: str
    ) -> tuple[int, dict[str, Any]]:
        ledger = self.server.ledger
        if key and (before := ledger.remembered(key, DEDUPLICATING[service])):
            if service == "brevo":
                return 400, {"code": "duplicate_parameter", "message": "Duplicate request"}
            if before[0] != asked:
                return 409, {"name": "invalid_idempotent_request", "message": "Other payload"}
            return 200, {"id": before[1]}
        message_id = str(uuid.uuid4())
        if key:
            ledger.known[key] = (ledger.now, asked, message_id)
        ledger.take(recipient)
        match service:
            case "mailgun":
                return 200, {"id": f"<{message_id}>", "message": "Queued. Thank you."}
            case "postmark":
                return 200, {
                    "ErrorCode": 0,
                    "Message": "OK",
                    "MessageID": message_id,
                    "To": recipient,
                }
            case "resend":
                return 200, {"id": message_id}
            case "brevo":
                return 201, {"messageId": f"<{message_id}>"}
            case _:
                return 200, {"MessageId": message_id}

    def _answer(self, status: int, content: dict[str, Any], *, retry_after: str = "") -> None:
        body = json.dumps(content).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # The sender is dead.

    def _say_nothing(self) -> None:
        time.sleep(CLIENT_TIMEOUT * 1.6)
        self.close_connection = True

    def _reset(self) -> None:
        # Zero seconds to linger: close() sends a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    ledger: Ledger

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # A sender that was killed hangs up in the middle.


class _Smtp:
    """aiosmtpd's handler."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        ledger = self.ledger
        (recipient,) = envelope.rcpt_tos
        ledger.on_request("before")
        fault = ledger.draw()
        if fault == "busy":
            return "450 Too many mails"
        if fault == "broken":
            return "451 Local error"
        if fault in UNANSWERED:
            ledger.leave_unanswered(recipient)
        if not fault or fault.startswith("taken"):
            ledger.take(recipient)
            ledger.on_request("after")
        if fault.endswith("silent"):
            await asyncio.sleep(CLIENT_TIMEOUT * 1.6)
        if fault:
            server.transport.abort()
        return "250 Taken"


@contextmanager
def mail_service(service: str, ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Serve until the block ends; yield the Django settings that lead there."""
    if service == "smtp":
        controller = Controller(_Smtp(ledger), hostname="127.0.0.1", port=_free_port())
        controller.start()
        try:
            yield django_settings(service, controller.port)
        finally:
            controller.stop()
        return
    server = _Server(("127.0.0.1", 0), _Api)
    server.ledger = ledger
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield django_settings(service, server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
