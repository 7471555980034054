"""What a job's command prints: sentences for a person, or one JSON document for a machine."""

import json
from datetime import datetime
from typing import Any, ClassVar

from django.core.management.base import BaseCommand

from credits.engine.database import ledger_database
from credits.engine.tally import Change, Forecast
from credits.models import CreditTransaction, JobRun
from credits.notices.facts import failures_of

JSON_VERSION = 1

MOST_FAILURES = 20


class JobReport:
    """
    The talk of one command call.

    With JSON the document goes to standard output and every sentence to standard error; with
    verbosity 0 there are no sentences.
    """

    job: ClassVar[JobRun.Job]
    title: ClassVar[str]
    """The job in a sentence, as ``Monthly credit reset``."""

    noun: ClassVar[str]
    """What the job finds, as ``verified professionals for credit reset``."""

    def __init__(self, command: BaseCommand, *, as_json: bool, verbosity: int) -> None:
        self._command = command
        self._as_json = as_json
        self._verbosity = verbosity
        self._found: int | None = None
        self._line_is_open = False
        self._documented = False

    def nothing_left(self, run: JobRun) -> str:
        """Return the sentence for a run that found somebody and had nothing to do."""
        return "Nothing was left to do."

    def say(self, sentence: str) -> None:
        """Tell a person something."""
        if self._verbosity < 1:
            return
        self._end_progress()
        if self._as_json:
            self._command.stderr.write(sentence, style_func=str)
        else:
            self._command.stdout.write(sentence)

    def found(self, count: int) -> None:
        """Say what the job is about, before it begins."""
        self._found = count
        self.say(f"Found {count} {self.noun}")

    def progress(self, written: int) -> None:
        """Show how far the run is, to a person at a terminal only."""
        stderr = self._command.stderr
        if self._verbosity < 1 or self._as_json or not stderr.isatty():
            return
        of = "" if self._found is None else f" of {self._found:,}"
        stderr.write(f"\r  {written:,}{of}", ending="", style_func=str)
        stderr.flush()
        self._line_is_open = True

    def forecast(self, forecast: Forecast, *, as_of: datetime, period: str) -> None:
        """Say what a dry run found out."""
        tally = forecast.tally
        self.found(forecast.found)
        counts = self._counts(tally.succeeded, tally.failed, tally.granted - tally.expired)
        self.say(f"{self.title} would be: {counts} (dry run, nothing written)")
        if forecast.largest:
            self.say("The largest changes:")
        for change in forecast.largest:
            self.say(f"  {_change(change)}")
        self._document(
            dry_run=True,
            run=None,
            status="dry_run",
            period=period,
            as_of=as_of.isoformat(),
            total=tally.succeeded + tally.failed,
            succeeded=tally.succeeded,
            failed=tally.failed,
            credits_granted=tally.granted,
            credits_expired=tally.expired,
            largest=[
                {
                    "professional": str(change.professional_id),
                    "before": change.before,
                    "after": change.after,
                }
                for change in forecast.largest
            ],
            exit_code=0,
        )

    def run(self, run: JobRun, *, exit_code: int, message: str) -> None:
        """Say how a run ended; who failed is named, and with ``-v 2`` everyone."""
        seconds = ((run.finished_at or run.heartbeat_at) - run.started_at).total_seconds()
        if self._verbosity >= 2:
            self._each_change(run)
        ended = "completed" if run.status in _COMPLETE else run.get_status_display()
        net = run.credits_granted - run.credits_expired
        if self._found and not run.total_count and run.status == JobRun.Status.SUCCEEDED:
            self.say(self.nothing_left(run))
        self.say(
            f"{self.title} {ended}: {self._counts(run.success_count, run.error_count, net)}"
            f" (run {run.pk}, {seconds:.1f} s)"
        )
        failures = [
            {"professional": str(key), "error": error}
            for key, error in failures_of(run).values_list("professional", "error")
        ]
        for failure in failures[:MOST_FAILURES]:
            self.say(f"  professional {failure['professional']}: {_one_line(failure['error'])}")
        if len(failures) > MOST_FAILURES:
            self.say(f"  and {len(failures) - MOST_FAILURES:,} more")
        if run.error_summary and not failures:
            self.say(f"Warning: {run.error_summary}")
        self._document(
            dry_run=False,
            run=run.pk,
            status=run.status,
            period=run.period,
            as_of=run.as_of.isoformat(),
            total=run.total_count,
            succeeded=run.success_count,
            failed=run.error_count,
            credits_granted=run.credits_granted,
            credits_expired=run.credits_expired,
            seconds=round(seconds, 3),
            failures=failures,
            warning=run.error_summary,
            message=message,
            exit_code=exit_code,
        )

    def error(self, message: str, *, exit_code: int) -> None:
        """Give a machine the error that a person reads on standard error."""
        self._end_progress()
        self._document(error=message, exit_code=exit_code)

    def _document(self, **content: Any) -> None:
        if not self._as_json or self._documented:
            return
        self._documented = True
        head = {"version": JSON_VERSION, "job": str(self.job), "found": self._found}
        self._command.stdout.write(json.dumps(head | content))

    def _counts(self, succeeded: int, failed: int, net: int) -> str:
        return (
            f"total {succeeded + failed}, succeeded {succeeded}, failed {failed}, credits {net:+,}"
        )

    def _each_change(self, run: JobRun) -> None:
        written = CreditTransaction.objects.using(ledger_database()).filter(run=run)
        rows = written.order_by("pk").values_list(
            "professional_id", "balance_before", "balance_after"
        )
        for professional_id, before, after in rows.iterator():
            self.say(f"  {_change(Change(professional_id, before, after))}")

    def _end_progress(self) -> None:
        if self._line_is_open:
            self._command.stderr.write("\r\x1b[K", ending="", style_func=str)
            self._line_is_open = False


_COMPLETE = {JobRun.Status.SUCCEEDED, JobRun.Status.PARTIAL}


def _change(change: Change) -> str:
    return (
        f"professional {change.professional_id}: {change.before:,} -> {change.after:,}"
        f" ({change.after - change.before:+,})"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
