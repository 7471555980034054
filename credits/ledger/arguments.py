"""What an act may be asked for: each argument is judged before anything is read or written."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.timezone import is_naive

from credits.engine.database import ledger_database
from credits.engine.reset import KEY_PREFIX
from credits.exceptions import InvalidArgument, UnknownProfessional
from credits.models import CreditType
from credits.models.balances import ProfessionalId

MAX_CREDITS = 2_147_483_647
"""What the columns hold, on every engine."""

MAX_DESCRIPTION = 200
"""Characters; SQLite would keep more, and no other engine would take them from it."""


def may_be_key(model: type[Model], key: object) -> bool:
    """Say whether a row of ``model`` could have this key; what could not breaks a question."""
    try:
        return model._meta.pk.to_python(key) is not None
    except ValidationError:
        return False


def check_user(user_id: ProfessionalId, *, argument: str = "professional_id") -> None:
    """
    Look whether there is such a user.

    Raises:
        UnknownProfessional: there is none.
    """
    users = get_user_model()._base_manager.using(ledger_database())
    if not may_be_key(users.model, user_id) or not users.filter(pk=user_id).exists():
        raise UnknownProfessional(professional_id=user_id, argument=argument)


def check_actor(actor_id: ProfessionalId | None) -> None:
    """
    Look whether there is such a user; nobody is none.

    Raises:
        UnknownProfessional: no user has this id.
    """
    if actor_id is not None:
        check_user(actor_id, argument="actor_id")


def check_credit_type(credit_type: object) -> None:
    """Refuse a pool that there is not."""
    if credit_type not in CreditType.values:
        raise InvalidArgument("credit_type", f"must be “free” or “paid”, not {credit_type!r}.")


def check_amount(amount: object, *, argument: str = "amount") -> None:
    """Refuse an amount of credits that is not a whole number from 1 to what a column holds."""
    if type(amount) is not int or not 1 <= amount <= MAX_CREDITS:
        raise InvalidArgument(
            argument,
            f"must be a whole number of credits from 1 to {MAX_CREDITS:,}, not {amount!r}.",
        )


def check_moment(argument: str, moment: object) -> None:
    """Refuse a moment that does not say which zone it is in."""
    if not isinstance(moment, datetime) or is_naive(moment):
        raise InvalidArgument(argument, f"must be an aware datetime, not {moment!r}.")


def check_key(idempotency_key: object, *, argument: str = "idempotency_key") -> None:
    """Refuse a key that is blank, too long, or of the kind that resets use."""
    if not isinstance(idempotency_key, str) or not idempotency_key.strip():
        raise InvalidArgument(argument, "must not be blank.")
    if len(idempotency_key) > 200:
        raise InvalidArgument(argument, "must not be longer than 200 characters.")
    if "\x00" in idempotency_key or idempotency_key.startswith(KEY_PREFIX):
        raise InvalidArgument(argument, f"must not begin with “{KEY_PREFIX}” or contain a NUL.")


def check_description(description: object) -> None:
    """Refuse what is no text, or longer than the column."""
    if not isinstance(description, str) or "\x00" in description:
        raise InvalidArgument("description", f"must be a text without NUL, not {description!r}.")
    if len(description) > MAX_DESCRIPTION:
        raise InvalidArgument(
            "description", f"must not be longer than {MAX_DESCRIPTION} characters."
        )


def checked_metadata(metadata: object) -> dict[str, Any]:
    """Return what every engine would keep of it as JSON; nothing where there is none."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InvalidArgument("metadata", f"must be a mapping, not {metadata!r}.")
    try:
        text = json.dumps(dict(metadata), allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgument("metadata", f"must be what JSON can say: {error}.") from error
    # A backslash stands twice in JSON: what is left without those pairs stands for a NUL.
    if r"\u0000" in text.replace(r"\\", ""):
        raise InvalidArgument("metadata", "must not contain a NUL.")
    kept: dict[str, Any] = json.loads(text)
    return kept
