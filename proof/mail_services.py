"""
Mail services on this machine that fail as the real ones do.

One HTTP server speaks the APIs of Mailgun, Postmark, Resend, Brevo and Amazon SES v2 as anymail
calls them, an SMTP server the other protocol. What they took is kept by recipient, so a mail that
came twice is seen.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller

from proof.mail_apis import Api, Server
from proof.mail_ledger import CLIENT_TIMEOUT, UNANSWERED, Ledger

SERVICES = ("smtp", "mailgun", "postmark", "amazon_ses", "resend", "brevo")


def django_settings(service: str, port: int, patience: float) -> dict[str, Any]:
    """
    Return the settings with which a project would reach a service at this port.

    Args:
        patience: seconds to wait for an answer.
    """
    url = f"http://127.0.0.1:{port}"
    if service == "smtp":
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": port,
            "EMAIL_TIMEOUT": patience,
        }
    backends = {
        "resend": "credits.notices.backends.ResendBackend",
        "brevo": "credits.notices.backends.BrevoBackend",
        "amazon_ses": "credits.notices.ses.AmazonSESBackend",
    }
    return {
        "EMAIL_BACKEND": backends.get(service, f"anymail.backends.{service}.EmailBackend"),
        "ANYMAIL": {
            "REQUESTS_TIMEOUT": patience,
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
                "config": {"read_timeout": patience, "connect_timeout": patience},
            },
        },
    }


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
def mail_service(
    service: str, ledger: Ledger, *, patience: float = CLIENT_TIMEOUT
) -> Iterator[dict[str, Any]]:
    """Serve until the block ends; yield the Django settings that lead there."""
    if service == "smtp":
        controller = Controller(_Smtp(ledger), hostname="127.0.0.1", port=_free_port())
        controller.start()
        try:
            yield django_settings(service, controller.port, patience)
        finally:
            controller.stop()
        return
    server = Server(("127.0.0.1", 0), Api)
    server.ledger = ledger
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield django_settings(service, server.server_address[1], patience)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
