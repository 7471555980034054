"""What the filled marketplace tells of itself: how its runs went, who was told what of it."""

from datetime import datetime, timedelta

# By the number of a notice's owner, thoroughly mixed.
STATUSES = """CASE
    WHEN n % 100 = 0 THEN 'bounced' WHEN n % 100 = 1 THEN 'complained'
    WHEN n % 100 = 2 THEN 'failed' WHEN n % 1000 = 3 THEN 'parked'
    WHEN n % 100 = 4 THEN 'suppressed' WHEN n % 200 = 5 THEN 'pending'
    WHEN n % 100 < 20 THEN 'sent' ELSE 'delivered' END"""

# Of the last reset one to each, of the expiries one to each owner and run.
NOTICES = f"""
INSERT INTO credits_notice (kind, key, professional_id, run_id, context, address, language, status,
    reason, attempts, next_attempt_at, message_id, created_at, sent_at)
SELECT kind, key, professional_id, run_id, context, address, language, status,
    CASE WHEN status IN ('failed', 'parked', 'suppressed') THEN 'The service did not take it.'
        ELSE '' END,
    CASE WHEN status IN ('pending', 'suppressed') THEN 0 ELSE 1 END, at,
    CASE WHEN status IN ('pending', 'suppressed', 'parked') THEN '' ELSE 'message-' || key END, at,
    CASE WHEN status IN ('pending', 'suppressed', 'failed', 'parked') THEN NULL ELSE at END
FROM (SELECT kind, key, professional_id, run_id, context, address, language, at,
        {STATUSES} AS status
    FROM (SELECT 'reset' AS kind, t.idempotency_key AS key, t.professional_id, t.run_id,
            {{reset}} AS context, u.email AS address, u.language, t.created_at AS at,
            t.professional_id * 7919 % 100003 AS n
        FROM credits_credittransaction t JOIN homezy_user u ON u.id = t.professional_id
        WHERE t.transaction_type = 'monthly_reset' AND t.created_at >= {{month}}
        UNION ALL
        SELECT 'expiry_receipt', 'expiry_receipt:' || t.run_id || ':' || t.professional_id,
            t.professional_id, t.run_id, {{receipt}}, u.email, u.language, t.created_at,
            t.professional_id * 7919 % 100003
        FROM credits_credittransaction t JOIN homezy_user u ON u.id = t.professional_id
        WHERE t.transaction_type = 'expiry') promised) told
ORDER BY told.at, told.professional_id
"""

EVENTS = """
INSERT INTO credits_noticeevent (notice_id, event_id, event_type, description, occurred_at)
SELECT id, 'event-' || id, status, 'The mail service says so.', created_at FROM credits_notice
WHERE status IN ('bounced', 'complained')
"""

SUPPRESSED = """
INSERT INTO credits_suppressedaddress (address, reason, notice_id, created_at)
SELECT address, MAX(status), MAX(id), MAX(created_at) FROM credits_notice
WHERE status IN ('bounced', 'complained') GROUP BY address
"""

COUNTED_RUNS = """
UPDATE credits_jobrun SET success_count = written.rows, total_count = written.rows,
    credits_granted = written.granted, credits_expired = written.expired, chunk_count = 1
FROM (SELECT run_id, COUNT(*) AS rows, SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS granted,
        SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS expired
    FROM credits_credittransaction WHERE run_id IS NOT NULL GROUP BY run_id) written
WHERE written.run_id = credits_jobrun.id
"""


def date_runs() -> None:
    """Say of each run that was played that it ran when it was for."""
    from credits.models import JobRun

    runs = list(JobRun.objects.all())
    for run in runs:
        run.started_at = run.as_of
        run.finished_at = run.heartbeat_at = run.as_of + timedelta(seconds=2 + run.pk % 40)
    JobRun.objects.bulk_update(runs, ["started_at", "finished_at", "heartbeat_at"])


def tell_runs() -> int:
    """Count what the runs wrote, and let some of them go wrong."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.db.models import F

    from credits.models import JobFailure, JobRun

    with connection.cursor() as cursor:
        cursor.execute(COUNTED_RUNS)
    runs = JobRun.objects.order_by("pk")
    people = list(get_user_model().objects.order_by("-pk").values_list("pk", flat=True)[:1_000])
    expiries, resets = runs.filter(job=JobRun.Job.EXPIRY), runs.filter(job=JobRun.Job.RESET)
    for run, failed in [(run, people[:3]) for run in expiries[4::9]] + [(resets[1], people)]:
        JobFailure.objects.bulk_create(
            JobFailure(run=run, professional_id=key, error="IntegrityError: it did not fit.")
            for key in failed
        )
        runs.filter(pk=run.pk).update(
            status=JobRun.Status.PARTIAL,
            error_count=len(failed),
            total_count=F("total_count") + len(failed),
            error_summary=f"{len(failed)} professionals failed.",
        )
    without_work = expiries.filter(total_count=0).values_list("pk", flat=True)
    for place, status in enumerate(("failed", "interrupted")):
        runs.filter(pk__in=list(without_work[place:40:2])).update(
            status=status, error_summary="It went wrong."
        )
    return runs.count()


def write_notices(now: datetime) -> int:
    """Write what professionals and operators were told of it all; return how many notices."""
    from django.db import connection

    from credits.jobs.notices import stage_expiry_warnings
    from credits.models import JobRun, Notice

    is_sqlite = connection.vendor == "sqlite"
    month = f"'{now:%Y-%m}-01 00:00:00" + ("'" if is_sqlite else "+00'")
    build = "json_object" if is_sqlite else "jsonb_build_object"
    before = "100 - t.amount"
    with connection.cursor() as cursor:
        cursor.execute(
            NOTICES.format(
                month=month,
                reset=f"{build}('before', {before}, 'after', 100, 'period', '{now:%Y-%m}')",
                receipt=f"{build}('credits', -t.amount, 'lots', 1)",
            )
        )
        cursor.execute(EVENTS)
        cursor.execute(SUPPRESSED)
    stage_expiry_warnings(as_of=now - timedelta(days=1))
    warnings = Notice.objects.filter(kind=Notice.Kind.EXPIRY_WARNING)
    warnings.update(status=Notice.Status.DELIVERED, attempts=1, sent_at=now)
    Notice.objects.bulk_create(
        Notice(
            kind=Notice.Kind.RUN_FAILURE,
            key=f"run_failure:{run.pk}:operators@example.com",
            run=run,
            address="operators@example.com",
            language="en",
            status=Notice.Status.DELIVERED,
            next_attempt_at=run.as_of,
            created_at=run.as_of,
            sent_at=run.as_of,
        )
        for run in JobRun.objects.filter(status=JobRun.Status.PARTIAL)
    )
    return Notice.objects.count()
