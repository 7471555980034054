"""
Read the environment, or fail with one sentence that names the variable.

Cron starts a job with next to no environment, so a file ``.env`` beside ``manage.py`` is read too;
what the environment itself says comes first.
"""

import os
import re
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import anymail.backends
import psycopg
from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv
from psycopg.conninfo import conninfo_to_dict

BASE_DIR = Path(__file__).resolve().parent.parent

INSECURE_PREFIX = "django-insecure-"
"""How Django marks a key that must never leave a developer's machine."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_BETWEEN = re.compile(r"\s*,\s*(?=(?:\w+=)?[a-z][a-z0-9+.-]*://)|\s+", re.IGNORECASE)
_FALSE = frozenset({"0", "false", "no", "off"})

# Where the app has a better one: with an idempotency key, or without retries of its own.
_EMAIL_BACKENDS = {
    "smtp": "django.core.mail.backends.smtp.EmailBackend",
    "amazon_ses": "credits.notices.ses.AmazonSESBackend",
    "brevo": "credits.notices.backends.BrevoBackend",
    "resend": "credits.notices.backends.ResendBackend",
}

_BROKERS = {"redis", "rediss", "redis+socket", "amqp", "amqps"}

# What libpq calls these, and what Django does. The rest of a URL's parameters are OPTIONS.
_POSTGRESQL_KEYS = {
    "dbname": "NAME",
    "user": "USER",
    "password": "PASSWORD",
    "host": "HOST",
    "port": "PORT",
}

_MARIADB_PARAMETERS = {"unix_socket", "ssl_ca", "ssl_cert", "ssl_key"}


def read_env_file(path: Path = BASE_DIR / ".env") -> None:
    """Add the variables of ``path`` to the environment, where they are not set yet."""
    load_dotenv(path)


def text(name: str, *, default: str | None = None) -> str:
    """
    Return the variable ``name``, or ``default`` where it is unset or blank.

    Raises:
        ImproperlyConfigured: the variable is unset or blank, and there is no default.
    """
    if value := os.environ.get(name, "").strip():
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set: see .env.example for what it should say.")
    return default


def words(name: str, *, default: str | None = None) -> list[str]:
    """
    Return the comma-separated words in ``name``, or in ``default`` where it is unset.

    Raises:
        ImproperlyConfigured: there is none, and there is no default.
    """
    found = [word for part in text(name, default=default).split(",") if (word := part.strip())]
    if not found and default is None:
        raise ImproperlyConfigured(f"{name} must hold words with commas between; it holds none.")
    return found


def number(name: str, *, default: int) -> int:
    """
    Return the whole number in ``name``, or ``default`` where it is unset.

    Raises:
        ImproperlyConfigured: the variable is something else than a whole number.
    """
    value = text(name, default=str(default))
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number; it is {value!r}.")
    return int(value)


def flag(name: str, *, default: bool) -> bool:
    """
    Return whether ``name`` says yes, or ``default`` where it is unset.

    Raises:
        ImproperlyConfigured: the variable says neither yes nor no.
    """
    value = text(name, default=str(default)).lower()
    if value not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} must be yes or no; it is {value!r}.")
    return value in _TRUE


def addresses(name: str) -> list[str]:
    """Return the addresses in ``name``, ``scheme://…`` or ``job=scheme://…``, if any."""
    # An address may hold commas of its own: one separates only where the next address begins.
    return [part for part in _BETWEEN.split(text(name, default="")) if part]


def prefixed(prefix: str) -> dict[str, str]:
    """Return every variable whose name begins with ``prefix``, by the rest of its name."""
    return {
        name.removeprefix(prefix): value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }


def secret_key(name: str) -> str:
    """
    Return the secret key in ``name``.

    Raises:
        ImproperlyConfigured: the key is missing, a default, or too short to be secret.
    """
    key = text(name)
    # The bounds of Django's own check (security.W009), which would come only after the start.
    if key.startswith(INSECURE_PREFIX) or len(key) < 50 or len(set(key)) < 5:
        raise ImproperlyConfigured(
            f"{name} must be a random secret of 50 characters or more, not a default or an "
            'example: python -c "import secrets; print(secrets.token_urlsafe(50))" makes one.'
        )
    return key


def https_url(name: str) -> str:
    """
    Return the ``https://`` URL in ``name``, without a slash at its end.

    Raises:
        ImproperlyConfigured: the variable is missing, or holds anything else.
    """
    url = text(name).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"{name} must look like https://homezy.example; it is {url!r}.")
    return url


def basic_auth(name: str) -> str:
    """
    Return the ``user:password`` pair in ``name``.

    Raises:
        ImproperlyConfigured: it is missing, no pair, or short enough to be guessed.
    """
    user, _, password = text(name).partition(":")
    if not user or len(password) < 16:
        raise ImproperlyConfigured(
            f"{name} must be USER:PASSWORD with a random password of 16 characters or more: "
            "python -c \"import secrets as s; print(s.token_hex(8), s.token_hex(24), sep=':')\" "
            "makes one."
        )
    return f"{user}:{password}"


