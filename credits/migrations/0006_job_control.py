"""A job can be paused; work that records no run is claimed; a period passes without one once."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0005_scale"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="JobClaim",
            fields=[
                (
                    "job",
                    models.CharField(
                        max_length=32, primary_key=True, serialize=False, verbose_name="job"
                    ),
                ),
                ("held_until", models.DateTimeField(null=True, verbose_name="held until")),
                ("done_at", models.DateTimeField(null=True, verbose_name="last done at")),
            ],
            options={
                "verbose_name": "claim",
                "verbose_name_plural": "claims",
            },
        ),
        migrations.CreateModel(
            name="JobPause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "job",
                    models.CharField(
                        choices=[
                            ("reset_monthly_credits", "monthly reset"),
                            ("expire_credits", "expiry"),
                            ("send_credit_notices", "sending of notices"),
                        ],
                        max_length=32,
                        verbose_name="job",
                    ),
                ),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                ("paused_at", models.DateTimeField(verbose_name="paused at")),
                (
                    "resumed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="resumed at"),
                ),
            ],
            options={
                "verbose_name": "pause",
                "verbose_name_plural": "pauses",
            },
        ),
        migrations.AddConstraint(
            model_name="jobrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["missed", "skipped"])),
                fields=("job", "period"),
                name="credits_period_passes_without_a_run_once",
            ),
        ),
        migrations.AddField(
            model_name="jobpause",
            name="paused_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="paused by",
            ),
        ),
        migrations.AddField(
            model_name="jobpause",
            name="resumed_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="resumed by",
            ),
        ),
        migrations.AddConstraint(
            model_name="jobpause",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resumed_at", None)),
                fields=("job",),
                name="credits_job_is_paused_once_at_a_time",
            ),
        ),
    ]
