"""The ``CREDITS`` setting: one dict in, one frozen object out, unknown keys refused."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed


@dataclass(frozen=True, kw_only=True)
class CreditsSettings:
    """What ``CREDITS`` says; a key is the field's name in capitals."""

    eligible_professionals: str = ""
    """Dotted path of a function that returns the queryset of users whose credits are reset."""

    monthly_free_credits: int = 100
    """Free credits after a reset."""

    purchase_validity_months: int = 6
    """Calendar months from a purchase to its expiry."""

    refund_grace_days: int = 30
    """Days that refunded credits last whose own lot has expired meanwhile."""

    chunk_size: int = 5_000
    """Professionals (reset) or lots (expiry) changed by one database transaction."""

    lease_seconds: int = 300
    """Seconds without a sign of life after which another process may take a run over."""


_LEAST = {
    "monthly_free_credits": 0,
    "purchase_validity_months": 1,
    "refund_grace_days": 1,
    "chunk_size": 1,
    "lease_seconds": 1,
}


def problems(given: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each thing that is wrong in a ``CREDITS`` dict."""
    known = {field.name.upper(): field for field in fields(CreditsSettings)}
    found = []
    for key, value in given.items():
        field = known.get(key)
        if field is None:
            near = difflib.get_close_matches(str(key).upper(), known, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else f"; known: {', '.join(known)}."
            found.append(f'CREDITS["{key}"] is not a setting{hint}')
        # A bool is an int to isinstance, and True is no number of credits.
        elif type(value) is not field.type:
            found.append(f'CREDITS["{key}"] must be {field.type.__name__}, not {value!r}.')  # type: ignore[union-attr]
        elif field.name in _LEAST and value < _LEAST[field.name]:
            found.append(f'CREDITS["{key}"] must be at least {_LEAST[field.name]}, not {value}.')
    return found


@cache
def get_settings() -> CreditsSettings:
    """
    Return the project's ``CREDITS``, read once and forgotten when a test overrides it.

    Raises:
        ImproperlyConfigured: a key is unknown or a value is out of range.
    """
    given = getattr(settings, "CREDITS", {})
    if found := problems(given):
        raise ImproperlyConfigured(" ".join(found))
    return CreditsSettings(**{key.lower(): value for key, value in given.items()})


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "CREDITS":
        get_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="credits.conf")
