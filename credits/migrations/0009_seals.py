"""Seals: one HMAC for each closed day of the ledger, and a mark that says which is the last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0008_alerts"),
    ]

    operations = [
        migrations.CreateModel(
            name="SealMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(default=0, verbose_name="number")),
                ("key_id", models.CharField(blank=True, max_length=8, verbose_name="key id")),
                ("code", models.CharField(blank=True, max_length=64, verbose_name="code")),
            ],
            options={
                "verbose_name": "seal mark",
                "verbose_name_plural": "seal marks",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="DaySeal",
            fields=[
                (
                    "number",
                    models.PositiveIntegerField(
                        primary_key=True, serialize=False, verbose_name="number"
                    ),
                ),
                (
                    "day",
                    models.DateField(
                        help_text="The day (UTC) after which it was sealed.", verbose_name="day"
                    ),
                ),
                (
                    "through",
                    models.BigIntegerField(
                        help_text="The last transaction that is covered.", verbose_name="through"
                    ),
                ),
                ("transaction_count", models.BigIntegerField(verbose_name="transactions")),
                ("free_amount", models.BigIntegerField(verbose_name="free credits")),
                ("paid_amount", models.BigIntegerField(verbose_name="paid credits")),
                ("allocation_count", models.BigIntegerField(verbose_name="allocations")),
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of every column that never changes.",
                        max_length=64,
                        verbose_name="digest",
                    ),
                ),
                (
                    "version",
                    models.PositiveSmallIntegerField(
                        help_text="Which columns the digest is of, and how they are written.",
                        verbose_name="version",
                    ),
                ),
                ("sealed_at", models.DateTimeField(verbose_name="sealed at")),
                ("key_id", models.CharField(max_length=8, verbose_name="key id")),
                (
                    "previous_code",
                    models.CharField(
                        blank=True, max_length=64, verbose_name="code of the seal before"
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="HMAC-SHA-256 of all the others.",
                        max_length=64,
                        verbose_name="code",
                    ),
                ),
            ],
            options={
                "verbose_name": "seal",
                "verbose_name_plural": "seals",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(fields=("day",), name="credits_day_is_sealed_once")
                ],
            },
        ),
    ]
