"""
Production, from the environment alone: .env.example names every variable.

A variable that is missing, or holds an example's value, stops the start with a sentence about it.
"""

from settings import base, environment
from settings.base import *  # noqa: F403

environment.read_env_file()

DEBUG = False
SECRET_KEY = environment.secret_key("DJANGO_SECRET_KEY")
ALLOWED_HOSTS = environment.words("DJANGO_ALLOWED_HOSTS")
DATABASES = {"default": environment.database(environment.text("DATABASE_URL"))}

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

CREDITS = base.CREDITS | {
    # Mail providers take the link that stops a reminder over HTTPS alone.
    "SITE_URL": environment.https_url("SITE_URL"),
    "ACTION_URL": environment.text("ACTION_URL", default=""),
}

# Where EMAIL_SERVICE is smtp.
EMAIL_HOST = environment.text("EMAIL_HOST", default="localhost")
EMAIL_PORT = environment.number("EMAIL_PORT", default=587)
EMAIL_HOST_USER = environment.text("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = environment.text("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = environment.flag("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 30

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
