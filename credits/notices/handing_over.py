"""Hand mail to Django's e-mail backend: the one module of this app that does."""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import Any, Protocol, Self, runtime_checkable
from uuid import NAMESPACE_URL, uuid4, uuid5

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils.translation import gettext

from credits.models import Notice
from credits.notices.composing import Message
from credits.notices.configured import new_connection
from credits.notices.outcomes import (
    Again,
    Outcome,
    Refused,
    Sent,
    in_one_line,
    outcome_of,
    outcome_of_opening,
)

# Enough to be sure that it is one: what stands in it is for the mail service to judge.
_ONE_ADDRESS = re.compile(r"[^\s,;:<>()\[\]\"\\]+@[^\s,;:<>()\"\\]+")


@runtime_checkable
class OnceOnly(Protocol):
    """A backend whose mail service sends a key's mail once; it reads ``mail.idempotency_key``."""

    remembers_keys_for: timedelta
    """How long the service knows a key after its first use."""

    def was_sent_before(self, error: Exception) -> bool:
        """Say whether the service refused because it had accepted this key already."""
        ...


class Mailer:
    """
    One connection to the mail service, opened when first needed and again when it broke.

    Works with every backend of Django's; with anymail's it also sets metadata and tags.
    """

    def __init__(self) -> None:
        self._connection: Any = None
        self._is_open = False

    def __enter__(self) -> Self:
        """Return the mailer; nothing is opened yet."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close what is open."""
        self.close()

    @property
    def remembers_keys_for(self) -> timedelta | None:
        """How long the same notice can be handed over again without harm; ``None`` is never."""
        try:
            connection = self._backend()
        except Exception:  # A backend that cannot be made says so when it is asked to send.
            return None
        return connection.remembers_keys_for if isinstance(connection, OnceOnly) else None

    def hand_over(self, notice: Notice, message: Message, *, now: datetime) -> Outcome:
        """Hand one mail over and say what became of it; never raises for what a backend does."""
        return self._hand_over(idempotency_key(notice), message, now=now)

    def hand_over_preview(self, message: Message, *, address: str, now: datetime) -> Outcome:
        """
        Hand a previewed mail over to somebody who wants to see it; no notice knows of it.

        Its subject says what it is, it stops nothing and what the service reports of it is
        nobody's: the professional's books and address stay out of it.
        """
        own = replace(
            message,
            recipient=replace(message.recipient, address=address),
            subject=gettext("[Preview] %(subject)s") % {"subject": message.subject},
            headers={
                name: value
                for name, value in message.headers.items()
                if not name.startswith("List-Unsubscribe")
            },
            metadata={},
            tags=["credits-preview"],
        )
        return self._hand_over(str(uuid4()), own, now=now)

    def _hand_over(self, key: str, message: Message, *, now: datetime) -> Outcome:
        was_open = self._is_open
        outcome, is_stale = self._try(key, message, now=now)
        if is_stale and was_open:
            # The server hung up between two mails, as it may: nothing of this one had begun.
            outcome, _ = self._try(key, message, now=now)
        return outcome

    def close(self) -> None:
        """Close the connection; the next hand-over opens another."""
        connection, self._connection, self._is_open = self._connection, None, False
        if connection is not None:
            # Of one that broke there may be nothing left to say goodbye to.
            with suppress(Exception):
                connection.close()

    def _backend(self) -> Any:
        if self._connection is None:
            self._connection = new_connection()
        return self._connection

    def _try(self, key: str, message: Message, *, now: datetime) -> tuple[Outcome, bool]:
        try:
            connection = self._backend()
            if not self._is_open:
                connection.open()
                self._is_open = True
        except Exception as error:
            self.close()
            return outcome_of_opening(error), False

        try:
            mail = _mail(key, message, connection)
        except Exception as error:
            return Refused(in_one_line(error)), False

        try:
            taken = connection.send_messages([mail])
        except Exception as error:
            return self._judge(error, mail, connection, now=now)
        # None is what a backend returns that forgets to count.
        if taken == 0:
            return Refused("The e-mail backend passed it over without an error."), False
        return Sent(_message_id(mail)), False

    def _judge(
        self, error: Exception, mail: Any, connection: Any, *, now: datetime
    ) -> tuple[Outcome, bool]:
        if isinstance(connection, OnceOnly) and connection.was_sent_before(error):
            return Sent(), False
        outcome = outcome_of(error, now=now)
        status = getattr(mail, "anymail_status", None)
        if isinstance(outcome, Refused) and getattr(status, "message_id", None):
            # A receiver of anymail's post_send raised: the mail itself had been taken.
            return Sent(_message_id(mail)), False
        if isinstance(outcome, Refused):
            return outcome, False
        self.close()
        hung_up = type(error).__name__ == "SMTPServerDisconnected"
        hung_up = hung_up or getattr(error, "smtp_code", None) == 421
        return outcome, hung_up and isinstance(outcome, Again)


def idempotency_key(notice: Notice) -> str:
    """Return a UUID that is the notice's for ever, and no other's in another installation."""
    made = f"{notice.key} {notice.pk} {notice.created_at.astimezone(UTC).isoformat()}"
    return str(uuid5(NAMESPACE_URL, made))


def _mail(key: str, message: Message, connection: Any) -> Any:
    address = message.recipient.address.strip()
    if not _ONE_ADDRESS.fullmatch(address):
        raise ValueError("The recipient's address is not one address.")
    is_anymail = hasattr(connection, "esp_name")
    headers = dict(message.headers)
    if not is_anymail:
        # Always the same, so that a mail store can tell a second copy.
        domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
        headers["Message-ID"] = f"<{key}@{domain}>"
    mail: Any = EmailMultiAlternatives(
        subject=message.subject,
        body=message.text,
        to=[address],
        headers=headers,
    )
    mail.attach_alternative(message.html, "text/html")
    if is_anymail:
        mail.metadata = dict(message.metadata)
        # One: Postmark, for one, takes no more.
        mail.tags = list(message.tags)[:1]
    if isinstance(connection, OnceOnly):
        mail.idempotency_key = key
    return mail


def _message_id(mail: Any) -> str:
    found = getattr(getattr(mail, "anymail_status", None), "message_id", None)
    return str(mail.extra_headers.get("Message-ID", "") if found is None else found)[:255]
