"""
Production, from the environment alone: .env.example names every variable.

A variable that is missing, or holds an example's value, stops the start with a sentence about it.
"""

from typing import Any

import sentry_sdk

from settings import base, environment
from settings.base import *  # noqa: F403
from settings.logs import logging_settings

environment.read_env_file()

DEBUG = False
SECRET_KEY = environment.secret_key("DJANGO_SECRET_KEY")
ALLOWED_HOSTS = environment.words("DJANGO_ALLOWED_HOSTS")
DATABASES = {"default": environment.database(environment.text("DATABASE_URL"))}

# No web server in front is needed for the admin's styles and scripts: `collectstatic` gathers them,
# named for what they hold, and they are served for ever.
MIDDLEWARE = list(base.MIDDLEWARE)
MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

CELERY_BROKER_URL = environment.broker()

# Everything over HTTPS, for two years, as `check --deploy` asks.
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

# Only behind a proxy that sets the header itself: else anyone could claim to have come by HTTPS.
if environment.flag("TRUST_X_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Any service that django-anymail knows, with the settings it asks for: ANYMAIL_MAILGUN_API_KEY
# becomes ANYMAIL["MAILGUN_API_KEY"].
EMAIL_BACKEND = environment.email_backend("EMAIL_SERVICE")
ANYMAIL = environment.prefixed("ANYMAIL_")
DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL")

# What the service must know to report bounces and complaints: else they would go on unheard of.
if environment.text("EMAIL_SERVICE") != "smtp":
    ANYMAIL["WEBHOOK_SECRET"] = environment.basic_auth("ANYMAIL_WEBHOOK_SECRET")

# Errors, and check-ins of the jobs.
SENTRY_DSN = environment.text("SENTRY_DSN", default="")

_CREDITS: dict[str, Any] = {
    # Mail providers take the link that stops a reminder over HTTPS alone.
    "SITE_URL": environment.https_url("SITE_URL"),
    "ACTION_URL": environment.text("ACTION_URL", default=""),
    # Requests that start jobs: off as long as there is neither a secret nor Google's two.
    "TRIGGER_SECRET": environment.text("TRIGGER_SECRET", default=""),
    "TRIGGER_SECRET_FALLBACKS": environment.words("TRIGGER_SECRET_FALLBACKS", default=""),
    "TRIGGER_GOOGLE_AUDIENCE": environment.text("TRIGGER_GOOGLE_AUDIENCE", default=""),
    "TRIGGER_GOOGLE_ACCOUNT": environment.text("TRIGGER_GOOGLE_ACCOUNT", default=""),
    # Here and not in the database: who can write there must not be able to seal.
    "SEAL_KEY": environment.text("CREDITS_SEAL_KEY", default=""),
    "SEAL_OLD_KEYS": environment.text("CREDITS_SEAL_OLD_KEYS", default="").split(),
    # Whoever has one of these can write to the chat, silence the watch, or read the figures.
    "CHAT_SECRET_URLS": environment.addresses("CREDITS_CHAT_URLS"),
    "HEARTBEAT_SECRET_URLS": environment.addresses("CREDITS_HEARTBEAT_URLS"),
    "METRICS_TOKEN": environment.text("CREDITS_METRICS_TOKEN", default=""),
    "SENTRY_CRONS": bool(SENTRY_DSN),
}
if _jobs := environment.words("TRIGGER_JOBS", default=""):
    _CREDITS["TRIGGER_JOBS"] = _jobs
CREDITS = base.CREDITS | _CREDITS

if SENTRY_DSN:
    sentry_sdk.init(dsn=SENTRY_DSN, send_default_pii=False)

# Where EMAIL_SERVICE is smtp.
EMAIL_HOST = environment.text("EMAIL_HOST", default="localhost")
EMAIL_PORT = environment.number("EMAIL_PORT", default=587)
EMAIL_HOST_USER = environment.text("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = environment.text("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = environment.flag("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 30

LOGGING = logging_settings(console=True)
