"""System checks: what is wrong, what to type instead, an id for ever."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections
from django.urls import NoReverseMatch, reverse

from credits.conf import given_settings, problems
from credits.engine import triggers
from credits.engine.database import ledger_database
from credits.jobs.named import JobName
from credits.notices import webhooks
from credits.notices.configured import backend_path, unimportable
from credits.triggering.google import has_google_auth
from credits.triggering.signing import LEAST_SECRET

# Django would go on with a warning: migrate leaves out what an engine lacks. Whether what Django
# calls mysql is MariaDB, the server itself is asked: see mariadb_checks.
_VENDORS = {"postgresql", "sqlite", "mysql"}


def check_databases(**kwargs: Any) -> list[CheckMessage]:
    """Refuse what cannot keep the ledger: engines, ways to lock, moments without a zone."""
    messages: list[CheckMessage] = []
    for alias, database in settings.DATABASES.items():
        engine = str(database.get("ENGINE", ""))
        if "djongo" in engine or "mongo" in engine:
            messages.append(
                Error(
                    f"DATABASES[{alias!r}] uses {engine}, whose transactions do not roll back.",
                    hint="Use django.db.backends.postgresql, mysql (MariaDB) or sqlite3;"
                    " manage.py import_homezy brings MongoDB data in.",
                    id="credits.E003",
                )
            )
    connection = connections[ledger_database()]
    if connection.vendor not in _VENDORS:
        messages.append(
            Error(
                f"The ledger cannot be kept in {connection.display_name}: it has not all of the"
                " constraints, triggers and statements that keep it right.",
                hint="Let a database router send the app credits to PostgreSQL, MariaDB or SQLite.",
                id="credits.E015",
            )
        )
    if not settings.USE_TZ:
        messages.append(
            Error(
                "USE_TZ is False: a ledger of moments without a zone has hours that come twice.",
                hint="Set USE_TZ = True, Django's own default; templates still show TIME_ZONE.",
                id="credits.E023",
            )
        )
    elif connection.timezone_name != "UTC" and not connection.features.supports_timezones:
        messages.append(
            Error(
                f"The ledger's database keeps moments in {connection.timezone_name}, not in UTC.",
                hint='Take "TIME_ZONE" out of DATABASES; CREDITS["PERIOD_TIME_ZONE"] says where'
                " months begin.",
                id="credits.E024",
            )
        )
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
    messages: list[CheckMessage] = [
        CheckWarning(
            f"The trigger {name} is missing: the ledger can be edited.",
            hint="Run manage.py migrate, which puts it back.",
            id="credits.W005",
        )
        for name in triggers.missing(using=alias)
    ]
    if not triggers.see_replaced_rows(using=alias):
        messages.append(
            CheckWarning(
                "SQLite does not tell the ledger's triggers of a row that REPLACE removes.",
                hint='Add "init_command": "PRAGMA recursive_triggers=ON;" to the "OPTIONS" of'
                f" DATABASES[{alias!r}], beside what stands there.",
                id="credits.W007",
            )
        )
    return messages


def check_seals(**kwargs: Any) -> list[CheckMessage]:
    """Look whether there is a key to seal the ledger with, where it matters."""
    if settings.DEBUG or given_settings().get("SEAL_KEY"):
        return []
    return [
        CheckWarning(
            'CREDITS["SEAL_KEY"] is not set: a change behind the triggers that keeps the books in'
            " order is not seen.",
            hint="Set it to a secret of 32 characters or more, kept outside the database, and let"
            " manage.py seal_credits run daily.",
            id="credits.W008",
        )
    ]


# Backends whose mail reaches nobody.
_SILENT = {"console", "dummy", "filebased", "locmem"}


def check_mail(**kwargs: Any) -> list[CheckMessage]:
    """Look whether mail leaves, and whether the mail service can report what became of it."""
    messages: list[CheckMessage] = []
    service = webhooks.service_in_use()
    if service and not webhooks.is_guarded(service):
        own_key = webhooks.signing_key(service)
        instead = f' or ANYMAIL["{own_key}"]' if own_key else ""
        messages.append(
            CheckWarning(
                f"Bounces and complaints are not heard of: nothing guards the webhook of {service},"
                " so it is off.",
                hint=f'Set ANYMAIL["WEBHOOK_SECRET"] to "user:password"{instead}, and give the'
                f" service the address …/anymail/{service}/tracking/ with it.",
                id="credits.W001",
            )
        )
    path = backend_path()
    package, _, module = path.rpartition(".")[0].rpartition(".")
    is_silent = package == "django.core.mail.backends" and module in _SILENT
    if not path or (is_silent and not settings.DEBUG):
        messages.append(
            CheckWarning(
                f"The e-mail backend is {path or 'not set'}: notices reach nobody.",
                hint='Set EMAIL_BACKEND, or from Django 6.1 on MAILERS["default"]["BACKEND"], to'
                " django.core.mail.backends.smtp.EmailBackend or one of django-anymail's.",
                id="credits.W002",
            )
        )
    elif problem := unimportable(path):
        package = problem.name.partition(".")[0] if problem.name else ""
        messages.append(
            Error(
                f"The e-mail backend {path} cannot be imported: {problem}.",
                hint='pip install "django-credits-ledger[anymail]"'
                if package == "anymail"
                else "Correct the path in EMAIL_BACKEND, or from Django 6.1 on in"
                ' MAILERS["default"]["BACKEND"], or install the package that it is of.',
                id="credits.E028",
            )
        )
    return messages


def check_links(**kwargs: Any) -> list[CheckMessage]:
    """Look whether notices can carry the link that stops them."""
    messages: list[CheckMessage] = []
    given = given_settings()
    if not settings.DEBUG and not given.get("SITE_URL"):
        messages.append(
            CheckWarning(
                'CREDITS["SITE_URL"] is empty: reminders have no link that stops them, and mail'
                " providers take them for spam.",
                hint='Set it to where the site is reached, as "https://homezy.example".',
                id="credits.W003",
            )
        )
    try:
        reverse("credits:unsubscribe", args=["token"])
    except NoReverseMatch:
        messages.append(
            CheckWarning(
                "The project's URLs leave out credits.urls: the link that stops a notice leads"
                " nowhere, and no mail service can report a bounce.",
                hint='Add path("credits/", include("credits.urls")) to ROOT_URLCONF.',
                id="credits.W004",
            )
        )
    return messages


def check_triggering(**kwargs: Any) -> list[CheckMessage]:
    """Look whether requests that start jobs are guarded well, and whether the jobs exist."""
    given = given_settings()
    if problems(given):
        return []
    messages: list[CheckMessage] = []
    secrets = {
        "TRIGGER_SECRET": [given.get("TRIGGER_SECRET", "")],
        "TRIGGER_SECRET_FALLBACKS": given.get("TRIGGER_SECRET_FALLBACKS", []),
    }
    messages += [
        Error(
            f'CREDITS["{key}"] holds fewer than {LEAST_SECRET} characters: it is not taken.',
            hint='python -c "import secrets; print(secrets.token_urlsafe(48))" makes one.',
            id="credits.E006",
        )
        for key, values in secrets.items()
        if any(value and len(value) < LEAST_SECRET for value in values)
    ]
    messages += [
        Error(
            f'CREDITS["TRIGGER_JOBS"] names {job!r}, which is no job.',
            hint=f"The jobs are {', '.join(JobName)}.",
            id="credits.E007",
        )
        for job in given.get("TRIGGER_JOBS", [])
        if job not in set(JobName)
    ]
    halves = [bool(given.get(f"TRIGGER_GOOGLE_{word}")) for word in ("AUDIENCE", "ACCOUNT")]
    if any(halves) and not all(halves):
        messages.append(
            Error(
                'Of CREDITS["TRIGGER_GOOGLE_AUDIENCE"] and CREDITS["TRIGGER_GOOGLE_ACCOUNT"] one'
                " is missing: no token of Google is taken.",
                hint="Set both: the audience of the scheduler's job, and its service account.",
                id="credits.E008",
            )
        )
    if all(halves) and not has_google_auth():
        messages.append(
            Error(
                "Tokens of Google cannot be verified: google-auth is not installed.",
                hint='pip install "django-credits-ledger[google]"',
                id="credits.E009",
            )
        )
    return messages