def email_backend(name: str) -> str:
    """
    Return Django's e-mail backend for the service in ``name``: ``smtp``, or one of anymail's.

    Raises:
        ImproperlyConfigured: the service is missing, or unknown to anymail.
    """
    service = text(name)
    if service in _EMAIL_BACKENDS:
        return _EMAIL_BACKENDS[service]
    modules = {module.name for module in iter_modules(anymail.backends.__path__)}
    known = sorted(modules - {"base", "base_requests", "test"})
    if service not in known:
        raise ImproperlyConfigured(
            f"{name} must be smtp or one of {', '.join(known)}; it is {service!r}."
        )
    return f"anymail.backends.{service}.EmailBackend"


def broker() -> str:
    """
    Return the URL of Celery's broker, in CELERY_BROKER_URL or REDIS_URL; empty if neither is set.

    Raises:
        ImproperlyConfigured: it is no URL of Redis or RabbitMQ.
    """
    url = text("CELERY_BROKER_URL", default="") or text("REDIS_URL", default="")
    scheme = urlsplit(url).scheme
    if url and scheme not in _BROKERS:
        # The scheme alone: the rest of the URL may hold a password.
        raise ImproperlyConfigured(
            f"CELERY_BROKER_URL is a {scheme or 'malformed'} URL; it must look like "
            "redis://localhost:6379/0, rediss://…, redis+socket:///FILE or amqps://…."
        )
    return url


def database(url: str) -> dict[str, Any]:
    """
    Return Django's settings for the database at ``url``.

    ``sqlite:///credits.sqlite3`` is a file in the project, ``sqlite:////var/lib/credits.sqlite3``
    one anywhere; ``postgresql://user:password@host:5432/name?sslmode=require`` is all libpq takes;
    ``mysql://user:password@host:3306/name`` is MariaDB, ``?unix_socket=…`` and ``?ssl_ca=…`` too.

    Raises:
        ImproperlyConfigured: another kind of URL, or one that names no database.
    """
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return _sqlite(url)
    if scheme in {"postgres", "postgresql"}:
        return _postgresql(url)
    if scheme in {"mysql", "mariadb"}:
        return _mariadb(url)
    # The scheme alone: the rest of the URL may hold a password.
    raise ImproperlyConfigured(
        f"DATABASE_URL is a {scheme or 'malformed'} URL, and credits need real transactions: use "
        "sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or mysql://USER:PASSWORD@HOST/NAME "
        "(MariaDB). Data in MongoDB is brought in with `manage.py import_homezy`; djongo cannot "
        "roll back and is not supported."
    )


def _sqlite(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if parts.netloc or name in {"", ":memory:"}:
        raise ImproperlyConfigured(
            "DATABASE_URL names no SQLite file: use sqlite:///FILE (in the project) or "
            "sqlite:////FULL/PATH. A database in memory cannot be shared with the jobs."
        )
    path = BASE_DIR / name
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            # A transaction that reads before it writes takes the write lock at once and waits
            # for it; a lock taken later is refused without waiting when another has written.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # WAL: readers never wait for a job. FULL: in WAL, NORMAL may forget the last commits
            # when the power fails, and this is money. Recursive triggers: without them INSERT OR
            # REPLACE deletes a row behind the back of the ledger's delete trigger. Django itself
            # turns foreign keys on.
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA recursive_triggers=ON;"
            ),
        },
        # Django's default is a test database in memory, which threads cannot share.
        "TEST": {"NAME": path.with_name(f"test_{path.name}")},
    }


def _postgresql(url: str) -> dict[str, Any]:
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        # Its text may quote the URL, password and all.
        raise ImproperlyConfigured(
            "DATABASE_URL is not a URL that PostgreSQL understands: use "
            "postgresql://USER:PASSWORD@HOST:PORT/NAME, with %-escapes in the password."
        ) from error
    if "dbname" not in parameters:
        raise ImproperlyConfigured(
            "DATABASE_URL names no PostgreSQL database: "
            "use postgresql://USER:PASSWORD@HOST:PORT/NAME."
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{django_key: parameters.pop(key, "") for key, django_key in _POSTGRESQL_KEYS.items()},
        "OPTIONS": parameters,
        # A web worker keeps its connection for a minute, and looks whether it still lives.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def _mariadb(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
        asked = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        asked, port = {"": ""}, None
    name = unquote(parts.path.removeprefix("/"))
    if asked.keys() - _MARIADB_PARAMETERS or "/" in name:
        # Not quoted: it may hold a password.
        raise ImproperlyConfigured(
            "DATABASE_URL is not a URL that MariaDB is known by: use "
            "mysql://USER:PASSWORD@HOST:PORT/NAME, with %-escapes in the password; behind a ? it "
            f"may have {', '.join(sorted(_MARIADB_PARAMETERS))}."
        )
    if not name:
        raise ImproperlyConfigured(
            "DATABASE_URL names no MariaDB database: use mysql://USER:PASSWORD@HOST:PORT/NAME."
        )
    options: dict[str, Any] = {
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        # Strict: what does not fit is refused, not cut. Simultaneous: an UPDATE that moves credits
        # reads the row as it was, as everywhere else.
        "init_command": (
            "SET sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES,SIMULTANEOUS_ASSIGNMENT')"
        ),
    }
    if ssl := {
        key.removeprefix("ssl_"): value for key, value in asked.items() if key.startswith("ssl_")
    }:
        options["ssl"] = ssl
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        # Django takes a host that begins with a slash for a socket.
        "HOST": asked.get("unix_socket") or parts.hostname or "",
        "PORT": str(port or ""),
        "OPTIONS": options,
        "TEST": {"CHARSET": "utf8mb4"},
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
