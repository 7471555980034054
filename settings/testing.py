"""
The test suite.

``.env`` is not read: a developer's own database must not be the one that tests write to. The
engine comes from ``--engine`` (tests/plugins/engines.py), which sets ``DATABASE_URL``.
"""

from settings import base, environment
from settings.base import *  # noqa: F403

SECRET_KEY = f"{environment.INSECURE_PREFIX}testing-only"
ALLOWED_HOSTS = ["testserver"]

DATABASES = {
    "default": environment.database(
        environment.text("DATABASE_URL", default="sqlite:///testing.sqlite3")
    )
}

CELERY_BROKER_URL = environment.broker()

EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Mail that reaches nobody is what a test wants.
SILENCED_SYSTEM_CHECKS = ["credits.W002"]

CREDITS = base.CREDITS | {"SEAL_KEY": "testing-only-testing-only-testing-only"}

# A slow hash protects passwords; here it would only slow every user that a test makes.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
