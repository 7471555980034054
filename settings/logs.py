"""
Where the project's log goes: the console, and files that rotate in ``logs/``.

Cron's jobs, senders of notices and web workers write to one file. The rotation of the standard
library is not made for that: one process renames the file, the others go on writing to the old one
and rename it again. concurrent-log-handler locks the file for each record and each rotation.
"""

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from settings import environment

LARGEST = 10 * 1024 * 1024
"""Bytes of a file before it is rotated."""

KEPT = 10
"""Rotated files that are kept of each."""

_FORMATTERS = {
    "text": {"()": "credits.monitoring.formatting.LineFormatter"},
    "json": {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": ["asctime", "levelname", "name", "message"],
        "style": "sequence",
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        "json_ensure_ascii": True,
    },
}


def logging_settings(*, console: bool) -> dict[str, Any]:
    """
    Return Django's LOGGING as ``LOG_FORMAT`` (text or json) and ``LOG_DIR`` (or none) want it.

    Args:
        console: whether all of it goes to standard error too.

    Raises:
        ImproperlyConfigured: the format is unknown, or nothing can be written to the directory.
    """
    form = environment.text("LOG_FORMAT", default="text")
    if form not in _FORMATTERS:
        raise ImproperlyConfigured(f"LOG_FORMAT must be text or json; it is {form!r}.")
    handlers: dict[str, dict[str, Any]] = {}
    if console:
        handlers["console"] = {"class": "logging.StreamHandler", "formatter": form}
    if directory := _directory():
        handlers["all"] = _file(directory / "credits.log", form)
        handlers["errors"] = _file(directory / "credits-errors.log", form) | {"level": "ERROR"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {form: _FORMATTERS[form]},
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": "INFO"},
    }


def _file(path: Path, form: str) -> dict[str, Any]:
    return {
        "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
        "filename": path,
        "maxBytes": LARGEST,
        "backupCount": KEPT,
        "encoding": "utf-8",
        "formatter": form,
    }


def _directory() -> Path | None:
    given = environment.text("LOG_DIR", default="")
    if given == "none":
        return None
    path = environment.BASE_DIR / (given or "logs")
    try:
        path.mkdir(parents=True, exist_ok=True)
        is_ours = os.access(path, os.W_OK | os.X_OK)
    except OSError:
        is_ours = False
    if is_ours:
        return path
    # In a container that can write nowhere the console is the log; who named a place wants it.
    if not given:
        return None
    raise ImproperlyConfigured(
        f"LOG_DIR is {given!r}, where nothing can be written: name a directory that the user of"
        " the jobs and of the web server may write to, or none to log to the console alone."
    )
