"""
Tell a hard bounce from a soft one.

anymail calls both "bounced" and gives both the same reason; what the mail service itself wrote
tells them apart. An address that was merely full today must not lose its mail for ever.
"""

from collections.abc import Mapping
from typing import Any

_ABOUT_THE_ADDRESS = {"bounced", "invalid"}

# For each service: where its own word stands, and which words mean that the address is no good.
_OWN_WORDS: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "Amazon SES": (("bounce", "bounceType"), frozenset({"permanent"})),
    "Brevo": (("event",), frozenset({"hard_bounce", "invalid_email"})),
    "MailerSend": (("data", "type"), frozenset({"hard_bounced"})),
    "Mailgun": (("event-data", "severity"), frozenset({"permanent"})),
    "Mailjet": (("hard_bounce",), frozenset({"true"})),
    "Mandrill": (("event",), frozenset({"hard_bounce"})),
    "Postmark": (("Type",), frozenset({"hardbounce", "bademailaddress"})),
    "Resend": (("data", "bounce", "type"), frozenset({"permanent"})),
    # A message it dropped has its reason there instead.
    "SendGrid": (("type",), frozenset({"bounce", "bounced address", "invalid"})),
    "SendinBlue": (("event",), frozenset({"hard_bounce", "invalid_email"})),
    "SparkPost": (("msys", "message_event", "bounce_class"), frozenset({"10", "30"})),
}


def is_hard(*, service: str, reason: str | None, document: Any) -> bool:
    """
    Say whether a bounce or a refusal means that the address will never take mail.

    Args:
        service: anymail's name for the mail service.
        reason: anymail's normalized reason; "blocked" or "spam" are about us, not the address.
        document: the event as the mail service wrote it.
    """
    path, hard = _OWN_WORDS.get(service, ((), frozenset()))
    word = _find(document, path) if path else None
    if word is None:
        return reason in _ABOUT_THE_ADDRESS
    return str(word).lower() in hard and (reason is None or reason in _ABOUT_THE_ADDRESS)


def _find(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document
