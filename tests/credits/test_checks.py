"""credits.checks: what is wrong with the project, and what to do about it."""

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection, connections

from credits.checks import check_databases, check_seals, check_triggers
from credits.engine import triggers

RULE = "homezy.eligibility.verified_professionals"


def ids_of(messages):
    return [message.id for message in messages]


class TestCheckDatabases:
    def test_is_content_with_the_project(self):
        assert check_databases() == []

    @pytest.mark.parametrize("engine", ["djongo", "django_mongodb_backend"])
    def test_refuses_mongodb_and_says_what_to_use(self, monkeypatch, settings, engine):
        monkeypatch.setitem(settings.DATABASES, "legacy", {"ENGINE": engine})

        (message,) = check_databases()

        assert message.id == "credits.E003"
        assert message.msg == (
            f"DATABASES['legacy'] uses {engine}, whose transactions do not roll back."
        )
        assert "django.db.backends.postgresql" in message.hint
        assert "import_homezy" in message.hint

    def test_refuses_an_engine_that_lacks_what_the_ledger_needs(self, monkeypatch):
        monkeypatch.setattr(connections["default"], "vendor", "oracle")
        monkeypatch.setattr(connections["default"], "display_name", "Oracle")

        (message,) = check_databases()

        assert message.id == "credits.E015"
        assert message.msg.startswith("The ledger cannot be kept in Oracle: ")
        assert "PostgreSQL, MariaDB or SQLite" in message.hint

    def test_refuses_moments_without_a_zone(self, settings):
        settings.USE_TZ = False

        messages = check_databases()

        assert ids_of(messages) == ["credits.E023"]
        assert "USE_TZ = True" in messages[0].hint

    @pytest.mark.engine("sqlite")
    def test_refuses_a_database_that_keeps_its_own_zone(self, monkeypatch):
        monkeypatch.setattr(connections["default"], "timezone_name", "Asia/Dubai")

        (message,) = check_databases()

        assert message.id == "credits.E024"
        assert '"PERIOD_TIME_ZONE"' in message.hint

    @pytest.mark.engine("sqlite")
    @pytest.mark.parametrize("mode", [None, "", "DEFERRED", "deferred"])
    def test_refuses_sqlite_that_locks_late(self, monkeypatch, mode):
        options = connections["default"].settings_dict["OPTIONS"]
        monkeypatch.setitem(options, "transaction_mode", mode)

        (message,) = check_databases()

        assert message.id == "credits.E004"
        assert '"transaction_mode": "IMMEDIATE"' in message.hint

    @pytest.mark.engine("sqlite")
    @pytest.mark.parametrize("mode", ["IMMEDIATE", "immediate", "EXCLUSIVE"])
    def test_takes_sqlite_that_locks_at_once(self, monkeypatch, mode):
        options = connections["default"].settings_dict["OPTIONS"]
        monkeypatch.setitem(options, "transaction_mode", mode)

        assert check_databases() == []


@pytest.mark.django_db
class TestCheckTriggers:
    def test_is_content_after_migrate(self):
        assert check_triggers(databases=["default"]) == []

    def test_names_each_missing_trigger_and_the_command_that_mends_it(self):
        triggers.drop(using="default")

        messages = check_triggers(databases=["default"])

        names = sorted(trigger.name for trigger in triggers.expected(using="default"))
        assert [message.msg for message in messages] == [
            f"The trigger {name} is missing: the ledger can be edited." for name in names
        ]
        assert set(ids_of(messages)) <= {"credits.W005"}
        assert {message.hint for message in messages} == {
            "Run manage.py migrate, which puts it back."
        }

    @pytest.mark.engine("sqlite")
    def test_asks_for_triggers_that_hear_of_replaced_rows(self):
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA recursive_triggers = OFF")
            try:
                (message,) = check_triggers(databases=["default"])
            finally:
                cursor.execute("PRAGMA recursive_triggers = ON")

        assert message.id == "credits.W007"
        assert "PRAGMA recursive_triggers=ON" in message.hint

    @pytest.mark.parametrize("databases", [None, [], ["other"]])
    def test_does_not_touch_a_database_it_was_not_asked_about(
        self, databases, django_assert_num_queries
    ):
        triggers.drop(using="default")

        with django_assert_num_queries(0):
            messages = check_triggers(databases=databases)

        assert messages == []

    def test_is_content_before_the_first_migrate(self, monkeypatch):
        triggers.drop(using="default")
        monkeypatch.setattr(connection.introspection, "table_names", list)

        assert check_triggers(databases=["default"]) == []

    def test_is_asked_by_the_check_command_where_it_may_ask_the_database(self):
        triggers.drop(using="default")

        with pytest.raises(CommandError, match="The trigger .* is missing"):
            call_command("check", "--database", "default", "--fail-level", "WARNING")

    def test_is_registered_with_the_others(self):
        registered = checks.registry.registry.get_checks()

        assert {check_databases, check_seals, check_triggers} <= set(registered)
        assert checks.Tags.database in check_triggers.tags


class TestCheckSeals:
    def test_asks_for_a_key_where_it_matters(self, settings):
        settings.CREDITS = settings.CREDITS | {"SEAL_KEY": ""}

        (message,) = check_seals()

        assert message.id == "credits.W008"
        assert "seal_credits" in message.hint

    def test_is_content_with_a_key_and_in_development(self, settings):
        assert check_seals() == []
        settings.CREDITS = settings.CREDITS | {"SEAL_KEY": ""}
        settings.DEBUG = True
        assert check_seals() == []
