"""credits.engine.rebuild: balances computed again from the ledger, and nothing else touched."""

import pytest

from credits.engine import rebuild
from credits.engine.rebuild import rebuild_balances
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.models import CreditAllocation, CreditBalance, CreditTransaction
from tests.books import all_tables, broken_invariants
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JULY_15,
    MARCH,
    buy,
    correct,
    give,
    make_lot_holders,
    make_professional,
    prolong,
    undo,
    use,
)
from tests.tampering import guards_down

pytestmark = pytest.mark.django_db

WRONG = {
    "free_credits": 1,
    "paid_credits": 2,
    "lifetime_earned": 10,
    "lifetime_spent": 3,
    "lifetime_expired": 4,
}


@pytest.fixture
def aisha():
    """A professional with every kind of row behind her."""
    aisha = make_professional(free=20)
    lot = buy(aisha, 50)
    undo(use(aisha, 40), 30)
    prolong(lot, AUGUST)
    correct(aisha, -3, "paid")
    correct(aisha, 2, "free")
    reset_monthly_credits(as_of=MARCH)
    use(aisha, 110, at=MARCH)
    give(aisha, 150, at=MARCH)
    reset_monthly_credits(as_of=APRIL)
    buy(aisha, 7, at=APRIL)
    expire_credits(as_of=AUGUST)
    return aisha


def balances():
    return {row["professional_id"]: row for row in CreditBalance.objects.values()}


class TestRebuildBalances:
    def test_restores_every_column_that_the_ledger_knows(self, aisha):
        before = balances()
        CreditBalance.objects.update(**WRONG)

        mended = rebuild_balances(using="default")

        assert mended == 1
        assert balances() == before
        assert broken_invariants() == {}

    @pytest.mark.parametrize(
        "columns",
        [
            {"free_credits": 0, "paid_credits": 107},
            {"lifetime_earned": 8, "lifetime_spent": 8, "free_credits": 0, "paid_credits": 0}
            | {"lifetime_expired": 0},
        ],
        ids=["pools", "lifetimes"],
    )
    def test_restores_one_column_as_well_as_all(self, aisha, columns):
        before = balances()
        with guards_down():
            CreditBalance.objects.update(**columns)

        rebuild_balances(using="default")

        assert balances() == before

    def test_opens_a_balance_that_is_missing(self, aisha):
        CreditBalance.objects.all().delete()

        mended = rebuild_balances(using="default")

        assert mended >= 1
        assert CreditBalance.objects.get().professional == aisha
        assert (CreditBalance.objects.get().free_credits) == 100
        assert broken_invariants() == {}

    def test_counts_an_opened_balance_once(self, aisha):
        CreditBalance.objects.all().delete()

        assert rebuild_balances(using="default") == 1

    def test_empties_a_balance_that_no_row_stands_behind(self):
        nobody = make_professional()
        CreditBalance.objects.create(professional=nobody, free_credits=5, lifetime_earned=5)

        assert rebuild_balances(using="default") == 1

        assert CreditBalance.objects.get().total == 0
        assert broken_invariants() == {}

    def test_changes_nothing_where_all_is_well(self, aisha):
        books = all_tables()

        mended = rebuild_balances(using="default")

        assert mended == 0
        assert all_tables() == books

    def test_leaves_those_alone_who_are_right(self, aisha):
        omar = make_professional(free=5)
        CreditBalance.objects.filter(professional=aisha).update(**WRONG)
        his = balances()[omar.pk]

        mended = rebuild_balances(using="default")

        assert mended == 1
        assert balances()[omar.pk] == his

    def test_never_touches_the_ledger(self, aisha):
        ledger = list(CreditTransaction.objects.order_by("pk").values())
        allocations = list(CreditAllocation.objects.order_by("pk").values())
        CreditBalance.objects.update(**WRONG)

        rebuild_balances(using="default")

        assert list(CreditTransaction.objects.order_by("pk").values()) == ledger
        assert list(CreditAllocation.objects.order_by("pk").values()) == allocations

    def test_keeps_what_the_ledger_does_not_know(self, aisha):
        CreditBalance.objects.update(
            **WRONG, last_reset_period="2026-04", last_spend_at=FEBRUARY, claimed_by=7
        )

        rebuild_balances(using="default")

        balance = CreditBalance.objects.get()
        assert (balance.last_reset_period, balance.last_spend_at) == ("2026-04", FEBRUARY)
        assert balance.claimed_by_id == 7

    @pytest.mark.parametrize("chunk", [1, 2, 3, 100])
    def test_mends_all_of_many_in_chunks(self, monkeypatch, chunk):
        monkeypatch.setattr(rebuild, "_CHUNK", chunk)
        make_lot_holders(5, expires_at=AUGUST)
        before = balances()
        CreditBalance.objects.update(**WRONG)

        mended = rebuild_balances(using="default")

        assert mended == 5
        assert balances() == before

    @pytest.mark.parametrize("chunk", [1, 100])
    def test_leaves_a_balance_that_the_ledger_itself_contradicts(self, monkeypatch, chunk):
        monkeypatch.setattr(rebuild, "_CHUNK", chunk)
        contradicted, mendable = make_professional(free=5), make_professional(free=5)
        row = CreditTransaction.objects.get(professional=contradicted)
        CreditBalance.objects.update(free_credits=6, lifetime_earned=6)
        with guards_down():
            CreditTransaction.objects.filter(pk=row.pk).update(amount=-5)
        before = balances()[contradicted.pk]

        mended = rebuild_balances(using="default")

        assert mended == 1
        assert balances()[contradicted.pk] == before
        assert balances()[mendable.pk]["free_credits"] == 5
        assert "balances" in broken_invariants()

    def test_does_not_count_what_it_cannot_mend(self):
        """What a lot says it has left is not a cached column: only ``verify_credits`` names it."""
        aisha = make_professional()
        lot = buy(aisha, 10)
        CreditTransaction.objects.filter(pk=lot.pk).update(remaining_amount=4)
        books = all_tables()

        mended = rebuild_balances(using="default")

        assert mended == 0
        assert all_tables() == books
        assert set(broken_invariants()) == {"balances", "lots"}

    def test_counts_expired_lots_until_they_are_written_off(self):
        make_professional(paid=5)
        CreditBalance.objects.update(paid_credits=6, lifetime_earned=6)

        rebuild_balances(using="default")
        expire_credits(as_of=JULY_15)

        assert CreditBalance.objects.get().lifetime_expired == 5
