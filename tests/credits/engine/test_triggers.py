"""credits.engine.triggers: there after every migrate; what they refuse is in test_refusals.py."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection, models, transaction

from credits.engine import triggers
from credits.models import CreditAllocation, CreditBalance, CreditTransaction, DaySeal, JobRun
from tests.books import triggers_there
from tests.factories import JANUARY, buy, make_professional


def execute(sql, *params):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


@pytest.fixture
def without_seals():
    """The tables as a release had them that knew no seals."""
    table = DaySeal._meta.db_table
    if connection.vendor != "mysql":
        # The test's own transaction brings it back.
        execute(f'DROP TABLE "{table}"')
        yield
        return
    triggers.make_way(using="default")
    with connection.cursor() as cursor:
        cursor.execute(f"RENAME TABLE {table} TO put_aside")
        yield
        cursor.execute(f"RENAME TABLE put_aside TO {table}")


@pytest.mark.django_db
class TestWhatMayChange:
    def test_is_what_remains_of_a_lot(self):
        lot = buy(make_professional(), 10)

        CreditTransaction.objects.filter(pk=lot.pk).update(remaining_amount=4)
        lot.refresh_from_db()
        lot.remaining_amount = 3
        lot.save(update_fields=["remaining_amount"])

        assert CreditTransaction.objects.get().remaining_amount == 3

    def test_is_any_row_of_the_other_tables(self):
        make_professional(free=1)

        CreditBalance.objects.update(last_spend_at=JANUARY)
        JobRun.objects.all().delete()

        assert CreditBalance.objects.get().last_spend_at == JANUARY


@pytest.mark.django_db
class TestExpected:
    def test_are_there_after_migrate(self):
        names = {trigger.name for trigger in triggers.expected(using="default")}

        assert names == triggers_there()
        assert len(names) == (9 if connection.vendor == "postgresql" else 6)

    def test_guard_every_column_but_what_remains(self):
        (transactions, allocations, seals) = (
            trigger for trigger in triggers.expected(using="default") if trigger.event == "UPDATE"
        )

        fixed = {
            field.name
            for field in CreditTransaction._meta.concrete_fields
            if field.column in transactions.columns
        }
        free = {field.name for field in CreditTransaction._meta.concrete_fields} - fixed
        assert free == {"remaining_amount", "remaining_price"}
        for field in CreditAllocation._meta.concrete_fields:
            assert field.column in allocations.columns
        for field in DaySeal._meta.concrete_fields:
            assert field.column in seals.columns

    def test_are_none_on_an_engine_this_app_has_none_for(self, monkeypatch):
        monkeypatch.setattr(connection, "vendor", "oracle")

        assert triggers.expected(using="default") == []
        assert triggers.missing(using="default") == []


@pytest.mark.django_db
class TestMissing:
    def test_are_none_after_migrate(self):
        assert triggers.missing(using="default") == []

    def test_are_named_in_order(self):
        triggers.drop(using="default")

        assert triggers.missing(using="default") == sorted(
            trigger.name for trigger in triggers.expected(using="default")
        )

    @pytest.mark.engine("postgresql")
    def test_are_those_too_that_are_switched_off(self):
        execute("ALTER TABLE credits_creditallocation DISABLE TRIGGER USER")

        assert triggers.missing(using="default") == [
            "credits_creditallocation_no_delete",
            "credits_creditallocation_no_truncate",
            "credits_creditallocation_no_update",
        ]

    @pytest.mark.engine("postgresql")
    def test_are_not_made_up_for_by_those_of_another_schema(self):
        execute("CREATE SCHEMA backup")
        execute("CREATE TABLE backup.credits_creditallocation (id integer)")
        execute("DROP TRIGGER credits_creditallocation_no_delete ON credits_creditallocation")
        execute(
            "CREATE TRIGGER credits_creditallocation_no_delete BEFORE DELETE"
            " ON backup.credits_creditallocation EXECUTE FUNCTION credits_refuse_change()"
        )

        assert triggers.missing(using="default") == ["credits_creditallocation_no_delete"]


@pytest.mark.django_db
class TestInstall:
    def test_may_be_done_any_number_of_times(self):
        triggers.install(using="default")
        triggers.install(using="default")

        assert triggers.missing(using="default") == []

    def test_puts_back_what_refuses_an_edit_and_lets_a_lot_be_drawn(self):
        lot = buy(make_professional(), 5)
        triggers.drop(using="default")

        triggers.install(using="default")

        assert triggers.see_replaced_rows(using="default")
        execute("UPDATE credits_credittransaction SET remaining_amount = 4")
        for edit in (
            "UPDATE credits_credittransaction SET amount = 6",
            "DELETE FROM credits_credittransaction",
        ):
            with pytest.raises(DatabaseError, match="append-only"):
                execute(edit)
        lot.refresh_from_db()
        assert (lot.amount, lot.remaining_amount) == (5, 4)

    def test_waits_for_the_tables(self, monkeypatch):
        triggers.drop(using="default")
        monkeypatch.setattr(connection.introspection, "table_names", list)

        triggers.install(using="default")

        assert triggers_there() == set()

    @pytest.mark.engine("postgresql")
    def test_guards_what_there_is_of_a_table_that_an_older_release_had(self):
        """SQLite takes a column that is not there; PostgreSQL would refuse the trigger."""
        execute("ALTER TABLE credits_creditallocation DROP COLUMN price CASCADE")

        triggers.install(using="default")

        assert triggers.missing(using="default") == []

    def test_guards_a_ledger_that_has_no_seals_yet(self, without_seals):
        triggers.drop(using="default")
        triggers.install(using="default")

        assert {name.rpartition("_no_")[0] for name in triggers_there()} == {
            "credits_credittransaction",
            "credits_creditallocation",
        }

    @pytest.mark.engine("postgresql")
    def test_switches_on_what_was_switched_off(self):
        execute("ALTER TABLE credits_creditallocation DISABLE TRIGGER USER")

        triggers.install(using="default")

        assert triggers.missing(using="default") == []

    def test_comes_with_every_migrate(self):
        triggers.drop(using="default")

        call_command("migrate", verbosity=0)

        assert triggers.missing(using="default") == []

    def test_comes_with_a_migrate_that_checks_first(self):
        """As ``manage.py migrate`` does; ``call_command`` skips the checks."""
        triggers.drop(using="default")

        call_command("migrate", verbosity=0, skip_checks=False)

        assert triggers.missing(using="default") == []


@pytest.mark.django_db
class TestDrop:
    def test_opens_the_ledger_and_may_be_done_twice(self):
        aisha = make_professional(free=5)
        connection.check_constraints()

        triggers.drop(using="default")
        triggers.drop(using="default")
        CreditTransaction.objects.filter(professional=aisha).delete()

        assert not CreditTransaction.objects.exists()


@pytest.mark.engine("sqlite")
@pytest.mark.django_db(transaction=True)
class TestARemadeTable:
    def test_loses_its_triggers_which_a_check_says_and_a_migrate_mends(self):
        """SQLite cannot change a column: Django copies the table, without the triggers."""
        longer = models.CharField(max_length=201, blank=True)
        longer.set_attributes_from_name("description")
        with connection.schema_editor() as editor:
            editor.alter_field(
                CreditTransaction, CreditTransaction._meta.get_field("description"), longer
            )

        lost = triggers.missing(using="default")
        with pytest.raises(SystemCheckError) as said:
            call_command("check", databases=["default"], fail_level="WARNING")
        call_command("migrate", verbosity=0)

        assert lost == [
            "credits_credittransaction_no_delete",
            "credits_credittransaction_no_update",
        ]
        assert all(f"The trigger {name} is missing" in str(said.value) for name in lost)
        assert triggers.missing(using="default") == []
        with connection.schema_editor() as editor:
            editor.alter_field(
                CreditTransaction, longer, CreditTransaction._meta.get_field("description")
            )
