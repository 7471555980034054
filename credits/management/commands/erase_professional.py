from typing import Any

from django.core.management.base import CommandParser

from credits.jobs.erasing import Erased, erase_professional
from credits.management import arguments
from credits.management.explained_command import ExplainedCommand


class Command(ExplainedCommand):
    help = "Take out what says who a professional was; the amounts stay, under an id."
    examples = """\
  manage.py erase_professional aisha@example.com --dry-run    what would go
  manage.py erase_professional aisha@example.com              asks before it does
  manage.py erase_professional 42 --yes                       does not ask
"""
    exit_codes = """\
exit codes:
  0  done                        2  bad arguments, or nobody said yes
  1  failed: nothing was erased
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("professional", metavar="EMAIL|ID", help="Whom.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would go.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *args: Any, **options: Any) -> None:
        (key,) = arguments.professionals([options["professional"]], option="EMAIL|ID")
        if options["dry_run"]:
            self._tell("Would erase", key, erase_professional(key, dry_run=True))
            return
        if not options["yes"]:
            self._tell("About to erase", key, erase_professional(key, dry_run=True))
            self._ask(key)
        self._tell("Erased", key, erase_professional(key))

    def _ask(self, key: object) -> None:
        try:
            answer = input(f"Nobody can undo this. Type {key} to go on: ")
        except EOFError:
            raise arguments.bad_argument("Nobody is there to say yes: add --yes.") from None
        if answer.strip() != str(key):
            raise arguments.bad_argument("Nothing was erased.")

    def _tell(self, verb: str, key: object, erased: Erased) -> None:
        self.stdout.write(
            f"{verb} professional {key}: {erased.reasons:,} typed reasons, {erased.notices:,}"
            f" notices, {erased.opt_outs:,} opt-outs, {erased.suppressed_addresses:,} suppressed"
            f" addresses, the words of {erased.failures:,} failures and {erased.log_entries:,}"
            " entries of the admin's log. The balance and the ledger stay."
        )
        self.stdout.write(
            f"The account itself: {erased.account}."
            if erased.account
            else 'The account itself stays as it is: CREDITS["ERASE_PROFESSIONAL"] is not set.'
        )
