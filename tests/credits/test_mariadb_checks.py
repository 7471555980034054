"""credits.mariadb_checks: what a MariaDB must be, be set to, and cannot do."""

from types import SimpleNamespace

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, connections

from credits.engine import mariadb_tables
from credits.mariadb_checks import check_server, check_tables
from credits.models import CreditTransaction, JobAlert, JobPause, JobRun, Notice

ASKED = ["default"]

on_mariadb = pytest.mark.engine("mariadb")


def ids_of(messages):
    return [message.id for message in messages]


@pytest.fixture
def server(monkeypatch):
    """Return what says that the ledger's database is such a server, on any engine."""

    def say(*, is_mariadb=True, version=(10, 11, 19)):
        other = SimpleNamespace(vendor="mysql", mysql_is_mariadb=is_mariadb, mysql_version=version)
        monkeypatch.setattr("credits.mariadb_checks.connections", {"default": other})
        monkeypatch.setattr("credits.mariadb_checks.mariadb.is_mariadb", lambda using: True)

    return say


class TestCheckServer:
    def test_is_asked_of_a_database_that_may_be_read_alone(self, server):
        server(is_mariadb=False)

        assert check_server() == check_server(databases=[]) == check_tables() == []

    def test_refuses_mysql(self, server):
        server(is_mariadb=False, version=(8, 4, 3))

        (message,) = check_server(databases=ASKED)

        assert message.id == "credits.E015"
        assert message.msg.startswith("The ledger cannot be kept in MySQL: ")
        assert "MariaDB" in message.hint
        assert check_tables(databases=ASKED) == []

    def test_refuses_an_old_one(self, server):
        server(version=(10, 6, 21))

        (message,) = check_server(databases=ASKED)

        assert (message.id, message.hint) == ("credits.E025", "Use 10.11 or newer.")
        assert message.msg == "The ledger cannot be kept in MariaDB 10.6.21."

    @pytest.mark.engine("sqlite", "postgresql")
    @pytest.mark.django_db
    def test_has_nothing_to_say_of_another_engine(self):
        assert check_server(databases=ASKED) == check_tables(databases=ASKED) == []

    @on_mariadb
    @pytest.mark.django_db
    def test_is_content_with_what_the_settings_ask_for(self):
        assert check_server(databases=ASKED) == []

    @on_mariadb
    @pytest.mark.django_db(transaction=True)
    def test_refuses_a_connection_that_counts_wrong_and_says_what_to_type(self):
        with connection.cursor() as cursor:
            cursor.execute("SET sql_mode = ''")
        try:
            messages = check_server(databases=ASKED)
            with pytest.raises(SystemCheckError, match=r"credits\.E026"):
                call_command("migrate", verbosity=0, skip_checks=False)
        finally:
            connections["default"].close()

        assert ids_of(messages) == ["credits.E026", "credits.E026"]
        assert all("SIMULTANEOUS_ASSIGNMENT" in message.hint for message in messages)

    @on_mariadb
    @pytest.mark.django_db
    def test_refuses_months_of_a_zone_that_the_server_was_not_taught(self, settings):
        settings.CREDITS = settings.CREDITS | {"PERIOD_TIME_ZONE": "Asia/Dubai"}
        assert check_server(databases=ASKED) == []
        settings.CREDITS = settings.CREDITS | {"PERIOD_TIME_ZONE": "Asia/Tokyo"}

        (message,) = check_server(databases=ASKED)

        assert message.id == "credits.E027"
        assert "Asia/Tokyo" in message.msg
        assert message.hint.startswith("mariadb-tzinfo-to-sql ")


@on_mariadb
@pytest.mark.django_db
class TestCheckTables:
    def test_warns_of_an_account_that_may_truncate(self):
        (message,) = check_tables(databases=ASKED)

        assert message.id == "credits.W013"
        assert "SELECT, INSERT, UPDATE, DELETE" in message.hint

    def test_is_silent_of_one_that_may_not(self):
        with connection.cursor() as cursor:
            cursor.execute("CREATE OR REPLACE USER site")
            cursor.execute(f"GRANT SELECT ON {connection.settings_dict['NAME']}.* TO site")
        parameters = connection.get_connection_params() | {"user": "site"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                connections["default"], "connection", connection.Database.connect(**parameters)
            )
            patch.setattr(mariadb_tables, "lacking", lambda using: [])
            messages = check_tables(databases=ASKED)
            connections["default"].connection.close()

        assert messages == []

    def test_warns_of_a_cluster(self, monkeypatch):
        monkeypatch.setattr("credits.mariadb_checks.mariadb.is_cluster", lambda using: True)

        assert ids_of(check_tables(databases=ASKED)) == ["credits.W013", "credits.W014"]

    def test_names_what_is_missing(self, monkeypatch):
        monkeypatch.setattr(mariadb_tables, "lacking", lambda using: ["this", "that"])

        messages = check_tables(databases=ASKED)

        assert ids_of(messages) == ["credits.W012", "credits.W012", "credits.W013"]
        assert messages[0].msg.endswith(" is not there: this.")
        assert messages[0].hint.startswith("Run manage.py migrate")

    def test_names_a_table_that_rolls_nothing_back(self):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE credits_jobclaim ENGINE=Aria")

        lacking = mariadb_tables.lacking(using="default")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE credits_jobclaim ENGINE=InnoDB")

        assert lacking == ["credits_jobclaim is kept by Aria, which rolls nothing back"]


@pytest.mark.django_db
class TestConditions:
    def test_are_warned_of_by_the_app_alone(self):
        ours = {CreditTransaction, JobAlert, JobPause, JobRun, Notice}

        messages = run_checks(databases=ASKED)

        assert not [message for message in messages if message.obj in ours]
