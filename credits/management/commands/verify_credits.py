import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from credits.engine import mariadb_tables, totals, triggers
from credits.engine.audit import Finding, findings
from credits.engine.database import ledger_database
from credits.engine.mariadb import is_mariadb
from credits.engine.rebuild import rebuild_balances
from credits.engine.seals import SealReport
from credits.management import arguments, seal_report
from credits.management.explained_command import ExplainedCommand
from credits.management.talk import add_json

MOST_SHOWN = 20

_TRIGGERS = "the database itself refuses to delete or change a row of the ledger"


class Command(ExplainedCommand):
    help = "Check every invariant of the ledger; exit 1 when one is broken."
    examples = """\
  manage.py verify_credits                     which invariants hold, and what breaks one
  manage.py verify_credits --rebuild           mend balances and totals from the ledger first
  manage.py verify_credits --workers 2         the same sooner, on two connections
  manage.py verify_credits --seals --since 2026-11-01
  manage.py verify_credits --json              the same for a machine
"""
    exit_codes = """\
exit codes:
  0  all invariants hold                              2  bad arguments
  1  one is broken, or it could not be found out    130  interrupted
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="First mend balances that differ from the ledger; the ledger is never changed.",
        )
        parser.add_argument(
            "--workers", metavar="N", help="Ask N questions at once, each on its own connection."
        )
        parser.add_argument(
            "--seals", action="store_true", help="Also recompute the seals of all closed days."
        )
        parser.add_argument(
            "--since", metavar="DAY", help="With --seals: read the rows from this day on alone."
        )
        parser.add_argument(
            "--known", metavar="CODE", help="With --seals: a code that must be among the seals."
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        using = ledger_database()
        self._talks = options["verbosity"] > 0 and not options["json"]
        workers = arguments.workers(options["workers"])
        ask_seals = seal_report.question(options)
        rebuilt = rebuild_balances(using=using) if options["rebuild"] else None
        if rebuilt is not None:
            self._say(f"Rebuilt {rebuilt:,} balances from the ledger.")
            if recounted := totals.mend(using=using):
                self._say(f"Recounted {recounted:,} transactions into the monthly totals.")
        found = [
            self._told(finding)
            for finding in findings(using=using, most=MOST_SHOWN, workers=workers)
        ]
        missing = triggers.missing(using=using)
        lacking = mariadb_tables.lacking(using=using) if is_mariadb(using) else []
        sealed = ask_seals(using) if ask_seals else None
        for name in missing:
            self._say(f"BROKEN  triggers: {name} is missing; manage.py migrate puts it back")
        for phrase in lacking:
            self._say(f"BROKEN  triggers: {phrase}; manage.py migrate mends it")
        missing += lacking
        if not missing:
            self._say(f"ok      triggers: {_TRIGGERS}")
        for line in seal_report.lines(sealed) if sealed else ():
            self._say(line)

        broken = [finding for finding in found if finding.count]
        if options["json"]:
            self.stdout.write(self._document(found, missing, rebuilt, sealed))
        asked = len(found) + 1 + (sealed is not None)
        wrong = len(broken) + bool(missing) + bool(sealed and sealed.breaches)
        if wrong:
            raise CommandError(f"{wrong} of {asked} invariants are broken.")
        self._say(f"All {asked} invariants hold.")

    def _say(self, sentence: str) -> None:
        if self._talks:
            self.stdout.write(sentence)

    def _told(self, finding: Finding) -> Finding:
        mark = f"BROKEN  ({finding.count:,})" if finding.count else "ok     "
        self._say(f"{mark} {finding.invariant.name}: {finding.invariant.sentence}")
        for line in finding.shown:
            self._say(f"          {line}")
        if finding.count > len(finding.shown):
            self._say(f"          and {finding.count - len(finding.shown):,} more")
        return finding

    def _document(
        self,
        found: list[Finding],
        missing: list[str],
        rebuilt: int | None,
        sealed: SealReport | None,
    ) -> str:
        invariants = [
            {
                "name": finding.invariant.name,
                "offenders": finding.count,
                "shown": list(finding.shown),
            }
            for finding in found
        ]
        invariants.append({"name": "triggers", "offenders": len(missing), "shown": missing})
        document = {"version": 1, "rebuilt": rebuilt, "invariants": invariants}
        return json.dumps(document | ({"seals": seal_report.document(sealed)} if sealed else {}))
