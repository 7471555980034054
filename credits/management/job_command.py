"""What the commands of the two jobs share: options, talk, exit codes."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from credits.engine.database import database_now, ledger_database
from credits.engine.tally import Forecast
from credits.exceptions import (
    CreditsError,
    JobPaused,
    LeaseLost,
    RunAlreadyActive,
    RunFailed,
)
from credits.jobs.running import Watch
from credits.jobs.sharing import can_be_shared
from credits.jobs.workers import run_with_workers
from credits.management import arguments
from credits.management.exit_codes import (
    EXIT_ALREADY_ACTIVE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PARTIAL,
    EXIT_PAUSED,
)
from credits.management.explained_command import ExplainedCommand, database_refused
from credits.management.job_report import JobReport
from credits.management.stopping import stop_on_signals
from credits.management.talk import add_json
from credits.models import JobRun
from credits.models.balances import ProfessionalId

EXIT_CODES = """\
exit codes:
  0  done, or nothing to do      4    another run of this job is active
  1  failed                      5    somebody paused this job
  2  bad arguments               130  interrupted; its last chunk was finished
  3  partial: some professionals failed
"""


@dataclass(frozen=True)
class Order:
    """What the person asked for, checked."""

    as_of: datetime
    period: str
    professionals: tuple[ProfessionalId, ...] | None
    limit: int | None
    chunk_size: int | None
    trigger: str
    """Who or what asked; the run keeps it."""

    even_if_paused: bool
    workers: int
    again: str
    """The command that goes on where this one ends."""


class JobCommand(ExplainedCommand):
    """
    A command that runs one job, or says what it would do.

    A subclass names the job, its words and its examples, and gives ``forecast`` and ``run_job``.
    """

    report_class: ClassVar[type[JobReport]]
    exit_codes = EXIT_CODES
    may_look_ahead: ClassVar[bool]
    """Whether a dry run may ask about a moment that has not come yet."""

    def forecast(self, order: Order) -> Forecast:
        """Compute what ``run_job`` would do."""
        raise NotImplementedError

    def run_job(self, order: Order, watch: Watch) -> JobRun:
        """Do the job, with one worker."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what both jobs understand; values are read later, to refuse them in a sentence."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Compute everything, write nothing."
        )
        parser.add_argument(
            "--as-of", metavar="MOMENT", help="Act as of this moment, UTC unless it says otherwise."
        )
        parser.add_argument(
            "--professional",
            metavar="EMAIL|ID",
            action="append",
            help="Only this professional; may be given several times.",
        )
        parser.add_argument("--limit", metavar="N", help="At most N professionals.")
        parser.add_argument(
            "--chunk-size", metavar="N", help="About so many rows to a database transaction."
        )
        parser.add_argument(
            "--workers", metavar="N", help="Share the whole run among N threads; on PostgreSQL."
        )
        add_json(parser)
        parser.add_argument(
            "--trigger",
            metavar="WORD",
            default="command",
            help="Who or what starts it, as cron; the run keeps it.",
        )
        parser.add_argument(
            "--even-if-paused", action="store_true", help="Run although somebody paused the job."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the options, then forecast or run, then report."""
        report = self.report_class(self, as_json=options["json"], verbosity=options["verbosity"])
        try:
            order = self._order(options)
            if options["dry_run"]:
                report.forecast(self.forecast(order), as_of=order.as_of, period=order.period)
            else:
                self._run(order, report)
        except CommandError as error:
            report.error(str(error), exit_code=error.returncode)
            raise
        except CreditsError as error:
            report.error(str(error), exit_code=EXIT_FAILED)
            raise CommandError(str(error), returncode=EXIT_FAILED) from error
        except DatabaseError as error:
            message = database_refused(error)
            report.error(message, exit_code=EXIT_FAILED)
            raise CommandError(message, returncode=EXIT_FAILED) from error

    def _run(self, order: Order, report: JobReport) -> None:
        with stop_on_signals(report.say) as stop:
            watch = Watch(found=report.found, progress=report.progress, should_stop=stop.is_set)
            try:
                run = self._do(order, watch)
            except RunAlreadyActive as error:
                raise CommandError(str(error), returncode=EXIT_ALREADY_ACTIVE) from error
            except JobPaused as error:
                raise CommandError(str(error), returncode=EXIT_PAUSED) from error
            except (RunFailed, LeaseLost) as error:
                raise CommandError(
                    f"{error} Go on with: {order.again}", returncode=EXIT_FAILED
                ) from error
        code, message = self._outcome(run, order)
        report.run(run, exit_code=code, message=message)
        if code:
            raise CommandError(message, returncode=code)

    def _do(self, order: Order, watch: Watch) -> JobRun:
        if order.workers == 1:
            return self.run_job(order, watch)
        return run_with_workers(
            self.report_class.job,
            as_of=order.as_of,
            period=order.period,
            workers=order.workers,
            trigger=order.trigger,
            watch=watch,
        )

    def _outcome(self, run: JobRun, order: Order) -> tuple[int, str]:
        if run.status == JobRun.Status.PARTIAL:
            return EXIT_PARTIAL, (
                f"Run {run.pk} is partial: {run.error_count} failed."
                f" When they are mended, go on with: {order.again}"
            )
        if run.status == JobRun.Status.INTERRUPTED:
            return EXIT_INTERRUPTED, (
                f"Run {run.pk} was interrupted after {run.chunk_count} chunks; what they did"
                f" stays. Go on with: {order.again}"
            )
        return 0, ""

    def _order(self, options: dict[str, Any]) -> Order:
        # Not this host's clock: one that is days ahead would reset next month's credits today.
        now = database_now(using=ledger_database())
        as_of = now if options["as_of"] is None else arguments.moment(options["as_of"])
        if as_of > now and not (self.may_look_ahead and options["dry_run"]):
            raise arguments.bad_argument(
                f"--as-of: {as_of:%Y-%m-%d %H:%M} UTC has not come yet"
                + ("; only a --dry-run may look ahead." if self.may_look_ahead else ".")
            )
        given = options["professional"]
        period = self._period(options, as_of, now)
        return Order(
            as_of=as_of,
            period=period,
            professionals=None if given is None else arguments.professionals(given),
            limit=arguments.whole_number("--limit", options["limit"]),
            chunk_size=arguments.whole_number("--chunk-size", options["chunk_size"]),
            trigger=arguments.trigger(options["trigger"]),
            even_if_paused=options["even_if_paused"],
            workers=_workers(options),
            again=self._again(options, period),
        )

    def _period(self, options: dict[str, Any], as_of: datetime, now: datetime) -> str:
        """Return the period an order is about; none for a job that has none."""
        return ""

    def _again(self, options: dict[str, Any], period: str) -> str:
        words = ["manage.py", self.__module__.rpartition(".")[2]]
        if period:
            words += ["--period", period]
        for name in ("as_of", "professional", "limit", "chunk_size", "workers"):
            given = options[name] or []
            for value in [given] if isinstance(given, str) else given:
                words += [f"--{name.replace('_', '-')}", value]
        if options["even_if_paused"]:
            words.append("--even-if-paused")
        return shlex.join(words)


def _workers(options: dict[str, Any]) -> int:
    workers = arguments.workers(options["workers"])
    if workers == 1:
        return 1
    for name in ("professional", "limit", "chunk_size", "even_if_paused"):
        if options[name]:
            option = name.replace("_", "-")
            raise arguments.bad_argument(
                f"--workers: they share a whole run; leave --{option} out."
            )
    if not can_be_shared():
        raise arguments.bad_argument(
            "--workers: more than 1 help on PostgreSQL alone; leave it out."
        )
    return workers
