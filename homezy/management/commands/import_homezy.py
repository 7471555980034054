import json
import re
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from homezy.importing.importer import run_import
from homezy.importing.reading import ExportFiles, Source, SourceUnusable
from homezy.importing.report import Report
from homezy.importing.staging import Staging

EXIT_FAILED = 1
EXIT_BAD_ARGUMENTS = 2
EXIT_INTERRUPTED = 130

AGAIN = "What was written stays, account by account: run the same command again to go on."

ENDINGS = {
    1: "The import is done, and the ledger does not verify: see above.",
    3: "The import is done but for what was refused: see above.",
}


class Command(BaseCommand):
    help = "Import users and credits from an export of the original system, or from its MongoDB."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path", nargs="?", type=Path, help="Directory that mongoexport or mongodump wrote."
        )
        parser.add_argument("--uri", help="mongodb://HOST/DATABASE to read instead of a directory.")
        parser.add_argument("--dry-run", action="store_true", help="Write nothing.")
        parser.add_argument(
            "--shift-to", metavar="YYYY-MM", help="Move all dates so that the last month is this."
        )
        parser.add_argument("--report", metavar="FILE", type=Path, help="Write every line there.")
        parser.add_argument("--json", action="store_true", help="Print one JSON document.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            code = self._import(options)
        except (SourceUnusable, DatabaseError, sqlite3.Error, KeyboardInterrupt) as error:
            message, code = _explained(error)
            if options["json"]:
                self.stdout.write(json.dumps({"version": 1, "error": message, "exit_code": code}))
            raise CommandError(message, returncode=code) from error
        if code:
            raise CommandError(ENDINGS[code], returncode=code)

    def _import(self, options: dict[str, Any]) -> int:
        if [] in options.values():
            raise SourceUnusable("“--” is no value of an option.")
        with _opened(options) as source, Staging() as staging:
            report = run_import(
                source,
                staging,
                dry_run=options["dry_run"],
                last_period=_period(options["shift_to"]),
                progress=self._progress,
            )
            self._progress("")
            self._tell(report, options)
            return report.exit_code

    def _tell(self, report: Report, options: dict[str, Any]) -> None:
        if options["report"]:
            try:
                with options["report"].open("w", encoding="utf-8") as file:
                    file.writelines(f"{line}\n" for line in report.lines(most=None))
            except OSError as error:
                self.stderr.write(f"The report could not be written: {error.strerror}.")
        if options["json"]:
            self.stdout.write(json.dumps(report.document()))
        elif options["verbosity"]:
            for line in report.lines():
                self.stdout.write(line)

    def _progress(self, line: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{line}", ending="", style_func=str)


def _explained(error: BaseException) -> tuple[str, int]:
    """Return what to tell a person, and the exit code."""
    match error:
        case SourceUnusable():
            return str(error), EXIT_BAD_ARGUMENTS
        case KeyboardInterrupt():
            return f"Interrupted. {AGAIN}", EXIT_INTERRUPTED
        case sqlite3.Error():
            # Django's own errors are of other classes: this is the staging file.
            why = f"The temporary file failed: {error}. SQLITE_TMPDIR can name another place."
            return why, EXIT_FAILED
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return f"The database refused: {reason}. Is it up and migrated? {AGAIN}", EXIT_FAILED


def _opened(options: dict[str, Any]) -> AbstractContextManager[Source]:
    if (options["path"] is None) == (options["uri"] is None):
        raise SourceUnusable("Name either the directory of an export or --uri mongodb://….")
    if options["path"] is not None:
        return nullcontext(ExportFiles(options["path"]))
    try:
        from homezy.importing import live  # noqa: PLC0415  pymongo is an extra
    except ImportError as error:
        raise SourceUnusable("--uri needs pymongo: pip install pymongo.") from error
    return live.connected(options["uri"])


def _period(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"(19[7-9]|20[0-9])[0-9]-(0[1-9]|1[0-2])", text):
        raise SourceUnusable(f"--shift-to: “{text}” is not a month; write it as 2026-10.")
    return text
