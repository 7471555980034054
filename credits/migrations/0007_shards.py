"""Shards of a run, where several workers share it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0006_job_control"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobShard",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField(verbose_name="number")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                        ],
                        default="pending",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("after", models.TextField(blank=True, verbose_name="after")),
                ("upto", models.TextField(blank=True, verbose_name="up to")),
                ("step", models.PositiveSmallIntegerField(default=0, verbose_name="step")),
                ("cursor", models.TextField(blank=True, verbose_name="cursor")),
                (
                    "holder",
                    models.CharField(
                        blank=True,
                        help_text="Of one claim: a worker that lost the shard has another.",
                        max_length=32,
                        verbose_name="holder",
                    ),
                ),
                ("host", models.CharField(blank=True, max_length=255, verbose_name="host")),
                (
                    "process_id",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="process id"),
                ),
                ("heartbeat_at", models.DateTimeField(verbose_name="last sign of life")),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="Claims since its last chunk.", verbose_name="attempts"
                    ),
                ),
                ("chunk_count", models.PositiveIntegerField(default=0, verbose_name="chunks")),
                ("total_count", models.PositiveIntegerField(default=0, verbose_name="total")),
                ("error_count", models.PositiveIntegerField(default=0, verbose_name="failed")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shards",
                        to="credits.jobrun",
                        verbose_name="run",
                    ),
                ),
            ],
            options={
                "verbose_name": "shard",
                "verbose_name_plural": "shards",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "number"), name="credits_shards_of_a_run_are_numbered"
                    )
                ],
            },
        ),
    ]
