import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from credits.exceptions import CreditsError
from credits.jobs.sealing import seal_days
from credits.management.exit_codes import EXIT_FAILED
from credits.management.explained_command import ExplainedCommand, database_refused


class Command(ExplainedCommand):
    help = "Seal what was written to the ledger until the day that is over, under a secret key."
    examples = """\
  manage.py seal_credits              yesterday, unless it is sealed; safe to call at any time
  manage.py verify_credits --seals    compare the ledger with every seal
"""
    exit_codes = """\
exit codes:
  0  done, or sealed already     2  bad arguments
  1  failed: no key, or the seals are not those that were written
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="Print one JSON document instead of sentences."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seal = seal_days(as_of=timezone.now())
        except (CreditsError, DatabaseError) as error:
            said = database_refused(error) if isinstance(error, DatabaseError) else str(error)
            if options["json"]:
                self._document(error=said, exit_code=EXIT_FAILED)
            raise CommandError(said, returncode=EXIT_FAILED) from error
        if options["json"]:
            names = ("number", "transaction_count", "through", "code")
            told = {} if seal is None else {name: getattr(seal, name) for name in names}
            day = {} if seal is None else {"day": f"{seal.day}"}
            self._document(sealed=seal is not None, **day, **told, exit_code=0)
        elif options["verbosity"] > 0:
            self.stdout.write(
                "Sealed already: nothing to do."
                if seal is None
                else f"Sealed {seal.day}: seal {seal.number}, {seal.transaction_count:,}"
                f" transactions through {seal.through}, code {seal.code}"
            )

    def _document(self, **content: Any) -> None:
        self.stdout.write(json.dumps({"version": 1, "job": "seal_credits"} | content))
