"""Who started a run in the admin: a user and a form, in the one word that the run keeps."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import UUIDField


def trigger_of(user_key: Any, token: str) -> str:
    """Return what a run that this user starts with this form keeps, at most 32 characters."""
    word = str(user_key)
    if isinstance(user_key, UUID):
        word = urlsafe_b64encode(user_key.bytes).decode().rstrip("=")
    return f"admin:{word}:{token}"[:32]


def actor_key(trigger: str) -> Any:
    """Return the key of the user who started a run in the admin; ``None`` if none did."""
    head, _, rest = trigger.partition(":")
    word = rest.rpartition(":")[0]
    if head != "admin" or not word:
        return None
    field = get_user_model()._meta.pk
    with suppress(ValidationError, ValueError, OverflowError):
        if isinstance(field, UUIDField):
            return UUID(bytes=urlsafe_b64decode(f"{word}=="))
        return field.to_python(word)
    return None
