"""settings.production: starts with a proper environment, and with no other."""

import os
import subprocess
import sys

import pytest

from settings.environment import BASE_DIR

pytestmark = pytest.mark.engine("sqlite")  # No check opens the database it is told of.

ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "settings.production",
    "DATABASE_URL": "postgresql://credits:secret@db.example/credits",
    "DJANGO_SECRET_KEY": "correct-horse-battery-staple-0123456789-abcdefghijklmnop",
    "DJANGO_ALLOWED_HOSTS": "credits.example",
    "EMAIL_SERVICE": "postmark",
    "DEFAULT_FROM_EMAIL": "credits@credits.example",
    "ANYMAIL_POSTMARK_SERVER_TOKEN": "token",
    "ANYMAIL_WEBHOOK_SECRET": "postmark:correct-horse-battery",
    "SITE_URL": "https://credits.example",
    "CREDITS_SEAL_KEY": "correct-horse-battery-staple-0123456789",
    "LOG_DIR": "none",
}


def check(environment):
    """Run ``check --deploy`` in a process that knows nothing but ``environment``."""
    words = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return python(*words, environment=environment)


def start(environment):
    """Read the settings in a process that knows nothing but ``environment``."""
    return python("-c", "import settings.production", environment=environment)


def python(*words, environment):
    return subprocess.run(
        [sys.executable, *words],
        cwd=BASE_DIR,
        # A developer's .env is none of these tests' business.
        env={"PATH": os.environ["PATH"], "PYTHON_DOTENV_DISABLED": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


class TestProduction:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({}, id="PostgreSQL"),
            pytest.param({"DATABASE_URL": "sqlite:////var/lib/credits.sqlite3"}, id="SQLite"),
            pytest.param({"EMAIL_SERVICE": "smtp"}, id="SMTP"),
            pytest.param({"TRUST_X_FORWARDED_PROTO": "yes"}, id="behind a proxy"),
            pytest.param(
                {
                    "TRIGGER_SECRET": "correct-horse-battery-staple-0123456789",
                    "TRIGGER_SECRET_FALLBACKS": "an-earlier-secret-that-somebody-still-has",
                    "TRIGGER_GOOGLE_AUDIENCE": "https://credits.example",
                    "TRIGGER_GOOGLE_ACCOUNT": "scheduler@homezy.iam.gserviceaccount.com",
                    "TRIGGER_JOBS": "reset_monthly_credits, expire_credits",
                },
                id="started by requests",
            ),
            pytest.param(
                {
                    "CREDITS_CHAT_URLS": f"json://hooks.example/x,discord://{'1' * 18}/{'t' * 64}",
                    "CREDITS_HEARTBEAT_URLS": "https://hc.example/key",
                    "CREDITS_METRICS_TOKEN": "0123456789abcdefghij",
                    "SENTRY_DSN": "http://key@127.0.0.1:9/1",
                    "LOG_FORMAT": "json",
                },
                id="watched by everything",
            ),
        ],
    )
    def test_passes_the_deployment_check(self, change):
        result = check(ENVIRONMENT | change)

        assert result.returncode == 0, result.stderr
        assert "no issues" in result.stdout

    @pytest.mark.parametrize(
        "name",
        [
            "DATABASE_URL",
            "DJANGO_SECRET_KEY",
            "DJANGO_ALLOWED_HOSTS",
            "EMAIL_SERVICE",
            "DEFAULT_FROM_EMAIL",
            "ANYMAIL_WEBHOOK_SECRET",
            "SITE_URL",
        ],
    )
    def test_does_not_start_without(self, name):
        result = start({key: value for key, value in ENVIRONMENT.items() if key != name})

        assert result.returncode != 0
        assert f"{name} is not set" in result.stderr

    def test_needs_no_webhook_where_no_service_would_call_it(self):
        environment = ENVIRONMENT | {"EMAIL_SERVICE": "smtp"}
        del environment["ANYMAIL_WEBHOOK_SECRET"]

        assert check(environment).returncode == 0

    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            pytest.param(
                "DJANGO_SECRET_KEY",
                "django-insecure-development-only",
                "DJANGO_SECRET_KEY must be a random secret",
                id="default key",
            ),
            pytest.param(
                "DATABASE_URL", "djongo://localhost/credits", "djongo cannot roll back", id="djongo"
            ),
            pytest.param(
                "SITE_URL", "http://credits.example", "SITE_URL must look like", id="no HTTPS"
            ),
            pytest.param(
                "ANYMAIL_WEBHOOK_SECRET", "secret", "must be USER:PASSWORD", id="half a secret"
            ),
        ],
    )
    def test_does_not_start_with(self, name, value, sentence):
        result = start(ENVIRONMENT | {name: value})

        assert result.returncode != 0
        assert sentence in result.stderr
