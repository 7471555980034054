"""
The token of a request that starts a job: the moment and a signature over it, method and job.

``<unix time>.<HMAC-SHA256 of "<unix time>\\n<method>\\n<job>", hexadecimal>``, keyed with
``CREDITS["TRIGGER_SECRET"]``; any shell with openssl can make one. It is good for five minutes
and, within them, again: what it starts does only what is left to do.
"""

import hmac
import re
from datetime import datetime, timedelta
from hashlib import sha256

from credits.conf import get_settings

LEAST_SECRET = 32
"""Characters of the shortest secret that is taken: 24 random bytes in base64."""

WINDOW = timedelta(seconds=300)
"""How far the two clocks, and the request's way, may lie apart."""

_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


def secrets() -> list[str]:
    """Return the secrets that count: the present one first, and none that could be guessed."""
    settings = get_settings()
    given = [settings.trigger_secret, *settings.trigger_secret_fallbacks]
    return [secret for secret in given if len(secret) >= LEAST_SECRET]


def make_token(secret: str, *, method: str, job: str, at: datetime) -> str:
    """Return the token for a request that is sent at this moment."""
    stamp = str(int(at.timestamp()))
    return f"{stamp}.{_signature(secret, stamp, method, job)}"


def is_signed(token: str, *, method: str, job: str, at: datetime) -> bool:
    """Say whether a secret of ours signed this very request, a few minutes ago at most."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return False
    stamp, signature = found.groups()
    # All of them, always: how long it takes says nothing about which secret fits.
    matches = [
        hmac.compare_digest(_signature(secret, stamp, method, job), signature)
        for secret in secrets()
    ]
    return any(matches) and abs(at.timestamp() - int(stamp)) <= WINDOW.total_seconds()


def _signature(secret: str, stamp: str, method: str, job: str) -> str:
    return hmac.new(secret.encode(), f"{stamp}\n{method}\n{job}".encode(), sha256).hexdigest()
