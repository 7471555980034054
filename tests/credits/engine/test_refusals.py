"""The ledger and its seals can be added to, and nothing else: every way in, on every table."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from psycopg.errors import UniqueViolation

from credits.models import CreditTransaction, TransactionReason
from homezy.models import User
from tests.books import all_tables
from tests.factories import buy, correct, make_professional, use
from tests.sealing import close_day
from tests.ways_in import (
    GUARDED,
    ORM,
    REFUSED,
    STATEMENTS,
    column_statements,
    execute,
    statement_on,
)


def copy_in(table, rows):
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        copy.write(rows)


@pytest.fixture
def books(db):
    """A ledger with a row of each kind, sealed; the test must leave it as it was."""
    aisha = make_professional()
    buy(aisha, 10)
    use(aisha, 8)
    make_professional(free=5)
    close_day()
    connection.check_constraints()
    before = all_tables()
    yield
    assert all_tables() == before


@pytest.mark.usefixtures("books")
class TestEveryWayIn:
    @pytest.mark.parametrize(
        "statement",
        [
            pytest.param(sql, id=name, marks=pytest.mark.engine(*engines))
            for name, (engines, sql) in STATEMENTS.items()
        ],
    )
    def test_is_refused_in_sql(self, statement):
        for model in GUARDED:
            with pytest.raises(DatabaseError, match=REFUSED):
                execute(statement_on(model, statement))

    @pytest.mark.parametrize("act", ORM.values(), ids=ORM)
    @pytest.mark.parametrize("model", GUARDED)
    def test_is_refused_in_the_orm(self, model, act):
        with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
            act(model)

    @pytest.mark.parametrize("model", GUARDED)
    def test_is_refused_for_every_column(self, model):
        for statement in column_statements(model):
            with pytest.raises(DatabaseError, match=REFUSED):
                execute(statement)

    @pytest.mark.engine("postgresql")
    @pytest.mark.parametrize("model", GUARDED)
    def test_is_refused_to_copy(self, model):
        """COPY only adds, and what is there already it cannot add."""
        table = model._meta.db_table
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as copied:
            rows = b"".join(bytes(piece) for piece in copied)

        with pytest.raises(UniqueViolation), transaction.atomic():
            copy_in(table, rows)


@pytest.mark.usefixtures("books")
class TestAColumnThatMayChange:
    def test_is_refused_beside_one_that_may_not(self):
        with pytest.raises(DatabaseError, match=REFUSED):
            execute(
                "UPDATE credits_credittransaction"
                " SET remaining_amount = remaining_amount, amount = amount + 1"
            )


@pytest.mark.usefixtures("books")
class TestTheAdmin:
    @pytest.mark.parametrize("act", ["change", "delete", "add"])
    def test_lets_nobody_edit_a_transaction(self, client, act):
        client.force_login(User.objects.create_superuser("root@example.com", "password"))
        row = CreditTransaction.objects.earliest("pk")
        arguments = [] if act == "add" else [row.pk]
        before = list(CreditTransaction.objects.values())

        answer = client.post(
            reverse(f"admin:credits_credittransaction_{act}", args=arguments),
            {"amount": 1, "post": "yes"},
        )

        assert answer.status_code == 403
        assert list(CreditTransaction.objects.values()) == before
        User.objects.filter(email="root@example.com").delete()


@pytest.mark.django_db
class TestAReason:
    def test_may_be_edited_and_erased(self):
        """What a person typed is no part of the ledger."""
        correct(make_professional(free=5), -1, "free")

        TransactionReason.objects.update(text="Another")
        TransactionReason.objects.all().delete()

        assert not TransactionReason.objects.exists()
