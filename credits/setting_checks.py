"""System checks of ``CREDITS`` and of the functions that it names."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from credits.conf import CreditsSettings, default_of, given_settings, problems
from credits.engine.allowance import monthly_allowance, of_user
from credits.exceptions import InvalidAllowance

_EXAMPLE = 'CREDITS = {"ELIGIBLE_PROFESSIONALS": "shop.eligibility.verified_professionals"}'

_PATHS = {
    "MONTHLY_FREE_CREDITS": "returns a number or an expression over users, or give a number",
    "RECIPIENT": "takes a user and returns a credits.notices.recipients.Recipient",
    "ERASE_PROFESSIONAL": "takes a user and empties what its row says of a person",
}


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Look at ``CREDITS``: known keys, values in range, paths that lead to functions."""
    whole = getattr(settings, "CREDITS", {})
    given = given_settings()
    messages: list[CheckMessage] = [
        Error(problem, hint=_hint(key), id="credits.E001")
        for key, value in given.items()
        for problem in problems({key: value})
    ]
    if whole is not given:
        messages += [
            Error(problem, hint=f"{_EXAMPLE}.", id="credits.E001") for problem in problems(whole)
        ]
    path = given.get("ELIGIBLE_PROFESSIONALS", CreditsSettings.eligible_professionals)
    if why := _why_not(path):
        messages.append(
            Error(
                f'CREDITS["ELIGIBLE_PROFESSIONALS"] is {path!r}, {why}.',
                hint="Give the dotted path of a function that returns a queryset of users, as"
                ' "homezy.eligibility.verified_professionals".',
                id="credits.E002",
            )
        )
    messages += [
        Error(
            f'CREDITS["{key}"] is {path!r}, {why}.',
            hint=f"Give the dotted path of a function that {does}.",
            id="credits.E020",
        )
        for key, does in _PATHS.items()
        if isinstance(path := given.get(key), str)
        and path != default_of(key)
        and (why := _why_not(path))
    ]
    return messages


def _hint(key: object) -> str:
    default = default_of(key)
    if default is None:
        return f"Take it out, or write its name as it is known. {_EXAMPLE} is enough."
    shown = list(default) if isinstance(default, tuple) else default
    return f'Type another value, or leave it out: by default CREDITS["{key}"] = {shown!r}.'


def _is_function(path: object) -> bool:
    return not _why_not(path)


def _why_not(path: object) -> str:
    """Return why a path leads to no function, in a clause; nothing if it does."""
    nothing = "which names no function"
    if not isinstance(path, str) or not path:
        return nothing
    try:
        return "" if callable(import_string(path)) else nothing
    except Exception as error:
        # Whatever goes wrong in a module of the project's is told. Where the path leads nowhere,
        # what is missing is a part of it, or has no name.
        missing = error.name if isinstance(error, ImportError) else ""
        if missing is None or (missing and path.startswith(f"{missing}.")):
            return nothing
        module = path.rpartition(".")[0]
        return f"but {module} cannot be imported: {type(error).__name__}: {error}"


def check_rules(**kwargs: Any) -> list[CheckMessage]:
    """Ask the project's own functions, without the database: who is eligible, and for how much."""
    given = given_settings()
    rule, amount = given.get("ELIGIBLE_PROFESSIONALS"), given.get("MONTHLY_FREE_CREDITS")
    if problems(given):
        return []
    messages: list[CheckMessage] = []
    if _is_function(rule) and (wrong := _wrong_with(_eligible)):
        messages.append(
            Error(
                f'CREDITS["ELIGIBLE_PROFESSIONALS"]: {rule} {wrong}.',
                hint="It takes no arguments and returns a queryset of users, as"
                " get_user_model().objects.filter(is_active=True).",
                id="credits.E021",
            )
        )
    if _is_function(amount) and (wrong := _wrong_with(_amount)):
        messages.append(
            Error(
                f'CREDITS["MONTHLY_FREE_CREDITS"]: {amount} {wrong}.',
                hint="It takes no arguments and returns a whole number of at least 0, or an"
                ' expression over users, as Case(When(plan="pro", then=250), default=100).',
                id="credits.E022",
            )
        )
    return messages


def _eligible() -> str:
    found = import_string(given_settings()["ELIGIBLE_PROFESSIONALS"])()
    is_known = isinstance(found, QuerySet) and issubclass(found.model, get_user_model())
    return "" if is_known else f"returned {type(found).__name__}, not a queryset of users"


def _amount() -> str:
    amount = monthly_allowance()
    # Compiled, and asked of nobody: an unknown field says so here.
    str(get_user_model()._base_manager.annotate(credits_allowance=of_user(amount)).query)
    return ""


def _wrong_with(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except DatabaseError:
        # It reads the database when it is asked; before the first migrate there is nothing to read.
        return ""
    except InvalidAllowance as error:
        return f"returned {error.found!r}"
    except Exception as error:
        return f"raised {type(error).__name__}: {error}".rstrip(".")
