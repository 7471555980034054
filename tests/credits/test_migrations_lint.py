"""No migration keeps those who spend waiting: nothing that locks a large table for long."""

from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from tests.migration_lint import problems

FIRST_RELEASE = 10
"""The last migration that finds empty tables; those after it may find ten million rows."""

LEDGER = "credittransaction"

INDEX = models.Index(fields=["currency"], name="by_currency")
CHECK = models.CheckConstraint(condition=Q(amount__lt=10**9), name="amount_is_small")
UNIQUE = models.UniqueConstraint(fields=["run"], name="run_is_unique")


def adding(field, *, model=LEDGER):
    return [migrations.AddField(model, "colour", field)]


def altering(name, field, *, model=LEDGER):
    return [migrations.AlterField(model, name, field)]


def nothing(apps, schema_editor):
    pass


ANOTHER_TYPE = "the table is written anew: "
AT_ONCE = "rows and schema: "
BUILT = "nobody can write while its index is built"
READ = "nobody can write while every row is read: "

BAD = {
    "an index": ([migrations.AddIndex(LEDGER, INDEX)], "AddIndexConcurrently"),
    "an index on balances": ([migrations.AddIndex("CreditBalance", INDEX)], "AddIndexConcurrently"),
    "an index inside a SeparateDatabaseAndState": (
        [migrations.SeparateDatabaseAndState([migrations.AddIndex(LEDGER, INDEX)])],
        "AddIndexConcurrently",
    ),
    "an index in a transaction": ([AddIndexConcurrently(LEDGER, INDEX)], "atomic = False"),
    "a default for each row": (
        adding(models.UUIDField(db_default=RandomUUID())),
        "the default differs from row to row",
    ),
    "a generated column": (
        adding(
            models.GeneratedField(
                expression=F("amount") + 1, output_field=models.IntegerField(), db_persist=True
            )
        ),
        "generated",
    ),
    "no default": (adding(models.IntegerField()), "NOT NULL without a default"),
    "a unique column": (adding(models.IntegerField(null=True, unique=True)), BUILT),
    "a foreign key with its index": (
        adding(models.ForeignKey("homezy.User", models.PROTECT, null=True)),
        BUILT,
    ),
    "another type": (
        altering("free_credits", models.BigIntegerField(), model="creditbalance"),
        ANOTHER_TYPE,
    ),
    "another type of what a trigger guards": (
        altering("amount", models.BigIntegerField()),
        "a trigger names the column",
    ),
    "a narrower text": (
        altering("reason", models.CharField(max_length=20, blank=True), model="notice"),
        ANOTHER_TYPE,
    ),
    "no more NULL": (altering("price", models.DecimalField(max_digits=12, decimal_places=2)), READ),
    "an index on a column": (
        altering("currency", models.CharField(max_length=3, db_index=True)),
        BUILT,
    ),
    "a check": ([migrations.AddConstraint(LEDGER, CHECK)], "AddConstraintNotValid"),
    "a unique constraint": ([migrations.AddConstraint(LEDGER, UNIQUE)], BUILT),
    "unique together": ([migrations.AlterUniqueTogether(LEDGER, {("run", "currency")})], BUILT),
    "a check that is validated at once": (
        [AddConstraintNotValid(LEDGER, CHECK), ValidateConstraint(LEDGER, CHECK.name)],
        "added and validated at once",
    ),
    "rows and schema": (
        [*adding(models.IntegerField(null=True)), migrations.RunPython(nothing)],
        AT_ONCE,
    ),
    "SQL and schema": (
        [*adding(models.IntegerField(null=True)), migrations.RunSQL("SELECT 1")],
        AT_ONCE,
    ),
}

GOOD = {
    "an index built beside": [AddIndexConcurrently(LEDGER, INDEX)],
    "an index on a small table": [migrations.AddIndex("jobrun", INDEX)],
    "a column that may be NULL": adding(models.IntegerField(null=True)),
    "a column with one default for all": adding(models.IntegerField(default=0)),
    "a column with the database's default": adding(models.IntegerField(db_default=0)),
    "a moment, the same for all": adding(models.DateTimeField(db_default=Now())),
    "a default of Python's, asked once": adding(models.DateTimeField(default=timezone.now)),
    "a key of Python's, asked once": adding(models.UUIDField(default=uuid4)),
    "a foreign key without an index": adding(
        models.ForeignKey("homezy.User", models.PROTECT, null=True, db_index=False)
    ),
    "a wider text": altering(
        "reason", models.CharField(max_length=300, blank=True), model="notice"
    ),
    "other words": altering("amount", models.IntegerField("sum", help_text="Signed.")),
    "a check for what comes": [AddConstraintNotValid(LEDGER, CHECK)],
    "a check of what is there": [ValidateConstraint(LEDGER, CHECK.name)],
    "rows alone": [migrations.RunPython(nothing)],
    "a new table": [
        migrations.CreateModel("Colour", [("id", models.BigAutoField(primary_key=True))])
    ],
}


def judged(steps, *, atomic=True):
    migration = migrations.Migration("0010_example", "credits")
    migration.operations = steps
    migration.atomic = atomic
    return problems(migration, ProjectState.from_apps(apps))


class TestTheLint:
    @pytest.mark.parametrize(("steps", "what"), BAD.values(), ids=BAD)
    def test_flags(self, steps, what):
        (found,) = judged(steps)

        assert what in found

    @pytest.mark.parametrize("steps", GOOD.values(), ids=GOOD)
    def test_passes(self, steps):
        assert judged(steps, atomic=not isinstance(steps[0], AddIndexConcurrently)) == []

    def test_flags_what_may_be_left_half_done(self):
        steps = [AddIndexConcurrently(LEDGER, INDEX), *adding(models.IntegerField(null=True))]

        (found,) = judged(steps, atomic=False)

        assert "half done" in found


class TestTheMigrations:
    def test_lock_no_large_table_for_long(self):
        found = {
            name: told for name, told in judgements().items() if number_of(name) > FIRST_RELEASE
        }

        assert {name: told for name, told in found.items() if told} == {}

    def test_before_the_first_release_would_not_have_passed(self):
        """The control: what once found empty tables shows that real migrations are read."""
        told = " ".join(judgements()["0003_admin"])

        assert AT_ONCE in told
        assert told.count("AddIndexConcurrently") == 5


def judgements():
    loader = MigrationLoader(None)
    return {
        name: problems(migration, loader.project_state(("credits", name), at_end=False))
        for (app, name), migration in loader.disk_migrations.items()
        if app == "credits"
    }


def number_of(name):
    return int(name.split("_")[0])
