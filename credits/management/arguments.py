"""Read what a person typed: a value, or one sentence that says what to type instead (exit 2)."""

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.management.base import CommandError
from django.utils.dateparse import parse_date, parse_datetime

from credits.engine.database import ledger_database
from credits.jobs.pausing import LONGEST_REASON
from credits.jobs.workers import MOST_WORKERS
from credits.management.exit_codes import EXIT_BAD_ARGUMENTS
from credits.models import JobPause
from credits.models.balances import ProfessionalId
from credits.periods import parse_period

_TRIGGER = re.compile(r"[A-Za-z0-9:._+-]{1,32}")


def bad_argument(message: str) -> CommandError:
    """Return the error for something that was typed wrong."""
    return CommandError(message, returncode=EXIT_BAD_ARGUMENTS)


def refuse_lost(options: Mapping[str, Any]) -> None:
    """Refuse ``--limit=--``: argparse, up to Python 3.12, makes an empty list of that value."""
    for name, value in options.items():
        if isinstance(value, list) and (not value or [] in value):
            raise bad_argument(f"--{name.replace('_', '-')}: “--” is no value.")


def moment(text: str) -> datetime:
    """Read a moment, in UTC unless it says otherwise; a day alone is its first moment."""
    try:
        parsed = parse_datetime(text)
        if parsed is None and (day := parse_date(text)) is not None:
            parsed = datetime(day.year, day.month, day.day)  # noqa: DTZ001  UTC follows
    except ValueError:
        parsed = None
    if parsed is None:
        raise bad_argument(
            f"--as-of: “{text}” is not a moment; write 2026-11-01 or 2026-11-01T00:01Z."
        )
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise bad_argument(f"--as-of: “{text}” lies outside the calendar.") from None


def day(option: str, text: str) -> date:
    """Read a day."""
    try:
        parsed = parse_date(text)
    except ValueError:
        parsed = None
    if parsed is None:
        raise bad_argument(f"{option}: “{text}” is not a day; write one like 2026-11-01.")
    return parsed


def period(text: str) -> str:
    """Read a calendar month."""
    try:
        return parse_period(text)
    except ValueError as error:
        raise bad_argument(f"--period: {error}") from None


def whole_number(option: str, text: str | None) -> int | None:
    """Read a whole number of at least one, if the option was given."""
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) >= 1):
        raise bad_argument(f"{option}: “{text}” is not a whole number of at least 1.")
    return int(text)


def workers(text: str | None) -> int:
    """Read how many work at once; one, if the option was not given."""
    number = whole_number("--workers", text) or 1
    if number > MOST_WORKERS:
        raise bad_argument(f"--workers: {number:,} are too many; {MOST_WORKERS} at most.")
    return number


def trigger(text: str) -> str:
    """Read who or what starts a run: one word that fits its column."""
    if not _TRIGGER.fullmatch(text):
        raise bad_argument(
            f"--trigger: “{text}” is not a word of 1 to 32 letters, digits and the signs : . _ - +"
        )
    return text


def pausable(text: str) -> str:
    """Read the name of a job that can be paused."""
    if text not in JobPause.Job.values:
        near = difflib.get_close_matches(text, JobPause.Job.values, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(JobPause.Job.values)}."
        raise bad_argument(f"“{text}” is not a job that can be paused; {hint}")
    return text


def reason(text: str) -> str:
    """Read why something is done: a line that fits its column."""
    line = " ".join(text.split())
    if not 1 <= len(line) <= LONGEST_REASON:
        raise bad_argument(f"--reason: write 1 to {LONGEST_REASON} characters, not {len(line)}.")
    return line


def professionals(
    texts: Iterable[str], *, option: str = "--professional"
) -> tuple[ProfessionalId, ...]:
    """Find users by e-mail address or id."""
    return tuple(user(option, text) for text in texts)


def user(option: str, text: str) -> ProfessionalId:
    """Find a user by e-mail address or id; return the key."""
    user_model = get_user_model()
    users = user_model._default_manager.using(ledger_database())
    found = None
    if "@" in text:
        field = user_model.get_email_field_name()
        try:
            user_model._meta.get_field(field)
        except FieldDoesNotExist:
            raise bad_argument(f"{option}: users have no e-mail here; give an id.") from None
        # What is not UTF-8 comes as half surrogates, which no database takes.
        is_text = text.isprintable()
        found = users.filter(**{f"{field}__iexact": text}).first() if is_text else None
    else:
        try:
            found = users.filter(pk=user_model._meta.pk.to_python(text)).first()
        except (ValidationError, ValueError, OverflowError):
            found = None
    if found is None:
        raise bad_argument(
            f"{option}: there is no user “{text}”; give the e-mail address or the id of one."
        )
    key: ProfessionalId = found.pk
    return key
