"""A Google of one's own: it signs tokens, and serves its certificate on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

AUDIENCE = "https://homezy.example/credits"
ACCOUNT = "scheduler@homezy.iam.gserviceaccount.com"
KEY_ID = "key-1"


class Issuer:
    """It signs what it is asked to, and counts who asks for its certificate."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200
        self.certificates_url = ""

    def token(self, *, signer: crypt.RSASigner | None = None, **changes: Any) -> str:
        """Return a token that counts, but for these claims; ``None`` leaves one out."""
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "azp": "117",
            "sub": "117",
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
        } | changes
        given = {name: claim for name, claim in claims.items() if claim is not None}
        return jwt.encode(signer or new_signer(KEY_ID), given).decode()


@cache
def new_signer(name: str) -> crypt.RSASigner:
    """Return a signer; one of another name has another key."""
    return crypt.RSASigner.from_string(_pem(name), KEY_ID)


@contextmanager
def google_issuer() -> Iterator[Issuer]:
    """Serve the certificate on a port of its own."""
    issuer = Issuer()
    body = json.dumps({KEY_ID: _certificate(KEY_ID)}).encode()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            self.send_response(issuer.status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    issuer.certificates_url = f"http://127.0.0.1:{server.server_port}/certs"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@cache
def _key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(name: str) -> bytes:
    return _key(name).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _certificate(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accounts.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(_key(name).public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(_key(name), SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()
