from datetime import UTC, datetime

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from credits.models import CreditBalance, CreditTransaction
from homezy.importing import writing
from homezy.importing.documents import parse
from homezy.importing.writing import Unit, write
from homezy.models import User
from tests.factories import make_professional
from tests.homezy.importing.lives import decoded, replayed
from tests.homezy.importing.original import Original

pytestmark = pytest.mark.django_db


def unit_of(professional):
    transactions = professional.transactions
    return Unit(
        parse("users", decoded(professional.user)),
        replayed(professional),
        str(transactions[-1]["_id"]) if transactions else "",
    )


@pytest.fixture
def aisha():
    aisha = Original().professional()
    aisha.bonus(100)
    lot = aisha.buy(50)
    aisha.refund(aisha.spend(120))
    aisha.reset()
    aisha.expire(lot)
    return aisha


class TestWrite:
    def test_writes_a_ledger_that_explains_its_balance(self, aisha):
        write([unit_of(aisha)], dry_run=False)

        balance = CreditBalance.objects.get()
        assert (balance.free_credits, balance.paid_credits) == (aisha.free, aisha.paid)
        assert (balance.last_reset_period, balance.free_before_reset) == ("2026-02", 0)
        assert balance.last_reset_date == datetime(2026, 2, 1, 0, 1, tzinfo=UTC)
        assert balance.last_purchase_at < balance.last_spend_at
        earned, spent = balance.lifetime_earned, balance.lifetime_spent
        assert (earned, spent, balance.lifetime_expired) == (250, 0, 30)

    def test_writes_rows_in_the_order_of_their_ids(self, aisha):
        write([unit_of(aisha)], dry_run=False)

        rows = CreditTransaction.objects.order_by("pk")
        assert [(row.transaction_type, row.amount) for row in rows] == [
            ("bonus", 100),
            ("purchase", 50),
            ("spend", -100),
            ("spend", -20),
            ("refund", 20),
            ("refund", 100),
            ("monthly_reset", 100),
            ("expiry", -30),
        ]
        befores = [row.balance_before for row in rows]
        assert befores == [0, *(row.balance_after for row in rows)][:-1]

    def test_keeps_price_payment_and_origin(self, aisha):
        write([unit_of(aisha)], dry_run=False)

        purchase = CreditTransaction.objects.get(transaction_type="purchase")
        expiry = CreditTransaction.objects.get(transaction_type="expiry")
        assert (purchase.price, purchase.currency) == (250, "AED")
        assert expiry.origin == purchase
        assert purchase.remaining_amount == 0

    def test_uses_the_key_that_the_monthly_job_would(self, aisha):
        write([unit_of(aisha)], dry_run=False)

        reset = CreditTransaction.objects.get(transaction_type="monthly_reset")
        assert reset.idempotency_key == f"reset:2026-02:{User.objects.get().pk}"

    def test_imports_a_user_who_cannot_log_in_or_administer(self):
        original = Original()
        original.user(role="admin", email="Boss@Example.com", isActive=False)
        document = parse("users", decoded(original.users[0]))

        write([Unit(document, None)], dry_run=False)

        user = User.objects.get(email="boss@example.com")
        assert (user.role, user.is_active, user.legacy_id) == ("admin", False, document.id)
        assert not user.is_staff
        assert not user.is_superuser
        assert not user.has_usable_password()
        assert user.date_joined == original.users[0]["createdAt"]
        assert not CreditBalance.objects.exists()

    def test_leaves_an_account_that_is_there(self, aisha):
        write([unit_of(aisha)], dry_run=False)
        before = list(CreditTransaction.objects.values())

        outcome = write([unit_of(aisha)], dry_run=False)

        assert outcome.written == {"accounts that were there already": 1}
        assert list(CreditTransaction.objects.values()) == before

    def test_leaves_an_empty_account_that_is_there(self):
        omar = Original().professional()
        write([unit_of(omar)], dry_run=False)

        outcome = write([unit_of(omar)], dry_run=False)

        assert outcome.written == {"accounts that were there already": 1}
        assert CreditBalance.objects.get().total == 0

    def test_says_that_an_imported_ledger_has_gone_on(self, aisha):
        write([unit_of(aisha)], dry_run=False)
        aisha.bonus(10)

        outcome = write([unit_of(aisha)], dry_run=False)

        ((account, why),) = outcome.refused
        assert account == aisha.id
        assert why.startswith("imported before; the export now goes on")

    def test_adds_a_ledger_to_a_user_who_came_without(self, aisha):
        write([Unit(unit_of(aisha).user, None)], dry_run=False)
        CreditBalance.objects.create(professional=User.objects.get())

        write([unit_of(aisha)], dry_run=False)

        assert CreditBalance.objects.get().total == aisha.free + aisha.paid

    def test_refuses_a_user_who_has_other_credits_here(self, aisha):
        make_professional(free=10, email="elsewhere@example.com", legacy_id=aisha.id)

        outcome = write([unit_of(aisha)], dry_run=False)

        assert outcome.refused == [(aisha.id, "has credits here that no import brought")]
        assert CreditTransaction.objects.count() == 1

    def test_refuses_an_address_that_is_taken(self, aisha):
        make_professional(email=aisha.user["email"])

        outcome = write([unit_of(aisha)], dry_run=False)

        assert outcome.refused == [(aisha.id, "the e-mail address is that of another user here")]

    def test_writes_nothing_in_a_dry_run(self, aisha):
        outcome = write([unit_of(aisha)], dry_run=True)

        assert outcome.written["transactions"] == 8
        assert not User.objects.exists()

    def test_lets_the_others_in_when_the_database_refuses_one(self, aisha):
        original = aisha.original
        others = [original.professional() for _ in range(4)]
        for other in others:
            other.bonus(10)
        taken = str(others[1].transactions[0]["_id"])
        make_professional()
        CreditTransaction.objects.create(
            professional=User.objects.get(),
            transaction_type="bonus",
            credit_type="free",
            amount=1,
            balance_before=0,
            balance_after=1,
            idempotency_key=f"homezy:{taken}",
            created_at=aisha.now,
        )

        outcome = write([unit_of(professional) for professional in others], dry_run=False)

        ((account, why),) = outcome.refused
        assert account == others[1].id
        assert why.startswith("the database refused: ")
        assert outcome.written["users"] == 3
        assert outcome.fresh == {others[0].id, others[2].id, others[3].id}

    def test_does_not_cut_a_batch_up_because_the_database_is_away(self, aisha, monkeypatch):
        def gone(units, dry_run):
            raise OperationalError("the server closed the connection")

        monkeypatch.setattr(writing, "_write_batch", gone)

        with pytest.raises(OperationalError):
            write([unit_of(aisha)], dry_run=False)

    def test_asks_the_database_no_more_about_more_accounts(self):
        def questions(size):
            original = Original()
            professionals = [original.professional() for _ in range(size)]
            for professional in professionals:
                professional.bonus(10)
            units = [unit_of(professional) for professional in professionals]
            write(units[:1], dry_run=False)
            with CaptureQueriesContext(connection) as queries:
                write(units, dry_run=True)
            return len(queries)

        assert questions(2) == questions(20)
