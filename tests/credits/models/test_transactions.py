"""credits.models.transactions: the ledger's rows, and what the database refuses of them."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from credits.models import CreditTransaction, TransactionReason
from tests.factories import (
    APRIL,
    FEBRUARY,
    JANUARY,
    JULY_15,
    MARCH,
    buy,
    correct,
    give_lot,
    make_professional,
    make_user,
    use,
)

pytestmark = pytest.mark.django_db

LOT = {"credit_type": "paid", "granted_amount": 10, "remaining_amount": 10, "expires_at": APRIL}
FREE = {"credit_type": "free", "granted_amount": 0, "remaining_amount": 0, "expires_at": None}


def write(**columns):
    """Write a row as no one should: past the ledger's functions."""
    columns = {
        "transaction_type": "bonus",
        "amount": 10,
        "balance_before": 0,
        "created_at": JANUARY,
        **LOT,
        **columns,
    }
    columns.setdefault("professional", make_user())
    columns.setdefault("balance_after", columns["balance_before"] + columns["amount"])
    with transaction.atomic():
        return CreditTransaction.objects.create(**columns)


class TestCreditTransaction:
    @pytest.mark.parametrize(
        ("columns", "text"),
        [
            ({"transaction_type": "purchase", "amount": 1500}, "purchase +1,500"),
            ({"transaction_type": "spend", "amount": -3}, "spend -3"),
            ({"transaction_type": "monthly_reset", "amount": 0}, "monthly reset +0"),
        ],
    )
    def test_reads_as_its_type_and_its_signed_amount(self, columns, text):
        assert str(CreditTransaction(**columns)) == text

    def test_has_no_order_of_its_own(self):
        assert not CreditTransaction.objects.all().ordered

    def test_protects_its_professional(self):
        aisha = make_professional(free=1)

        with pytest.raises(ProtectedError):
            aisha.delete()

    @pytest.mark.parametrize("balance_after", [9, 11])
    def test_leaves_the_balance_before_plus_its_amount(self, balance_after):
        with pytest.raises(IntegrityError, match="credits_after_is_before_plus_amount"):
            write(balance_after=balance_after)

    @pytest.mark.parametrize(
        ("before", "amount"), [pytest.param(-10, 10, id="before"), pytest.param(0, -1, id="after")]
    )
    def test_leaves_no_negative_total(self, before, amount):
        with pytest.raises(IntegrityError, match="credits_total_is_never_negative"):
            write(transaction_type="adjustment", balance_before=before, amount=amount)

    @pytest.mark.parametrize("remaining", [-1, 11])
    def test_remains_within_what_it_granted(self, remaining):
        with pytest.raises(IntegrityError, match="credits_remaining_is_within_granted"):
            write(remaining_amount=remaining)

    @pytest.mark.parametrize("remaining", [-1, 11])
    def test_remains_within_what_it_granted_when_drawn_on(self, remaining):
        lot = write()

        with (
            pytest.raises(IntegrityError, match="credits_remaining_is_within_granted"),
            transaction.atomic(),
        ):
            CreditTransaction.objects.filter(pk=lot.pk).update(remaining_amount=remaining)

    @pytest.mark.parametrize(
        "columns",
        [
            pytest.param({"credit_type": "free"}, id="a free lot"),
            pytest.param({"expires_at": None}, id="a lot for ever"),
            pytest.param({**FREE, "expires_at": APRIL}, id="an expiry of nothing"),
            pytest.param(
                {"granted_amount": -1, "remaining_amount": -1, "expires_at": None}, id="below zero"
            ),
        ],
    )
    def test_is_a_lot_only_if_it_is_paid_and_expires(self, columns):
        with pytest.raises(
            IntegrityError,
            match="credits_lot_is_paid_and_expires|credits_remaining_is_within_granted",
        ):
            write(**columns)

    @pytest.mark.parametrize(
        ("kind", "amount"),
        [
            ("purchase", 0),
            ("purchase", -5),
            ("bonus", 0),
            ("bonus", -5),
            ("refund", 0),
            ("refund", -5),
            ("spend", 0),
            ("spend", 5),
            ("expiry", 0),
            ("expiry", 5),
            ("gift", 5),
        ],
    )
    def test_has_the_sign_of_its_type(self, kind, amount):
        with pytest.raises(IntegrityError, match="credits_amount_has_the_sign_of_its_type"):
            write(**FREE, transaction_type=kind, amount=amount, balance_before=50)

    def test_is_no_reset_of_paid_credits(self):
        with pytest.raises(IntegrityError, match="credits_amount_has_the_sign_of_its_type"):
            write(transaction_type="monthly_reset")

    @pytest.mark.parametrize(
        ("kind", "amount"),
        [
            ("purchase", 5),
            ("bonus", 5),
            ("refund", 5),
            ("spend", -5),
            ("expiry", -5),
            ("monthly_reset", -5),
            ("monthly_reset", 0),
            ("monthly_reset", 5),
            ("adjustment", -5),
            ("adjustment", 0),
            ("adjustment", 5),
        ],
    )
    def test_may_have_the_sign_of_its_type(self, kind, amount):
        row = write(**FREE, transaction_type=kind, amount=amount, balance_before=50)

        assert row.pk

    def test_is_free_or_paid(self):
        with pytest.raises(IntegrityError, match="credits_credit_type_is_free_or_paid"):
            write(**{**FREE, "credit_type": "gold"})

    def test_uses_a_key_once_for_each_pool(self):
        write(idempotency_key="lead-1")
        write(**FREE, idempotency_key="lead-1")

        # SQLite names the columns of a table's unique constraint, not its name.
        with pytest.raises(
            IntegrityError,
            match="credits_key_is_used_once_for_each_pool|idempotency_key, .*credit_type",
        ):
            write(idempotency_key="lead-1")

    def test_may_have_no_key(self):
        write()
        write()

        assert CreditTransaction.objects.filter(idempotency_key=None).count() == 2

    def test_expires_a_lot_at_most_once(self):
        lot = write()
        write(**{**FREE, "credit_type": "paid"}, **expiry_of(lot, amount=-4))

        with pytest.raises(
            IntegrityError, match="credits_lot_expires_at_most_once|credittransaction.origin_id"
        ):
            write(**{**FREE, "credit_type": "paid"}, **expiry_of(lot, amount=-6))

    def test_may_be_the_origin_of_several_rows_of_other_kinds(self):
        spent = write(**FREE, transaction_type="spend", amount=-10, balance_before=10)

        write(**FREE, transaction_type="refund", amount=4, origin=spent)
        write(**FREE, transaction_type="refund", amount=6, origin=spent)

        assert spent.consequences.count() == 2


