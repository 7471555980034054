"""System checks: what is wrong, what to type instead, an id for ever."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections
from django.utils.module_loading import import_string

from credits.conf import CreditsSettings, problems
from credits.engine import triggers
from credits.engine.database import ledger_database


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Look at ``CREDITS``: known keys, values in range, an eligibility rule that can be called."""
    given = getattr(settings, "CREDITS", {})
    messages: list[CheckMessage] = [
        Error(
            problem,
            hint="The settings and their meanings are listed in the README.",
            id="credits.E001",
        )
        for problem in problems(given)
    ]
    path = given.get("ELIGIBLE_PROFESSIONALS", CreditsSettings.eligible_professionals)
    try:
        known = isinstance(path, str) and bool(path) and callable(import_string(path))
    except ImportError:
        known = False
    if not known:
        messages.append(
            Error(
                f'CREDITS["ELIGIBLE_PROFESSIONALS"] is {path!r}, which names no function.',
                hint="Give the dotted path of a function that returns a queryset of users, as"
                ' "homezy.eligibility.verified_professionals".',
                id="credits.E002",
            )
        )
    return messages


def check_databases(**kwargs: Any) -> list[CheckMessage]:
    """Refuse djongo, and SQLite that lets two writers read before one of them locks."""
    messages: list[CheckMessage] = []
    for alias, database in settings.DATABASES.items():
        engine = str(database.get("ENGINE", ""))
        if "djongo" in engine or "mongo" in engine:
            messages.append(
                Error(
                    f"DATABASES[{alias!r}] uses {engine}, whose transactions do not roll back.",
                    hint="Use django.db.backends.postgresql or django.db.backends.sqlite3;"
                    " manage.py import_homezy brings MongoDB data in.",
                    id="credits.E003",
                )
            )
    connection = connections[ledger_database()]
    options = connection.settings_dict.get("OPTIONS", {})
    mode = str(options.get("transaction_mode") or "").upper()
    if connection.vendor == "sqlite" and mode not in {"IMMEDIATE", "EXCLUSIVE"}:
        messages.append(
            Error(
                "The ledger's SQLite database does not lock when a transaction begins.",
                hint='Add "OPTIONS": {"transaction_mode": "IMMEDIATE"}: SQLite ignores'
                " SELECT … FOR UPDATE.",
                id="credits.E004",
            )
        )
    return messages


def check_triggers(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Look for the triggers that make the ledger append-only, where its tables exist."""
    alias = ledger_database()
    if alias not in (databases or ()) or not triggers.has_tables(using=alias):
        return []
    # A warning, not an error: migrate, which mends it, would refuse to run.
    return [
        Warning(
            f"The trigger {name} is missing: the ledger can be edited.",
            hint="Run manage.py migrate, which puts it back.",
            id="credits.W005",
        )
        for name in triggers.missing(using=alias)
    ]
