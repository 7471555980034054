import time
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from credits.exceptions import JobPaused
from credits.jobs.notices import SendReport, forecast_notices, send_notices
from credits.jobs.running import Watch
from credits.management import arguments
from credits.management.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PARTIAL, EXIT_PAUSED
from credits.management.explained_command import ExplainedCommand
from credits.management.stopping import stop_on_signals
from credits.management.talk import Talk, add_json
from credits.reports.run_log import without_addresses


class Command(ExplainedCommand):
    help = "Promise the expiry warnings that became due, and send every notice that is pending."
    examples = """\
  manage.py send_credit_notices              what is due, as cron does every 15 minutes
  manage.py send_credit_notices --dry-run    what it would promise and try to send
  manage.py send_credit_notices --limit 1    one, to see whether mail leaves at all
"""
    exit_codes = """\
exit codes:
  0  done, or nothing to do      3    some failed or were parked: see them in the admin
  1  failed: mail cannot leave   5    somebody paused the sending
  2  bad arguments               130  interrupted; the notice at hand was finished
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Compute everything, write and send nothing."
        )
        parser.add_argument("--limit", metavar="N", help="At most N notices.")
        add_json(parser)
        parser.add_argument(
            "--even-if-paused", action="store_true", help="Send although somebody paused it."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        talk = Talk(self, "send_credit_notices", options)
        with talk.refusals():
            count = arguments.whole_number("--limit", options["limit"])
            if options["dry_run"]:
                _forecast(talk)
            else:
                _send(talk, count, even_if_paused=options["even_if_paused"])


def _forecast(talk: Talk) -> None:
    forecast = forecast_notices(as_of=timezone.now())
    talk.say(
        f"Would promise: expiry warnings {forecast.warned:,}, words about late runs"
        f" {forecast.late:,}; then try: notices {sum(forecast.due.values()):,}"
        " (dry run, nothing sent)"
    )
    for kind, count in forecast.due.items():
        talk.say(f"  {kind}: {count:,}")
    talk.document(dry_run=True, **asdict(forecast), exit_code=0)


def _send(talk: Talk, limit: int | None, *, even_if_paused: bool) -> None:
    begun = time.monotonic()
    with stop_on_signals(talk.say, finishing="this notice") as stop:
        watch = Watch(
            found=lambda count: talk.say(f"Notices that are due: {count:,}"),
            should_stop=stop.is_set,
        )
        try:
            report = send_notices(
                as_of=timezone.now(), limit=limit, even_if_paused=even_if_paused, watch=watch
            )
        except JobPaused as error:
            raise CommandError(str(error), returncode=EXIT_PAUSED) from error
    seconds = time.monotonic() - begun
    talk.say(
        f"Credit notices: promised {report.warned + report.late:,}, sent {report.sent:,},"
        f" merged {report.merged:,}, suppressed {report.suppressed:,},"
        f" postponed {report.postponed:,}, retried {report.retried:,},"
        f" parked {report.parked:,}, failed {report.failed:,} ({seconds:.1f} s)"
    )
    if report.last_problem and not report.given_up:
        talk.say(f"The last that did not leave: {without_addresses(report.last_problem)}")
    code, message = _outcome(report)
    talk.document(
        dry_run=False,
        **asdict(report),
        seconds=round(seconds, 3),
        message=message,
        exit_code=code,
    )
    if code:
        raise CommandError(message, returncode=code)


def _outcome(report: SendReport) -> tuple[int, str]:
    if report.was_stopped:
        return EXIT_INTERRUPTED, (
            "Interrupted; the rest stays pending. Go on with: manage.py send_credit_notices"
        )
    if report.given_up:
        return EXIT_FAILED, f"Gave up: {report.given_up}"
    if report.failed or report.parked:
        return EXIT_PARTIAL, (
            f"Notices that failed: {report.failed:,}; parked: {report.parked:,}. Nobody knows"
            " whether a parked one arrived. The admin lists them."
        )
    return 0, ""
