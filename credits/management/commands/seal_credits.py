from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from credits.jobs.sealing import seal_days
from credits.management.explained_command import ExplainedCommand
from credits.management.talk import Talk, add_json


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
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        talk = Talk(self, "seal_credits", options)
        with talk.refusals():
            seal = seal_days(as_of=timezone.now())
        if options["json"]:
            names = ("number", "transaction_count", "through", "code")
            told = {} if seal is None else {name: getattr(seal, name) for name in names}
            day = {} if seal is None else {"day": f"{seal.day}"}
            talk.document(sealed=seal is not None, **day, **told, exit_code=0)
        else:
            talk.say(
                "Sealed already: nothing to do."
                if seal is None
                else f"Sealed {seal.day}: seal {seal.number}, {seal.transaction_count:,}"
                f" transactions through {seal.through}, code {seal.code}"
            )
