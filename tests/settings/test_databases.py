"""What the settings of a database come to on a real connection."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def pragma(name):
    with connection.cursor() as cursor:
        return cursor.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.mark.engine("sqlite")
class TestSQLite:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("journal_mode", "wal"),
            ("synchronous", 2),  # FULL
            ("recursive_triggers", 1),
            ("foreign_keys", 1),
            ("busy_timeout", 30_000),
        ],
    )
    def test_pragma(self, name, value):
        assert pragma(name) == value

    def test_transactions_take_the_write_lock_at_once(self):
        assert connection.transaction_mode == "IMMEDIATE"


@pytest.mark.engine("postgresql")
class TestPostgreSQL:
    def test_speaks_psycopg_3(self):
        assert connection.Database.__version__.startswith("3.")
        assert connection.settings_dict["CONN_HEALTH_CHECKS"] is True
