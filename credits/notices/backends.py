"""
Anymail's backends for mail services that can be told: this is the mail of before, send it once.

Name one as the e-mail backend in place of anymail's own. What the services document:

- Resend: HTTP header ``Idempotency-Key``, up to 256 characters, kept for 24 hours.
- Brevo: ``idempotencyKey`` among the JSON ``headers``, a UUID, kept for 15 minutes (the page on
  batches says 30).
- Mailgun, Postmark and Amazon SES v2 have none: what they do not answer is for a person to judge.

A backend of one's own takes part by the two members of ``handing_over.OnceOnly``.
"""

from datetime import timedelta
from typing import Any

from anymail.backends import brevo, resend


class ResendBackend(resend.EmailBackend):  # type: ignore[misc]  # anymail has no types
    """Resend, with an idempotency key for every message that has one."""

    remembers_keys_for = timedelta(hours=24)

    def build_message_payload(self, message: Any, defaults: Any) -> Any:
        """Add the key to the headers of the request."""
        payload = super().build_message_payload(message, defaults)
        if key := getattr(message, "idempotency_key", ""):
            payload.headers["Idempotency-Key"] = key
        return payload

    def was_sent_before(self, error: Exception) -> bool:
        """Recognise a key that went with other words: the balance changed since, say."""
        return _answered(error, status=409, field="name", value="invalid_idempotent_request")


class BrevoBackend(brevo.EmailBackend):  # type: ignore[misc]  # anymail has no types
    """Brevo, with an idempotency key for every message that has one."""

    remembers_keys_for = timedelta(minutes=15)

    def build_message_payload(self, message: Any, defaults: Any) -> Any:
        """Add the key to the message's headers, where Brevo looks for it and takes it out."""
        payload = super().build_message_payload(message, defaults)
        if key := getattr(message, "idempotency_key", ""):
            payload.data["headers"]["idempotencyKey"] = key
        return payload

    def was_sent_before(self, error: Exception) -> bool:
        """Recognise Brevo's word for a key that it knows."""
        return _answered(error, status=400, field="code", value="duplicate_parameter")


def _answered(error: Exception, *, status: int, field: str, value: str) -> bool:
    response = getattr(error, "response", None)
    if getattr(response, "status_code", None) != status:
        return False
    try:
        return bool(response.json().get(field) == value)  # type: ignore[union-attr]
    except (ValueError, AttributeError):
        return False
