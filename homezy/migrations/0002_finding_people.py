"""
Indexes by which the admin finds people: by the beginning of a name, in any case; who is eligible.

Those of names are no part of the models, because no one spelling of them suits every engine. On a
million users PostgreSQL built each in three seconds. On SQLite, should Django ever remake the
table, they are lost until somebody makes them anew: the search stays right, and is slow.
"""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAMES = ("first_name", "last_name", "business_name")

BEGINNING = {
    "postgresql": "UPPER({name}) text_pattern_ops",
    "sqlite": "{name} COLLATE NOCASE",
    # By the collation of the column, which mostly knows no case.
    "mysql": "{name}",
}
"""What the engines look into for ``istartswith``."""


def add(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the indexes, on the engines that have a spelling."""
    if beginning := BEGINNING.get(schema_editor.connection.vendor):
        for name in NAMES:
            schema_editor.execute(
                f"CREATE INDEX homezy_user_by_{name} ON homezy_user ({beginning.format(name=name)})"
            )


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop them again."""
    where = " ON homezy_user" if schema_editor.connection.vendor == "mysql" else ""
    for name in NAMES:
        schema_editor.execute(f"DROP INDEX IF EXISTS homezy_user_by_{name}{where}")


class Migration(migrations.Migration):
    dependencies = [("homezy", "0001_initial")]

    operations = [
        # Where the migration is one transaction it is in that; MariaDB alters nothing in one.
        migrations.RunPython(add, remove, atomic=False),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                fields=["id", "role", "verification", "is_active"], name="homezy_user_by_standing"
            ),
        ),
    ]
