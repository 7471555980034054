"""
The tokens of Google Cloud Scheduler: OpenID Connect, verified by google-auth (an extra).

A token counts when Google signed it, it has not run out, it is meant for our audience and it
speaks for our service account.
"""

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from time import monotonic
from typing import Any

from credits.conf import get_settings

logger = logging.getLogger("credits.triggering")

KEEP_CERTIFICATES = 3_600
"""Seconds: Google announces a key days before it signs with it."""

TIMEOUT = 5
"""Seconds to wait for Google's certificates."""

CLOCK_SKEW = 10
"""Seconds that Google's clock and ours may lie apart."""

_ISSUERS = {"accounts.google.com", "https://accounts.google.com"}

# By their address, with the moment until which they are kept.
_certificates: dict[str, tuple[float, Any]] = {}


def has_google_auth() -> bool:
    """Say whether google-auth is there, with the transport that fetches certificates."""
    # Asked for one by one: the search for a child imports its parent.
    return all(find_spec(name) for name in ("google", "google.auth", "requests"))


def is_configured() -> bool:
    """Say whether tokens of Google are taken at all."""
    settings = get_settings()
    return bool(
        settings.trigger_google_audience and settings.trigger_google_account and has_google_auth()
    )


def is_from_google(token: str) -> bool:
    """Say whether this is a token of our service account, for us."""
    if not is_configured():
        return False
    # Here, because it is an extra.
    from google.auth import exceptions, jwt  # noqa: PLC0415
    from google.oauth2 import id_token  # noqa: PLC0415

    try:
        # Without the signature first: a stranger's token sends no request to Google.
        if not _is_ours(jwt.decode(token, verify=False)):
            return False
        claims = id_token.verify_oauth2_token(
            token,
            _fetch,
            audience=get_settings().trigger_google_audience,
            clock_skew_in_seconds=CLOCK_SKEW,
        )
    except exceptions.TransportError:
        logger.warning("google certificates unreachable")
        return False
    # MalformedError and InvalidValue are both kinds.
    except (exceptions.GoogleAuthError, ValueError):
        return False
    return _is_ours(claims)


def _is_ours(claims: Mapping[str, Any]) -> bool:
    settings = get_settings()
    return (
        claims.get("iss") in _ISSUERS
        and claims.get("aud") == settings.trigger_google_audience
        and claims.get("email") == settings.trigger_google_account
        and claims.get("email_verified") is True
    )


def _fetch(url: str, method: str = "GET", **options: Any) -> Any:
    """Return Google's answer with its certificates; a good one is kept for an hour."""
    from google.auth.transport.requests import Request  # noqa: PLC0415

    until, answer = _certificates.get(url, (0.0, None))
    if monotonic() > until:
        answer = Request()(url, method=method, timeout=TIMEOUT)
        if answer.status == 200:
            _certificates[url] = monotonic() + KEEP_CERTIFICATES, answer
    return answer
