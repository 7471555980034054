import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from credits.jobs.pruning import prune_history
from credits.management import arguments
from credits.management.explained_command import ExplainedCommand
from credits.management.talk import add_json


class Command(ExplainedCommand):
    help = "Forget old runs that wrote nothing and old notices that were sent; never the ledger."
    examples = """\
  manage.py prune_credit_history --dry-run                  what would go
  manage.py prune_credit_history                            as CREDITS says; safe at any time
  manage.py prune_credit_history --notices-older-than 90
"""
    exit_codes = """\
exit codes:
  0  done, or nothing to do      2  bad arguments
  1  failed; what is gone is gone, and the next call does the rest
"""

    def add_arguments(self, parser: CommandParser) -> None:
        for what, name in (("runs", "KEEP_RUNS_DAYS"), ("notices", "KEEP_NOTICES_DAYS")):
            parser.add_argument(
                f"--{what}-older-than", metavar="DAYS", help=f'Instead of CREDITS["{name}"].'
            )
        parser.add_argument("--dry-run", action="store_true", help="Count, and delete nothing.")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run = options["dry_run"]
        runs, notices = (
            arguments.whole_number(f"--{what}-older-than", options[f"{what}_older_than"])
            for what in ("runs", "notices")
        )
        pruned = prune_history(
            as_of=timezone.now(), keep_runs_days=runs, keep_notices_days=notices, dry_run=dry_run
        )
        if options["json"]:
            head = {"version": 1, "job": "prune_credit_history", "dry_run": dry_run}
            self.stdout.write(json.dumps(head | asdict(pruned)))
        elif options["verbosity"] > 0:
            self.stdout.write(
                f"{'Would forget' if dry_run else 'Forgot'} {pruned.notices:,} notices and"
                f" {pruned.runs:,} runs; {pruned.emptied:,} runs that the ledger refers to stay,"
                " without their words about failures."
            )
