"""A mail service that is one file: what it took, it took for good, whoever is killed."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage

ANSWER = 0.002
"""Seconds that it takes to answer, far less than a real one."""

PATH = "PROOF_MAILBOX"
"""The environment variable that names the file."""


class EmailBackend(BaseEmailBackend):
    """Append the recipient of each mail as a line: one write, so all of it or none."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        file = os.open(os.environ[PATH], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            for mail in email_messages:
                time.sleep(ANSWER)
                os.write(file, f"{mail.to[0]}\n".encode())
        finally:
            os.close(file)
        return len(email_messages)


def taken() -> list[str]:
    """Return the recipients of all mails that were taken, one item for each mail."""
    path = Path(os.environ[PATH])
    return path.read_text().splitlines() if path.exists() else []
