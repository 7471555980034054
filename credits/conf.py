"""The ``CREDITS`` setting: one dict in, one frozen object out, unknown keys refused."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import time
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed


@dataclass(frozen=True, kw_only=True)
class CreditsSettings:
    """What ``CREDITS`` says; a key is the field's name in capitals."""

    eligible_professionals: str = ""
    """Dotted path of a function that returns the queryset of users whose credits are reset."""

    monthly_free_credits: int | str = 100
    """
    Free credits after a reset: a number, or the dotted path of a function that returns one, or an
    expression over users, as ``Case(When(plan="pro", then=250), default=100)``.
    """

    period_time_zone: str = "UTC"
    """Where the months of resets, of validity and of reports begin, as ``Asia/Dubai``."""

    purchase_validity_months: int = 6
    """Calendar months from a purchase to its expiry."""

    refund_grace_days: int = 30
    """Days that refunded credits last whose own lot has expired meanwhile."""

    chunk_size: int = 5_000
    """Professionals (reset) or lots (expiry) changed by one database transaction."""

    nice_ratio: int = 0
    """
    How many times as long as a chunk took its job rests before the next. With 9 a job leaves spends
    nine tenths of the time, and takes ten times as long.
    """

    lease_seconds: int = 300
    """Seconds without a sign of life after which another process may take a run over."""

    shards: int = 8
    """Parts that Celery's workers share a run in, at most; with 0 or 1 one task does all of it."""

    expiry_warning_days: tuple[int, ...] = (7,)
    """Days before an expiry at which its owner is warned, as ``[30, 7, 1]``."""

    min_credits_to_warn: int = 1
    """Fewer credits than these are lost without a warning."""

    admin_recipients: tuple[str, ...] = ()
    """Addresses that hear of runs; those of ``ADMINS`` if there are none."""

    notices_per_second: int = 10
    """Notices one sender hands over in a second, at most."""

    send_window: tuple[str, str] = ("08:00", "20:00")
    """From when until when professionals get mail, in their own time zone."""

    recipient: str = "credits.notices.recipients.recipient_of"
    """Dotted path of a function that turns a user into address, name, language and time zone."""

    site_url: str = ""
    """Where the links in notices lead, as ``https://homezy.example``; no links without it."""

    action_url: str = ""
    """Where the button of an expiry warning leads; no button without it."""

    trigger_secret: str = field(default="", repr=False)
    """What signs requests that start jobs, 32 characters or more; without it none is taken."""

    trigger_secret_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    """Earlier secrets, taken as long as somebody still signs with them."""

    trigger_google_audience: str = ""
    """The audience that tokens of Google Cloud Scheduler must be meant for, to the letter."""

    trigger_google_account: str = ""
    """The service account, by its e-mail address, whose tokens start jobs."""

    trigger_jobs: tuple[str, ...] = ("run_due_credit_jobs",)
    """The jobs that a request may start."""

    trigger_seconds: int = 30
    """Seconds between two starts of one job by requests, at least."""

    seal_key: str = field(default="", repr=False)
    """The secret that the ledger is sealed with, kept outside the database; no seals without it."""

    seal_old_keys: tuple[str, ...] = field(default=(), repr=False)
    """Secrets that were the ``seal_key`` before: what they sealed can still be verified."""

    keep_runs_days: int = 730
    """Days after which ``prune_credit_history`` forgets runs that wrote nothing to the ledger."""

    keep_notices_days: int = 180
    """Days after which ``prune_credit_history`` forgets notices that were sent."""

    erase_professional: str = ""
    """Dotted path of a function that empties a user's own row when ``erase_professional`` does."""

    # The names of what is secret hold a word that Django's error pages leave out the value of.
    chat_secret_urls: tuple[str, ...] = field(default=(), repr=False)
    """Where alerts go besides mail, as apprise writes it: ``slack://…``, ``discord://…``."""

    heartbeat_secret_urls: tuple[str, ...] = field(default=(), repr=False)
    """Healthchecks to ping: one address for all jobs, or ``expire_credits=https://…`` for each."""

    sentry_crons: bool = False
    """Whether runs check in with Sentry; the project itself calls ``sentry_sdk.init``."""

    metrics_token: str = field(default="", repr=False)
    """What Prometheus must show to read ``metrics/``; without it nobody can."""


_LEAST = {
    "monthly_free_credits": 0,
    "purchase_validity_months": 1,
    "refund_grace_days": 1,
    "chunk_size": 1,
    "nice_ratio": 0,
    "lease_seconds": 1,
    "shards": 0,
    "min_credits_to_warn": 1,
    "notices_per_second": 1,
    "trigger_seconds": 1,
    "keep_runs_days": 1,
    "keep_notices_days": 1,
}

_MOST = {
    # What the columns hold, and what the calendar does.
    "monthly_free_credits": 2_147_483_647,
    "purchase_validity_months": 1_200,
    "refund_grace_days": 36_500,
}

_ADDRESSES = {"site_url", "action_url"}