def expiry_of(lot, *, amount):
    return {"transaction_type": "expiry", "origin": lot, "amount": amount, "balance_before": 10}


class TestCreditTransactionQuerySet:
    @pytest.fixture
    def professional(self):
        return make_professional(free=5)

    def test_open_lots_are_those_that_are_not_empty(self, professional):
        emptied = give_lot(professional, 3, expires_at=MARCH)
        use(professional, 8)
        lasting = buy(professional, 4)

        open_lots = CreditTransaction.objects.open_lots()

        assert list(open_lots) == [lasting]
        assert emptied not in open_lots

    @pytest.mark.parametrize(
        ("as_of", "is_spendable"),
        [
            pytest.param(FEBRUARY, True, id="before its expiry"),
            pytest.param(MARCH, False, id="at its expiry"),
            pytest.param(JULY_15, False, id="after its expiry"),
        ],
    )
    def test_a_lot_is_spendable_until_it_expires_and_due_from_then_on(
        self, professional, as_of, is_spendable
    ):
        lot = give_lot(professional, 3, expires_at=MARCH)
        rows = CreditTransaction.objects.all()

        spendable, due = list(rows.spendable(as_of)), list(rows.due(as_of))

        assert (spendable, due) == (([lot], []) if is_spendable else ([], [lot]))

    def test_can_be_chained(self, professional):
        buy(make_professional(), 4)
        own = buy(professional, 4)

        assert list(CreditTransaction.objects.filter(professional=professional).open_lots()) == [
            own
        ]


class TestTransactionReason:
    def test_reads_as_its_text(self):
        assert str(TransactionReason(text="A miscount.")) == "A miscount."

    def test_can_be_erased_where_the_ledger_cannot(self):
        row = correct(make_professional(), 5, "free")

        row.reason.text = ""
        row.reason.save()
        row.reason.delete()

        assert CreditTransaction.objects.filter(pk=row.pk).exists()
        assert not TransactionReason.objects.exists()

    def test_is_one_for_each_transaction(self):
        row = correct(make_professional(), 5, "free")

        with pytest.raises(IntegrityError), transaction.atomic():
            TransactionReason.objects.create(transaction=row, text="Another.")


class TestIndexes:
    def test_are_those_the_jobs_and_the_reads_need(self):
        with connection.cursor() as cursor:
            constraints = connection.introspection.get_constraints(
                cursor, CreditTransaction._meta.db_table
            )

        assert {"credits_transaction_history", "credits_open_lots"} <= set(constraints)
