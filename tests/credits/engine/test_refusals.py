"""The ledger and its seals can be added to, and nothing else: every way in, on every table."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.urls import reverse
from psycopg.errors import UniqueViolation

from credits.models import CreditAllocation, CreditTransaction, DaySeal, TransactionReason
from homezy.models import User
from tests.books import all_tables
from tests.factories import buy, correct, make_professional, use
from tests.sealing import close_day

REFUSED = "append-only"

GUARDED = [CreditTransaction, CreditAllocation, DaySeal]

BOTH, SQLITE, POSTGRESQL = ("sqlite", "postgresql"), ("sqlite",), ("postgresql",)

# {t} the table, {k} its key, {c} a column that never changes.
STATEMENTS = {
    "UPDATE of one row": (BOTH, "UPDATE {t} SET {c} = {c} WHERE {k} = (SELECT MAX({k}) FROM {t})"),
    "UPDATE FROM": (BOTH, "UPDATE {t} SET {c} = o.{c} FROM {t} o WHERE o.{k} = {t}.{k}"),
    "WITH and UPDATE": (BOTH, "WITH a(b) AS (SELECT 1) UPDATE {t} SET {c} = {c}"),
    "UPDATE RETURNING": (BOTH, "UPDATE {t} SET {c} = {c} RETURNING {k}"),
    "DELETE": (BOTH, "DELETE FROM {t}"),
    "DELETE of one row": (BOTH, "DELETE FROM {t} WHERE {k} = (SELECT MAX({k}) FROM {t})"),
    "DELETE RETURNING": (BOTH, "DELETE FROM {t} RETURNING {k}"),
    "INSERT OR REPLACE": (SQLITE, "INSERT OR REPLACE INTO {t} SELECT * FROM {t}"),
    "REPLACE": (SQLITE, "REPLACE INTO {t} SELECT * FROM {t}"),
    "UPDATE OR REPLACE": (
        SQLITE,
        "UPDATE OR REPLACE {t} SET {k} = (SELECT MAX({k}) FROM {t})",
    ),
    "TRUNCATE": (POSTGRESQL, "TRUNCATE {t} CASCADE"),
    "TRUNCATE RESTART": (POSTGRESQL, "TRUNCATE {t} RESTART IDENTITY CASCADE"),
    "DELETE USING": (POSTGRESQL, "DELETE FROM {t} USING {t} o WHERE o.{k} = {t}.{k}"),
    "DELETE in a WITH": (
        POSTGRESQL,
        "WITH gone AS (DELETE FROM {t} RETURNING *) SELECT COUNT(*) FROM gone",
    ),
    "UPDATE in a WITH": (
        POSTGRESQL,
        "WITH changed AS (UPDATE {t} SET {c} = {c} RETURNING *) SELECT COUNT(*) FROM changed",
    ),
    "MERGE and UPDATE": (
        POSTGRESQL,
        "MERGE INTO {t} USING (SELECT * FROM {t}) o ON o.{k} = {t}.{k}"
        " WHEN MATCHED THEN UPDATE SET {c} = o.{c}",
    ),
    "MERGE and DELETE": (
        POSTGRESQL,
        "MERGE INTO {t} USING (SELECT * FROM {t}) o ON o.{k} = {t}.{k} WHEN MATCHED THEN DELETE",
    ),
    "UPDATE in a block of code": (POSTGRESQL, "DO $$ BEGIN UPDATE {t} SET {c} = {c}; END $$"),
    "DELETE through a view": (
        POSTGRESQL,
        "CREATE VIEW beside AS SELECT * FROM {t}; DELETE FROM beside",
    ),
}


def save_one(model):
    row = model.objects.order_by("pk").first()
    row.save()


def delete_one(model):
    # One that nothing points to, or another guard would speak first.
    model.objects.order_by("pk").last().delete()


def bulk_update(model):
    rows = list(model.objects.all())
    model.objects.bulk_update(rows, [column_of(model)])


def upsert(model):
    model.objects.bulk_create(
        list(model.objects.all()),
        update_conflicts=True,
        unique_fields=[model._meta.pk.name],
        update_fields=[column_of(model)],
    )


ORM = {
    "update()": lambda model: model.objects.update(**{column_of(model): F(column_of(model))}),
    "delete()": lambda model: model.objects.filter(
        pk=model.objects.order_by("pk").last().pk
    ).delete(),
    "save()": save_one,
    "a row's delete()": delete_one,
    "bulk_update()": bulk_update,
    "bulk_create(update_conflicts=True)": upsert,
}


def column_of(model):
    return "code" if model is DaySeal else "amount"


def execute(sql):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


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
            meta = model._meta
            sql = statement.format(t=meta.db_table, k=meta.pk.column, c=column_of(model))
            with pytest.raises(DatabaseError, match=REFUSED):
                execute(sql)

    @pytest.mark.parametrize("act", ORM.values(), ids=ORM)
    @pytest.mark.parametrize("model", GUARDED)
    def test_is_refused_in_the_orm(self, model, act):
        with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
            act(model)

    @pytest.mark.parametrize("model", GUARDED)
    def test_is_refused_for_every_column(self, model):
        table, key = model._meta.db_table, model._meta.pk.column
        for field in model._meta.concrete_fields:
            if field.name in {"remaining_amount", "remaining_price"}:
                continue
            column = field.column
            with pytest.raises(DatabaseError, match=REFUSED):
                execute(f'UPDATE "{table}" SET "{column}" = "{column}"')
            with pytest.raises(DatabaseError, match=REFUSED):
                execute(
                    f'INSERT INTO "{table}" SELECT * FROM "{table}" WHERE true'
                    f' ON CONFLICT ({key}) DO UPDATE SET "{column}" = excluded."{column}"'
                )

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
                " SET remaining_amount = remaining_amount, amount = amount"
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
