"""System checks of what tells the world about runs."""

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from credits.conf import given_settings, problems
from credits.monitoring import chat, heartbeat, sentry
from credits.monitoring.views import has_prometheus

LEAST_TOKEN = 20


def _given() -> Mapping[str, Any]:
    given = given_settings()
    return {} if problems(given) else given


def check_chats(**kwargs: Any) -> list[CheckMessage]:
    """Look whether apprise is there and can read each address; nothing is sent."""
    given = _given()
    urls = given.get("CHAT_SECRET_URLS", ())
    if not urls:
        return []
    if not chat.has_apprise():
        return [
            Error(
                'CREDITS["CHAT_SECRET_URLS"] is set, and apprise, which calls them, is missing.',
                hint='pip install "django-credits-ledger[chat]"',
                id="credits.E010",
            )
        ]
    return [
        Error(
            f'Entry {number} of CREDITS["CHAT_SECRET_URLS"] is no address that apprise can read.',
            hint="Write it as https://github.com/caronc/apprise/wiki shows for the service, as"
            " slack://TokenA/TokenB/TokenC or discord://WebhookID/WebhookToken. The address is"
            " not shown here: it is a secret.",
            id="credits.E011",
        )
        for number, url in enumerate(urls, 1)
        if not chat.can_read(url)
    ]


def check_heartbeats(**kwargs: Any) -> list[CheckMessage]:
    """Look whether each entry names a job and an address."""
    messages: list[CheckMessage] = []
    for number, entry in enumerate(_given().get("HEARTBEAT_SECRET_URLS", ()), 1):
        name, url = heartbeat.parse(entry)
        which = f'Entry {number} of CREDITS["HEARTBEAT_SECRET_URLS"]'
        if name and name not in heartbeat.NAMES:
            problem = f"{which} is for {name!r}, which is no job."
        elif not heartbeat.is_address(url):
            problem = f"{which} holds no http or https address without a query."
        else:
            continue
        messages.append(
            Error(
                problem,
                hint="Write https://hc-ping.com/PING-KEY for all jobs, or JOB=https://… with one of"
                f" {', '.join(heartbeat.NAMES)}.",
                id="credits.E012",
            )
        )
    return messages


def check_sentry(**kwargs: Any) -> list[CheckMessage]:
    """Look whether runs can check in with Sentry."""
    if not _given().get("SENTRY_CRONS"):
        return []
    if not sentry.has_sentry():
        return [
            Error(
                'CREDITS["SENTRY_CRONS"] is on, and sentry-sdk is missing.',
                hint='pip install "django-credits-ledger[sentry]"',
                id="credits.E013",
            )
        ]
    if not sentry.is_active():
        return [
            CheckWarning(
                'CREDITS["SENTRY_CRONS"] is on, and nobody told sentry-sdk where to send.',
                hint="Call sentry_sdk.init(dsn=…) in the project's settings.",
                id="credits.W010",
            )
        ]
    return []


def check_metrics(**kwargs: Any) -> list[CheckMessage]:
    """Look whether the metrics can be shown, and not to anybody who guesses."""
    token = _given().get("METRICS_TOKEN", "")
    if not token:
        return []
    if not has_prometheus():
        return [
            Error(
                'CREDITS["METRICS_TOKEN"] is set, and prometheus-client is missing.',
                hint='pip install "django-credits-ledger[metrics]"',
                id="credits.E014",
            )
        ]
    if len(token) < LEAST_TOKEN:
        return [
            CheckWarning(
                f'CREDITS["METRICS_TOKEN"] holds fewer than {LEAST_TOKEN} characters.',
                hint='python -c "import secrets; print(secrets.token_urlsafe(32))" makes one.',
                id="credits.W011",
            )
        ]
    return []
