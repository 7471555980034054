"""What ``run_due_credit_jobs`` prints: a line for each thing done, or what is next."""

from datetime import datetime
from typing import Any

from credits.jobs.due import Verdict
from credits.jobs.outcomes import Ending
from credits.jobs.run_due import DueForecast, DueReport
from credits.management.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PARTIAL
from credits.management.talk import Talk

_EXITS = {
    Ending.FAILED: EXIT_FAILED,
    Ending.PARTIAL: EXIT_PARTIAL,
    Ending.INTERRUPTED: EXIT_INTERRUPTED,
}


def tell_forecast(talk: Talk, forecast: DueForecast) -> None:
    """Say what a dry run found."""
    due = [verdict for verdict in forecast.verdicts if verdict.is_due]
    for period in forecast.passed:
        talk.say(f"Would record that {period} passed without a reset.")
    for verdict in due:
        again = f", try {verdict.tries + 1}" if verdict.tries else ""
        talk.say(f"Would run {verdict.job}, due since {_utc(verdict.next_at)}{again}.")
    _say_what_waits(talk, forecast.verdicts, is_idle=not due)
    talk.document(
        dry_run=True,
        as_of=forecast.as_of.isoformat(),
        would_record=list(forecast.passed),
        jobs=[_machine(verdict) for verdict in forecast.verdicts],
        exit_code=0,
    )


def tell_report(talk: Talk, report: DueReport) -> tuple[int, str]:
    """Say what was done; return the exit code, and what is wrong unless that is 0."""
    for run in report.passed:
        talk.say(f"{run.job}: {run.period} {run.status}. {run.error_summary}")
    for outcome in report.outcomes:
        talk.say(f"{outcome.job}: {outcome.message}")
    _say_what_waits(talk, report.verdicts, is_idle=not report.outcomes)
    code = _EXITS.get(report.ending, 0)
    message = _what_is_wrong(report) if code else ""
    talk.document(
        dry_run=False,
        as_of=report.as_of.isoformat(),
        recorded=[
            {"run": run.pk, "job": run.job, "period": run.period, "status": run.status}
            for run in report.passed
        ],
        done=[
            {
                "job": outcome.job,
                "ending": outcome.ending,
                "run": outcome.run_id,
                "message": outcome.message,
            }
            for outcome in report.outcomes
        ],
        jobs=[_machine(verdict) for verdict in report.verdicts],
        late=[{"job": late.job, "about": late.about} for late in report.late],
        message=message,
        exit_code=code,
    )
    return code, message


def _say_what_waits(talk: Talk, verdicts: tuple[Verdict, ...], *, is_idle: bool) -> None:
    for verdict in verdicts:
        if verdict.pause is not None:
            talk.say(f"{verdict.job} is paused since {_utc(verdict.pause.paused_at)}.")
    waiting = [verdict for verdict in verdicts if verdict.pause is None and not verdict.is_due]
    if is_idle and waiting:
        soonest = min(waiting, key=lambda verdict: verdict.next_at)
        talk.say(f"Nothing is due; next: {soonest.job} at {_utc(soonest.next_at)}.")
    if talk.verbosity > 1:
        for verdict in waiting:
            talk.say(f"  {verdict.job}: next at {_utc(verdict.next_at)}")


def _what_is_wrong(report: DueReport) -> str:
    if report.ending == Ending.INTERRUPTED:
        return "Interrupted; what was done stays. Go on with: manage.py run_due_credit_jobs"
    verdicts = {verdict.job: verdict for verdict in report.verdicts}
    sentences = []
    for outcome in report.outcomes:
        if outcome.ending in _EXITS:
            verdict = verdicts[outcome.job]
            again = "the next call" if verdict.is_due else _utc(verdict.next_at)
            sentence = outcome.message.rstrip(".")
            sentences.append(f"{outcome.job}: {sentence}. Tried again at {again}.")
    return " ".join(sentences)


def _machine(verdict: Verdict) -> dict[str, Any]:
    return {
        "job": verdict.job,
        "is_due": verdict.is_due,
        "next_at": verdict.next_at.isoformat(),
        "tries": verdict.tries,
        "is_paused": verdict.pause is not None,
    }


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
