"""
What the admin reads: what lots are worth, monthly totals, permissions, indexes for long lists.

Filling in the prices walks through the lots that were drawn on, one by one, once.
"""

from decimal import ROUND_HALF_UP, Decimal

from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from credits.engine import triggers


def price_lots(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Work out what each draw from a priced lot took of its price, and what is left."""
    using = schema_editor.connection.alias
    transactions = apps.get_model("credits", "CreditTransaction").objects.using(using)
    allocations = apps.get_model("credits", "CreditAllocation").objects.using(using)
    priced = transactions.filter(price__isnull=False)
    if not priced.exists():
        return
    # The past is written to this once; post_migrate puts the triggers back.
    triggers.drop(using=using)
    priced.update(remaining_price=models.F("price"))
    lots = priced.filter(drawn__isnull=False).order_by("pk").distinct()
    for lot in lots.iterator(chunk_size=2_000):
        left, worth = lot.granted_amount, lot.price
        for allocation in allocations.filter(lot_id=lot.pk).order_by("pk"):
            left += allocation.amount
            after = (lot.price * left / lot.granted_amount).quantize(
                Decimal("0.01"), rounding=ROUND_HALF_UP
            )
            allocations.filter(pk=allocation.pk).update(price=after - worth)
            worth = after
        transactions.filter(pk=lot.pk).update(remaining_price=worth)


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0002_notices"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="MonthlyTotal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(max_length=7, verbose_name="period")),
                (
                    "transaction_type",
                    models.CharField(
                        choices=[
                            ("purchase", "purchase"),
                            ("spend", "spend"),
                            ("refund", "refund"),
                            ("bonus", "bonus"),
                            ("monthly_reset", "monthly reset"),
                            ("expiry", "expiry"),
                            ("adjustment", "adjustment"),
                        ],
                        max_length=16,
                        verbose_name="type",
                    ),
                ),
                (
                    "credit_type",
                    models.CharField(
                        choices=[("free", "free"), ("paid", "paid")],
                        max_length=4,
                        verbose_name="credit type",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True,
                        help_text="Of the price; none, no price.",
                        max_length=3,
                        verbose_name="currency",
                    ),
                ),
                (
                    "transaction_count",
                    models.BigIntegerField(default=0, verbose_name="transactions"),
                ),
                ("amount", models.BigIntegerField(default=0, verbose_name="credits")),
                (
                    "price",
                    models.DecimalField(
                        decimal_places=2, default=0, max_digits=18, verbose_name="price"
                    ),
                ),
            ],
            options={
                "verbose_name": "monthly total",
                "verbose_name_plural": "monthly report",
            },
        ),
        migrations.CreateModel(
            name="TotalsMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "through",
                    models.BigIntegerField(
                        default=0,
                        help_text="The last transaction that is counted.",
                        verbose_name="through",
                    ),
                ),
                ("next_through", models.BigIntegerField(default=0, verbose_name="next through")),
                ("next_horizon", models.BigIntegerField(default=0, verbose_name="next horizon")),
            ],
            options={
                "verbose_name": "totals mark",
                "verbose_name_plural": "totals marks",
                "default_permissions": (),
            },
        ),
        migrations.AlterModelOptions(
            name="creditbalance",
            options={
                "permissions": [
                    ("grant_credits", "Can grant credits"),
                    ("adjust_credits", "Can adjust a balance"),
                ],
                "verbose_name": "balance",
                "verbose_name_plural": "balances",
            },
        ),
        migrations.AlterModelOptions(
            name="credittransaction",
            options={
                "permissions": [
                    ("refund_credits", "Can refund a spend"),
                    ("extend_credits", "Can extend a lot"),
                    ("export_credits", "Can export transactions and reports"),
                ],
                "verbose_name": "transaction",
                "verbose_name_plural": "transactions",
            },
        ),
        migrations.AlterModelOptions(
            name="jobrun",
            options={
                "permissions": [("run_credit_jobs", "Can run the jobs")],
                "verbose_name": "run",
                "verbose_name_plural": "runs",
            },
        ),
        migrations.AlterModelOptions(
            name="notice",
            options={
                "permissions": [("send_notices", "Can send notices and decide about them")],
                "verbose_name": "notice",
                "verbose_name_plural": "notices",
            },
        ),
        migrations.AddField(
            model_name="creditallocation",
            name="price",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                help_text="The part of the lot's price that goes with the credits, signed.",
                max_digits=12,
                null=True,
                verbose_name="price",
            ),
        ),
        migrations.AddField(
            model_name="credittransaction",
            name="remaining_price",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                help_text="What was paid for the credits of this lot that are left.",
                max_digits=12,
                null=True,
                verbose_name="remaining price",
            ),
        ),
        migrations.AlterField(
            model_name="credittransaction",
            name="price",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                help_text="What was paid for the credits of this lot.",
                max_digits=12,
                null=True,
                verbose_name="price",
            ),
        ),
        migrations.AddIndex(
            model_name="credittransaction",
            index=models.Index(
                condition=models.Q(("remaining_amount__gt", 0)),
                fields=["expires_at", "professional", "remaining_amount"],
                name="credits_open_lots_by_expiry",
            ),
        ),
        migrations.AddIndex(
            model_name="credittransaction",
            index=models.Index(fields=["created_at", "id"], name="credits_transactions_by_date"),
        ),
        migrations.AddIndex(
            model_name="credittransaction",
            index=models.Index(
                fields=["transaction_type", "created_at", "id", "credit_type"],
                name="credits_transactions_by_type",
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("address", ""), _negated=True),
                fields=["address"],
                name="credits_notice_address",
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["kind", "created_at"], name="credits_notices_by_kind"),
        ),
        migrations.AddConstraint(
            model_name="monthlytotal",
            constraint=models.UniqueConstraint(
                fields=("period", "transaction_type", "credit_type", "currency"),
                name="credits_month_is_totalled_once",
            ),
        ),
        migrations.RunPython(price_lots, migrations.RunPython.noop),
    ]
