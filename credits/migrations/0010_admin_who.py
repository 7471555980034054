"""
The admin's filter of transactions by who wrote them: an index of the rows that a person did.

On ten million rows of which a hundred thousand have an author it takes seconds and few megabytes.
"""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0009_seals"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="credittransaction",
            index=models.Index(
                condition=models.Q(("created_by__isnull", False)),
                fields=["created_by", "created_at", "id"],
                name="credits_transactions_by_who",
            ),
        ),
    ]
