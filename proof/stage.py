"""Where experiments take place: a database of their own, emptied between two of them."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.plugins.engines import ENGINES


@contextmanager
def stage(engine: str) -> Iterator[None]:
    """Start an engine and set Django up on it, in a process that has not read settings yet."""
    with ENGINES[engine]() as url:
        os.environ |= {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "settings.testing"}
        import django

        django.setup()
        # Hundreds of runs are about to end badly, and each would say so.
        logging.disable(logging.CRITICAL)
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield


def clear() -> None:
    """Leave no user, no credit and no run; the ledger's triggers stand again afterwards."""
    from django.apps import apps
    from django.contrib.auth import get_user_model
    from django.db import connection

    from credits.engine import triggers
    from tests.flushing import empty_on_mariadb

    models = [*apps.get_app_config("credits").get_models(), get_user_model()]
    tables = [f'"{model._meta.db_table}"' for model in models]
    if connection.vendor == "mysql":
        empty_on_mariadb([model._meta.db_table for model in models])
        return
    triggers.drop(using="default")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        else:
            cursor.execute("PRAGMA foreign_keys = OFF")
            for name in tables:
                cursor.execute(f"DELETE FROM {name}")
            cursor.execute("PRAGMA foreign_keys = ON")
    triggers.install(using="default")
