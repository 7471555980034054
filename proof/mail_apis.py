"""
The APIs of Mailgun, Postmark, Resend, Brevo and Amazon SES v2, as anymail calls them.

Resend's and Brevo's doubles know idempotency keys for as long as the services document.
"""

import base64
import email
import email.policy
import json
import socket
import struct
import time
import uuid
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from proof.mail_ledger import CLIENT_TIMEOUT, DEDUPLICATING, UNANSWERED, Ledger


class Api(BaseHTTPRequestHandler):
    """One request to whichever service its path belongs to."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

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


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    ledger: Ledger

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # A sender that was killed hangs up in the middle.