_SECRET = {"seal_key", "seal_old_keys"}
_SHORTEST_SECRET = 32

# What is wrong with a value is printed and logged, but not where it may be secret.
_HIDDEN = {field.name for field in fields(CreditsSettings) if not field.repr}


def given_settings() -> Mapping[str, Any]:
    """Return what ``CREDITS`` holds, right or wrong; nothing where it is no dict at all."""
    given = getattr(settings, "CREDITS", {})
    return given if isinstance(given, Mapping) else {}


def problems(given: object) -> list[str]:
    """Return one sentence for each thing that is wrong in a ``CREDITS`` dict."""
    if not isinstance(given, Mapping):
        return [f"CREDITS must be a dict, not {type(given).__name__}."]
    known = {setting.name.upper(): setting for setting in fields(CreditsSettings)}
    found = []
    for key, value in given.items():
        setting = known.get(key)
        if setting is None:
            near = difflib.get_close_matches(str(key).upper(), known, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else f"; known: {', '.join(known)}."
            found.append(f'CREDITS["{key}"] is not a setting{hint}')
        elif problem := _problem(setting.name, value, like=getattr(CreditsSettings, setting.name)):
            found.append(f'CREDITS["{key}"] {problem}.')
    return found


def default_of(key: object) -> Any:
    """Return what a key of ``CREDITS`` is where a project says nothing; ``None`` if unknown."""
    return getattr(CreditsSettings, str(key).lower(), None) if str(key).isupper() else None


def _problem(name: str, value: Any, *, like: Any) -> str | None:
    """Return what is wrong with a value; its default shows what kind it must be."""
    if name in _SECRET:
        return _problem_of_secret(value, like=like)
    shown = "what it is" if name in _HIDDEN else repr(value)
    if isinstance(like, tuple):
        return _problem_of_list(name, value, shown=shown)
    if name == "monthly_free_credits" and type(value) is str:
        # What the path leads to is looked at by the system check, which may import it.
        return None
    # A bool is an int to isinstance, and True is no number of credits.
    if type(value) is not type(like):
        return f"must be {type(like).__name__}, not {shown}"
    if name in _LEAST and value < _LEAST[name]:
        return f"must be at least {_LEAST[name]}, not {value}"
    if name in _MOST and value > _MOST[name]:
        return f"must be at most {_MOST[name]}, not {value}"
    return _problem_of_text(name, value, shown=shown)


def _problem_of_list(name: str, value: Any, *, shown: str) -> str | None:
    kind = int if name == "expiry_warning_days" else str
    if not isinstance(value, list | tuple) or any(type(item) is not kind for item in value):
        return f"must be a list of {kind.__name__}, not {shown}"
    if kind is int and any(item < 1 for item in value):
        return f"must hold whole days of at least 1, not {value!r}"
    if name == "admin_recipients" and (strange := [item for item in value if "@" not in item]):
        return f"must hold e-mail addresses, not {strange[0]!r}"
    if name == "send_window" and not _is_window(value):
        return f'must be two times of one day, as ["08:00", "20:00"], not {value!r}'
    return None


def _problem_of_text(name: str, value: Any, *, shown: str) -> str | None:
    if name == "period_time_zone" and not _is_zone(value):
        return f'must be the name of a time zone, as "Asia/Dubai", not {shown}'
    if name in _ADDRESSES and value and not value.startswith(("https://", "http://")):
        return f'must be an address as "https://homezy.example", not {shown}'
    return None


def _problem_of_secret(value: Any, *, like: Any) -> str | None:
    """Return what is wrong with a secret or a list of them, without a word of it."""
    is_list = isinstance(like, tuple)
    if is_list and not isinstance(value, list | tuple):
        return "must be a list of secrets"
    # Where there is none, there is one less to keep.
    secrets = value if is_list else [value] if value != like else []
    if any(type(secret) is not str or len(secret) < _SHORTEST_SECRET for secret in secrets):
        what = "secrets" if is_list else "a secret"
        return f"must be {what} of {_SHORTEST_SECRET} characters or more"
    return None


def _is_window(value: Sequence[str]) -> bool:
    try:
        opens, closes = (time.fromisoformat(text) for text in value)
    except ValueError:
        return False
    return opens < closes


def _is_zone(name: str) -> bool:
    try:
        return ZoneInfo(name).key == name
    # What is no name of a file, or that of a directory, says so in its own way.
    except (KeyError, ValueError, OSError):
        return False


@cache
def get_settings() -> CreditsSettings:
    """
    Return the project's ``CREDITS``, read once and forgotten when a test overrides it.

    Raises:
        ImproperlyConfigured: a key is unknown or a value is out of range.
    """
    if found := problems(getattr(settings, "CREDITS", {})):
        raise ImproperlyConfigured(" ".join(found))
    values: dict[str, Any] = {
        key.lower(): tuple(value) if isinstance(value, list) else value
        for key, value in given_settings().items()
    }
    return CreditsSettings(**values)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "CREDITS":
        get_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="credits.conf")
