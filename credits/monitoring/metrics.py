"""
What Prometheus reads: runs, mail and what is outstanding (the extra ``metrics``).

Every figure is of a report that the dashboard shows too, none is counted from the ledger, and a
scrape takes the same few statements however large the books are.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from django.db.models import Count, Max
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from credits.engine.database import ledger_database
from credits.jobs.due import late_jobs
from credits.models import JobAlert, JobRun, Notice
from credits.reports.alarms import Trouble, alarms
from credits.reports.mail_health import mail_health
from credits.reports.outstanding import outstanding
from credits.reports.run_history import run_history, seconds_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(*, as_of: datetime) -> bytes:
    """Return every metric as of a moment, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Books(as_of))
    return generate_latest(registry)


def write_textfile(path: Path, text: bytes) -> None:
    """Write for node_exporter's textfile collector: whole or not at all, readable by everybody."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            # mkstemp lets nobody else read, and node_exporter is somebody else.
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


class _Books(Collector):
    def __init__(self, as_of: datetime) -> None:
        self._as_of = as_of
        self._using = ledger_database()

    def describe(self) -> list[Metric]:
        # Registering asks for the names: they are not worth asking the database.
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._runs()
        yield from self._notices()
        yield from self._outstanding()

    def _runs(self) -> Iterator[Metric]:
        runs = JobRun.objects.using(self._using)
        succeeded = GaugeMetricFamily(
            "credits_job_last_success_timestamp_seconds",
            "When the last whole run of a job that did all it had to ended; 0 if none has.",
            labels=["job"],
        )
        ended = runs.filter(status=JobRun.Status.SUCCEEDED, is_whole=True).values_list("job")
        last = dict(ended.annotate(Max("finished_at")))
        for job in JobRun.Job:
            moment = last.get(job.value)
            succeeded.add_metric([job.value], moment.timestamp() if moment else 0)
        yield succeeded

        total = CounterMetricFamily(
            "credits_job_runs",
            "Runs of a job that are recorded, by how they ended.",
            labels=["job", "status"],
        )
        counted = {
            (job, status): count
            for job, status, count in runs.values_list("job", "status").annotate(Count("pk"))
        }
        for job in JobRun.Job:
            for status in JobRun.Status:
                total.add_metric([job.value, status.value], counted.get((job, status), 0))
        yield total

        histories = [run_history(job, as_of=self._as_of) for job in JobRun.Job]
        yield from self._last_runs([run for history in histories for run in history.runs])
        yield from self._troubles([run for history in histories for run in history.runs])

    def _last_runs(self, runs: list[JobRun]) -> Iterator[Metric]:
        seconds = GaugeMetricFamily(
            "credits_job_last_duration_seconds",
            "How long the last run that ended took.",
            labels=["job"],
        )
        professionals = GaugeMetricFamily(
            "credits_job_last_professionals",
            "Professionals (reset) or lots (expiry) of the last run that ended, by result.",
            labels=["job", "result"],
        )
        moved = GaugeMetricFamily(
            "credits_job_last_credits",
            "Credits that the last run that ended moved.",
            labels=["job", "direction"],
        )
        told = set()
        for run in runs:
            if run.job in told or run.finished_at is None or run.status == JobRun.Status.MISSED:
                continue
            told.add(run.job)
            seconds.add_metric([run.job], seconds_of(run, as_of=self._as_of))
            professionals.add_metric([run.job, "succeeded"], run.success_count)
            professionals.add_metric([run.job, "failed"], run.error_count)
            moved.add_metric([run.job, "granted"], run.credits_granted)
            moved.add_metric([run.job, "expired"], run.credits_expired)
        yield from (seconds, professionals, moved)

    def _troubles(self, runs: list[JobRun]) -> Iterator[Metric]:
        late = GaugeMetricFamily(
            "credits_job_late", "Whether a job should have run by now and has not.", labels=["job"]
        )
        trouble = GaugeMetricFamily(
            "credits_job_trouble",
            "Whether something is wrong with a job that a person must mend.",
            labels=["job", "trouble"],
        )
        wrong = {(alarm.job, alarm.trouble) for alarm in alarms(runs, as_of=self._as_of)}
        behind = {it.job for it in late_jobs(as_of=self._as_of)}
        for job in JobRun.Job:
            late.add_metric([job.value], job in behind)
            for kind in Trouble:
                trouble.add_metric([job.value, kind.value], (job, kind) in wrong)
        pending = JobAlert.objects.using(self._using).filter(status=JobAlert.Status.PENDING)
        yield from (late, trouble)
        yield GaugeMetricFamily(
            "credits_alerts_pending", "Alerts that not every chat has.", value=pending.count()
        )

    def _notices(self) -> Iterator[Metric]:
        health = mail_health(as_of=self._as_of)
        yield GaugeMetricFamily(
            "credits_notices_pending", "Notices that are due and not sent.", value=health.waiting
        )
        age = (self._as_of - health.oldest).total_seconds() if health.oldest else 0
        yield GaugeMetricFamily(
            "credits_notices_oldest_pending_seconds",
            "Since when the first of them is due.",
            value=age,
        )
        recent = GaugeMetricFamily(
            "credits_notices_recent",
            "The last 10,000 notices, by what became of them.",
            labels=["status"],
        )
        for status in Notice.Status:
            recent.add_metric([status.value], health.outcomes.get(status.value, 0))
        yield recent

    def _outstanding(self) -> Iterator[Metric]:
        found = outstanding()
        pools = GaugeMetricFamily(
            "credits_outstanding_credits", "Credits that professionals hold.", labels=["pool"]
        )
        pools.add_metric(["free"], found.free)
        pools.add_metric(["paid"], found.paid)
        worth = GaugeMetricFamily(
            "credits_outstanding_worth",
            "What was paid for the paid credits that are left, in the currency.",
            labels=["currency"],
        )
        for currency, price in found.worth:
            worth.add_metric([currency], float(price))
        yield from (pools, worth)
