"""credits.monitoring.logs and formatting: one line for each run and failure, forged by nobody."""

import logging
import sys

import pytest

from credits.models import JobFailure
from credits.monitoring import logs
from credits.monitoring.formatting import LineFormatter
from credits.monitoring.logs import log_run
from tests.factories import make_professional, make_run

FORGED = "oops\n2026-03-01T00:00:00Z INFO credits.jobs run finished\r\x1b[2J\u2028x"


def record(message: str, **fields) -> logging.LogRecord:
    made = logging.LogRecord("credits.jobs", logging.ERROR, "f", 1, message, (), None)
    made.created = 1772323260.5
    made.__dict__.update(fields)
    return made


@pytest.mark.django_db
class TestLogRun:
    def test_writes_a_line_for_each_failure_and_one_for_the_run(self, caplog, monkeypatch):
        monkeypatch.setattr(logs, "MOST_FAILURES", 2)
        run = make_run(
            status="partial",
            total_count=3,
            error_count=3,
            error_summary="Key (email)=(aisha@example.com) is taken.",
        )
        people = [make_professional() for _ in range(3)]
        for professional in people:
            JobFailure.objects.create(run=run, professional=professional, error=FORGED)

        log_run(run=run)

        shown = [it.getMessage() for it in caplog.records]
        assert shown[0] == (
            f"professional failed run={run.pk} professional={people[0].pk} error={FORGED!r}"
        )
        assert len(shown) == 3
        assert shown[2].startswith(
            f"run finished job=reset_monthly_credits run={run.pk} status=par"
        )
        assert "aisha" not in shown[2]
        assert {it.levelname for it in caplog.records} == {"ERROR"}

    def test_carries_the_same_as_fields(self, caplog):
        caplog.set_level(logging.INFO)
        run = make_run(total_count=2, success_count=2, credits_granted=70)

        log_run(run=run)

        (it,) = caplog.records
        assert (it.job, it.run_id, it.status, it.succeeded, it.credits) == (
            run.job,
            run.pk,
            "succeeded",
            2,
            70,
        )


class TestLineFormatter:
    def test_keeps_a_record_on_one_line(self):
        line = LineFormatter().format(record(FORGED))

        assert line == (
            r"2026-03-01T00:01:00Z ERROR credits.jobs oops\n2026-03-01T00:00:00Z INFO credits.jobs"
            r" run finished\r\x1b[2J\u2028x"
        )

    def test_marks_each_line_of_a_traceback(self):
        try:
            raise ValueError(FORGED)
        except ValueError:
            made = record("It broke.", exc_info=sys.exc_info(), stack_info="Stack:\n  here")

        first, *others = LineFormatter().format(made).split("\n")

        assert first == "2026-03-01T00:01:00Z ERROR credits.jobs It broke."
        assert len(others) > 4
        assert all(line.startswith("  | ") for line in others)
        assert "\x1b" not in "".join(others)
