"""
When somebody took note of a missed month.

A column that may be null is added without touching a row: no time, on any number of runs.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0010_admin_who"),
    ]

    operations = [
        migrations.AddField(
            model_name="jobrun",
            name="acknowledged_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Of a missed month: when somebody took note of it.",
                null=True,
                verbose_name="acknowledged at",
            ),
        ),
    ]
