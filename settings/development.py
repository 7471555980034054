"""Development, the default: a SQLite file, e-mail on the console, no service to start."""

from settings import environment
from settings.base import *  # noqa: F403
from settings.logs import logging_settings

environment.read_env_file()

DEBUG = True
SECRET_KEY = f"{environment.INSECURE_PREFIX}development-only"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
INTERNAL_IPS = ["127.0.0.1"]

DATABASES = {
    "default": environment.database(
        environment.text("DATABASE_URL", default="sqlite:///credits.sqlite3")
    )
}

CELERY_BROKER_URL = environment.broker()

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# In logs/, so that the console shows what a command says and nothing else.
LOGGING = logging_settings(console=False)
