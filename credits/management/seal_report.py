"""What ``verify_credits --seals`` asks and says."""

from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from credits.conf import get_settings
from credits.engine.seals import Breach, SealReport, check_seals
from credits.exceptions import NoSealKey
from credits.management import arguments

MOST_SHOWN = 20


def question(options: dict[str, Any]) -> Callable[[str], SealReport] | None:
    """
    Return how to ask a database about its seals, or nothing if nobody wants to know.

    Raises:
        CommandError: an option without ``--seals``, no day, or no key to compare with.
    """
    if not options["seals"]:
        for name in ("since", "known"):
            if options[name]:
                raise arguments.bad_argument(f"--{name} goes with --seals.")
        return None
    known = options["known"]
    if known and not (known.isascii() and known.isprintable()):
        raise arguments.bad_argument(f"--known: “{known}” is no code of a seal.")
    since = arguments.day("--since", options["since"]) if options["since"] else None
    settings = get_settings()
    keys = [key for key in (settings.seal_key, *settings.seal_old_keys) if key]
    if not keys:
        raise CommandError(str(NoSealKey()))
    return lambda using: check_seals(
        keys=keys, as_of=timezone.now(), since=since, known=known, using=using
    )


def lines(report: SealReport) -> Iterator[str]:
    """Yield what to print."""
    broken = f"BROKEN  ({len(report.breaches):,})" if report.breaches else "ok     "
    yield (
        f"{broken} seals: {report.seals:,} seals over {report.transactions:,} transactions;"
        f" {report.unsealed:,} newer ones wait for theirs"
    )
    for breach in report.breaches[:MOST_SHOWN]:
        yield f"          {_sentence(breach)}"
    if len(report.breaches) > MOST_SHOWN:
        yield f"          and {len(report.breaches) - MOST_SHOWN:,} more"


def document(report: SealReport) -> dict[str, Any]:
    """Return what a machine reads."""
    return {
        "seals": report.seals,
        "transactions": report.transactions,
        "unsealed": report.unsealed,
        "breaches": len(report.breaches),
        "shown": [_sentence(breach) for breach in report.breaches[:MOST_SHOWN]],
    }


def _sentence(breach: Breach) -> str:
    return f"{breach.day}: {breach.what}" if breach.day else breach.what
