"""What all settings share. What differs from host to host is not read here."""

from typing import Any

from settings.environment import BASE_DIR
from settings.queue import *  # noqa: F403  (the CELERY_… settings)
from settings.schedule import *  # noqa: F403  (CRONJOBS and the CRONTAB_… settings)

INSTALLED_APPS = [
    "homezy",
    "credits",
    "anymail",
    "csp",
    "django_crontab",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "homezy.urls"
WSGI_APPLICATION = "homezy.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_USER_MODEL = "homezy.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ar", "العربية")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Nothing from elsewhere, nothing inline. A page that needs more sends a policy of its own: the
# preview of a mail does, and may do less.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'"],
    }
}

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

DEFAULT_FROM_EMAIL = "Homezy <credits@homezy.example>"

CREDITS: dict[str, Any] = {
    "ELIGIBLE_PROFESSIONALS": "homezy.eligibility.verified_professionals",
    "SITE_URL": "https://homezy.example",
    "ACTION_URL": "https://homezy.example/leads",
    "ERASE_PROFESSIONAL": "homezy.erasure.erase_user",
}
