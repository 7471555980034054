"""
Which e-mail backend the host has set: ``MAILERS["default"]``, or ``EMAIL_BACKEND``.

Django before 6.1 knows EMAIL_BACKEND alone; from then on a project has one of the two, never both.
"""

from typing import Any

from django.conf import settings
from django.core import mail
from django.utils.module_loading import import_string

_SMTP = "django.core.mail.backends.smtp.EmailBackend"


def backend_path() -> str:
    """Return the dotted path of the backend; "" where ``MAILERS`` has no default."""
    # A host on an older Django may have written it in advance.
    mailers = getattr(settings, "MAILERS", None) if hasattr(mail, "mailers") else None
    if mailers is None:
        return settings.EMAIL_BACKEND
    default = mailers.get("default")
    return "" if default is None else str(default.get("BACKEND", _SMTP))


def unimportable(path: str) -> ImportError | None:
    """Return why the backend at this path cannot be imported; None where it can."""
    try:
        import_string(path)
    except ImportError as error:
        return error
    return None


def new_connection() -> Any:
    """Return a connection of the backend, not yet open; raises what making one raises."""
    mailers = getattr(mail, "mailers", None)
    return mail.get_connection() if mailers is None else mailers["default"]
