"""credits.engine.inserting: INSERT … SELECT from a queryset."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, Sum, Value
from django.test.utils import CaptureQueriesContext

from credits.engine.inserting import Joined, insert_select, insertion
from credits.models import CreditBalance, CreditTransaction, JobFailure
from homezy.models import User
from tests.factories import (
    JANUARY,
    JULY_15,
    MARCH,
    buy,
    make_professional,
    make_professionals,
    make_run,
    new_key,
)

pytestmark = pytest.mark.django_db

NOTHING = {
    "free_credits": 0,
    "paid_credits": 0,
    "lifetime_earned": 0,
    "lifetime_spent": 0,
    "lifetime_expired": 0,
    "last_reset_period": "",
}
BALANCE = {"professional": F("pk"), **NOTHING}


class TestInsertSelect:
    def test_writes_one_row_for_each_row_of_the_source_and_counts_them(self):
        professionals = make_professionals(3)

        count = insert_select(CreditBalance, User.objects.all(), BALANCE, using="default")

        assert count == 3
        assert set(CreditBalance.objects.values_list("professional_id", flat=True)) == {
            user.pk for user in professionals
        }

    def test_is_one_statement(self, django_assert_num_queries):
        make_professionals(3)

        with django_assert_num_queries(1):
            insert_select(CreditBalance, User.objects.all(), BALANCE, using="default")

    def test_keeps_the_order_of_the_source(self):
        lots = [buy(make_professional(), amount) for amount in (3, 1, 2)]
        source = CreditTransaction.objects.filter(pk__in=[lot.pk for lot in lots])

        insert_select(
            CreditTransaction,
            source.order_by("-amount"),
            {
                "professional": F("professional_id"),
                "transaction_type": "bonus",
                "credit_type": "free",
                "amount": F("amount"),
                "granted_amount": 0,
                "remaining_amount": 0,
                "balance_before": 0,
                "balance_after": F("amount"),
                "description": "",
                "metadata": Value({}, CreditTransaction._meta.get_field("metadata")),
                "currency": "",
                "created_at": MARCH,
            },
            using="default",
        )

        written = CreditTransaction.objects.filter(transaction_type="bonus").order_by("pk")
        assert [row.amount for row in written] == [3, 2, 1]

    def test_writes_the_same_types_as_django_does(self):
        lot = buy(make_professional(), 10)

        insert_select(
            CreditTransaction,
            CreditTransaction.objects.filter(pk=lot.pk),
            {
                field.name: F(field.attname)
                for field in CreditTransaction._meta.concrete_fields
                if field.name not in {"id", "idempotency_key"}
            }
            | {"idempotency_key": new_key("copy"), "created_at": JANUARY, "expires_at": JULY_15},
            using="default",
        )

        copy = CreditTransaction.objects.exclude(pk=lot.pk).get()
        lot.refresh_from_db()
        for field in CreditTransaction._meta.concrete_fields:
            if field.name not in {"id", "idempotency_key"}:
                assert getattr(copy, field.attname) == getattr(lot, field.attname), field.name

    @pytest.mark.parametrize(
        "value", [JANUARY.replace(microsecond=123_456), None], ids=["a moment", "nothing"]
    )
    def test_takes_plain_values_to_the_microsecond(self, value):
        make_professionals(1)
        columns = {**BALANCE, "last_reset_date": value, "free_before_reset": None}

        insert_select(CreditBalance, User.objects.all(), columns, using="default")

        balance = CreditBalance.objects.get()
        assert (balance.last_reset_date, balance.free_before_reset) == (value, None)

    def test_takes_values_as_parameters_never_as_sql(self):
        make_professionals(1)
        text = "'; --%"

        insert_select(
            CreditBalance,
            User.objects.all(),
            {**BALANCE, "last_reset_period": text},
            using="default",
        )

        assert CreditBalance.objects.get().last_reset_period == text

    def test_writes_one_row_for_each_group_and_names_what_the_groups_have(self):
        few, many = make_professional(), make_professional()
        for professional, amount in ((few, 3), (many, 1), (many, 5)):
            buy(professional, amount)
        groups = (
            CreditTransaction.objects.order_by()
            .values(owner=F("professional_id"))
            .annotate(credits=Sum("amount"), lots=Count("pk"))
            .filter(credits__gte=3)
        )

        count = insert_select(JobFailure, groups, self.columns_of_groups(), using="default")

        assert count == 2
        assert list(
            JobFailure.objects.order_by("error").values_list("professional_id", "error")
        ) == [(few.pk, "3 in 1"), (many.pk, "6 in 2")]

    def test_groups_by_nothing_that_is_made_of_the_groups(self):
        groups = CreditTransaction.objects.values(owner=F("professional_id")).annotate(
            credits=Sum("amount"), lots=Count("pk")
        )

        sql, _ = insertion(JobFailure, groups, self.columns_of_groups(), using="default")

        assert "," not in sql.split("GROUP BY")[1]

    def columns_of_groups(self):
        return {
            "run": make_run().pk,
            "professional": F("owner"),
            "error": Joined(F("credits"), Value(" in "), F("lots")),
        }

    def test_writes_nothing_where_the_source_is_empty(self):
        assert insert_select(CreditBalance, User.objects.all(), BALANCE, using="default") == 0

    def test_asks_nothing_where_the_source_must_be_empty(self, django_assert_num_queries):
        make_professionals(1)

        with django_assert_num_queries(0):
            count = insert_select(CreditBalance, User.objects.none(), BALANCE, using="default")

        assert count == 0

    def test_raises_where_a_row_is_there_already(self):
        make_professional(free=1)

        with pytest.raises(IntegrityError), transaction.atomic():
            insert_select(CreditBalance, User.objects.all(), BALANCE, using="default")

    def test_may_leave_out_rows_that_are_there_already(self):
        make_professional(free=1)
        make_professionals(2)

        count = insert_select(
            CreditBalance,
            User.objects.all(),
            BALANCE,
            using="default",
            unless_taken="professional",
        )

        assert count == 2
        assert CreditBalance.objects.filter(free_credits=1).count() == 1

    def test_raises_every_other_violation_all_the_same(self):
        make_professionals(1)
        columns = {**BALANCE, "free_credits": -1, "lifetime_earned": -1}

        with (
            pytest.raises(IntegrityError, match="credits_balance_is_never_negative"),
            transaction.atomic(),
        ):
            insert_select(
                CreditBalance,
                User.objects.all(),
                columns,
                using="default",
                unless_taken="professional",
            )

    @pytest.mark.parametrize("forgotten", sorted(NOTHING))
    def test_refuses_a_forgotten_column_and_names_it(self, forgotten):
        make_professionals(1)
        columns = {name: value for name, value in BALANCE.items() if name != forgotten}

        with (
            CaptureQueriesContext(connection) as statements,
            pytest.raises(ValueError, match=f"^CreditBalance: no value for {forgotten}.$"),
        ):
            insert_select(CreditBalance, User.objects.all(), columns, using="default")

        assert len(statements) == 0

    def test_names_all_that_were_forgotten(self):
        columns = {**BALANCE}
        del columns["paid_credits"], columns["lifetime_spent"]

        with pytest.raises(ValueError, match="no value for paid_credits, lifetime_spent.$"):
            insert_select(CreditBalance, User.objects.all(), columns, using="default")

    def test_asks_for_no_column_that_fills_itself(self):
        run = make_run()
        make_professionals(2)

        insert_select(
            JobFailure,
            User.objects.all(),
            {"run": run.pk, "professional": F("pk"), "error": "no such luck"},
            using="default",
        )

        assert run.failures.count() == 2


class TestJoined:
    def test_writes_keys_as_texts(self):
        user = make_professional()

        joined = User.objects.annotate(joined=Joined(Value("a:"), F("pk"), Value(":z")))

        assert joined.get().joined == f"a:{user.pk}:z"

    def test_is_nothing_where_a_part_is(self):
        make_professional()

        joined = User.objects.annotate(joined=Joined(Value("a:"), F("legacy_id")))

        assert joined.get().joined is None
