"""
``make mutants``: every mutant begins with a database that was migrated once, before the first.

A mutant that hangs is killed and leaves its rows behind; the next must not meet them.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings

# mutmut holds several sessions in one process, so a test is called on several instances.
settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors],
)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Put the migrated database in place, if there is one; ``--reuse-db`` takes it as it is."""
    there = _place()
    if _migrated(there).exists():
        for left in there.parent.glob(f"{there.name}*"):
            left.unlink()
        _copy(_migrated(there), there)


@pytest.fixture(scope="session", autouse=True)
def _kept(django_db_setup: None) -> None:
    there = _place()
    if not _migrated(there).exists():
        _copy(there, _migrated(there))


def _place() -> Path:
    return Path(connection.settings_dict["TEST"]["NAME"])


def _migrated(there: Path) -> Path:
    return there.with_name("migrated.sqlite3")


def _copy(source: Path, target: Path) -> None:
    # Not the file: a part of it may still be in the write-ahead log.
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
