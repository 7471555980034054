"""
credits.engine.audit: each invariant, broken by hand, is named; and no other.

Most of what these tests do the database refuses as long as its guards are up.
"""

import re
from threading import Barrier, Event

import pytest
from django.db import OperationalError, connection, connections
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from credits.engine import audit
from credits.engine.audit import findings, invariants
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.models import CreditAllocation, CreditBalance, CreditTransaction, JobRun
from proof.stage import guards_aside
from tests.books import broken_invariants
from tests.factories import (
    APRIL,
    AUGUST,
    FEBRUARY,
    JULY_15,
    MARCH,
    buy,
    correct,
    give,
    give_lot,
    make_lot_holders,
    make_professional,
    prolong,
    undo,
    use,
)
from tests.tampering import guards_down
from tests.threads import TIMEOUT

pytestmark = pytest.mark.django_db


def tamper(row, **columns):
    """Change a row of the ledger behind its guards."""
    with guards_down():
        type(row).objects.filter(pk=row.pk).update(**columns)


def shown_of(name):
    """Return what is said about the offenders of an invariant."""
    (finding,) = (f for f in findings(using="default") if f.invariant.name == name)
    return finding.shown


@pytest.fixture
def aisha():
    return make_professional()


class TestFindings:
    def test_are_one_for_each_invariant_in_order(self):
        found = list(findings(using="default"))

        assert [finding.invariant for finding in found] == list(invariants(using="default"))
        assert found[-1].invariant.name == "totals"
        assert found[-1].invariant.sentence == (
            "the monthly totals are the sums of the transactions that were counted"
        )
        assert {(finding.count, finding.shown) for finding in found} == {(0, ())}

    def test_are_empty_after_a_whole_life(self, aisha):
        lot = buy(aisha, 50)
        give(aisha, 20)
        undo(use(aisha, 40), 30)
        prolong(lot, AUGUST)
        correct(aisha, -3, "paid")
        reset_monthly_credits(as_of=MARCH)
        undo(use(aisha, 110, at=MARCH), 60, at=AUGUST)
        reset_monthly_credits(as_of=APRIL)
        expire_credits(as_of=AUGUST)

        assert broken_invariants() == {}

    def test_show_twenty_offenders_and_count_beyond(self):
        make_lot_holders(23, expires_at=AUGUST)
        CreditBalance.objects.update(
            lifetime_earned=F("lifetime_earned") + 1, free_credits=F("free_credits") + 1
        )

        found = next(iter(findings(using="default")))

        assert (found.invariant.name, found.count, len(found.shown)) == ("balances", 23, 20)

    def test_show_as_many_as_one_asks_for(self):
        make_lot_holders(3, expires_at=AUGUST)
        CreditBalance.objects.all().delete()

        by_name = {f.invariant.name: f for f in findings(using="default", most=2)}

        assert (by_name["owners"].count, len(by_name["owners"].shown)) == (3, 2)

    @pytest.mark.parametrize("count", [1, 30])
    def test_take_a_number_of_statements_that_does_not_grow(self, django_assert_num_queries, count):
        make_lot_holders(count, lots=(5, 5), expires_at=AUGUST)

        with django_assert_num_queries(len(invariants(using="default"))):
            list(findings(using="default"))

    def test_write_nothing(self, aisha):
        buy(aisha, 50)

        with CaptureQueriesContext(connection) as statements:
            list(findings(using="default"))

        asked = [query["sql"] for query in statements.captured_queries]
        assert {sql.split()[0] for sql in asked} == {"SELECT", "WITH"}
        assert not [sql for sql in asked if re.search(r"\b(INSERT|UPDATE|DELETE)\b", sql)]


@pytest.mark.django_db(transaction=True)
class TestFindingsOfSeveralWorkers:
    def test_are_those_of_one_in_the_same_order(self):
        make_lot_holders(23, expires_at=AUGUST)
        CreditBalance.objects.all().delete()

        found = list(findings(using="default", workers=3))

        assert found == list(findings(using="default"))
        assert {f.invariant.name: f.count for f in found if f.count} == {"owners": 23}

    def test_are_asked_at_once_on_connections_that_are_closed_again(self, monkeypatch):
        together = Barrier(2)
        used = []

        def meet(invariant, **options):
            if invariant.name in {"balances", "owners"}:
                together.wait(TIMEOUT)
            connections["default"].ensure_connection()
            used.append(connections["default"])

        monkeypatch.setattr(audit, "_check", meet)

        list(findings(using="default", workers=2))

        assert connections["default"] not in used
        assert len(set(used)) == 2
        assert {each.connection for each in used} == {None}

    def test_keep_nobody_waiting_who_wants_no_more(self, monkeypatch):
        """The first question fails while the second is asked; of the others none is."""
        is_asked, is_told = Event(), Event()
        told, asked = [], []

        def check(invariant, **options):
            asked.append(invariant.name)
            if invariant.name == "balances":
                assert is_asked.wait(TIMEOUT)
                raise OperationalError("Gone")
            is_asked.set()
            assert is_told.wait(TIMEOUT)

        def interrupt(connection):
            told.append(connection)
            is_told.set()

        monkeypatch.setattr(audit, "_check", check)
        monkeypatch.setattr(audit, "interrupt", interrupt)

        with pytest.raises(OperationalError, match="Gone"):
            list(findings(using="default", workers=2))

        assert {connection.alias for connection in told} == {"default"}
        assert len(asked) <= 3


class TestBalances:
    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            pytest.param(
                {"free_credits": 6, "lifetime_earned": 16},
                "free_credits=6 paid_credits=10 free_in_ledger=5 paid_in_ledger=10"
                " paid_in_lots=10 earned_off_by=1 spent_off_by=0 expired_off_by=0",
                id="free",
            ),
            pytest.param(
                {"paid_credits": 9, "lifetime_earned": 14},
                "free_credits=5 paid_credits=9 free_in_ledger=5 paid_in_ledger=10"
                " paid_in_lots=10 earned_off_by=-1 spent_off_by=0 expired_off_by=0",
                id="paid",
            ),
            pytest.param(
                {"lifetime_spent": 3, "lifetime_earned": 18},
                "free_credits=5 paid_credits=10 free_in_ledger=5 paid_in_ledger=10"
                " paid_in_lots=10 earned_off_by=3 spent_off_by=3 expired_off_by=0",
                id="earned and spent",
            ),
            pytest.param(
                {"lifetime_expired": 3, "lifetime_spent": -3},
                "free_credits=5 paid_credits=10 free_in_ledger=5 paid_in_ledger=10"
                " paid_in_lots=10 earned_off_by=0 spent_off_by=-3 expired_off_by=3",
                id="expired",
            ),
        ],
    )
    def test_that_differ_from_the_ledger_are_named(self, aisha, columns, said):
        make_professional(free=5, paid=10)
        give(aisha, 5)
        buy(aisha, 10)
        CreditBalance.objects.filter(professional=aisha).update(**columns)

        assert broken_invariants() == {"balances": 1}
        assert shown_of("balances") == (f"professional={aisha.pk} {said}",)

    def test_without_a_row_in_the_ledger_are_named_too(self, aisha):
        CreditBalance.objects.create(professional=aisha, free_credits=5, lifetime_earned=5)

        assert broken_invariants() == {"balances": 1}

    def test_that_differ_from_the_lots_alone_are_named(self, aisha):
        """The allocations say the same as the lot, so nothing else is wrong."""
        lot = buy(aisha, 10)
        (spent,) = use(aisha, 4)
        tamper(spent, amount=-3, balance_after=7)
        CreditBalance.objects.update(paid_credits=7, lifetime_spent=3)

        assert "balances" in broken_invariants()
        assert (
            "paid_credits=7 free_in_ledger=0 paid_in_ledger=7 paid_in_lots=6"
            in shown_of("balances")[0]
        )
        lot.refresh_from_db()
        assert lot.remaining_amount == 6


class TestOwners:
    def test_without_a_balance_are_named_once(self, aisha):
        give(aisha, 5)
        buy(aisha, 10)
        CreditBalance.objects.all().delete()

        assert broken_invariants() == {"owners": 1}
        assert shown_of("owners") == (f"professional={aisha.pk}",)


class TestChain:
    def test_that_does_not_begin_at_zero_is_named(self, aisha):
        row = give(aisha, 5)
        tamper(row, balance_before=1, balance_after=6)

        assert broken_invariants() == {"chain": 1}
        assert shown_of("chain") == (
            f"transaction={row.pk} professional={aisha.pk} balance_before=1 expected=0",
        )

    def test_that_is_broken_in_the_middle_is_named_on_both_sides(self, aisha):
        _, middle, last = give(aisha, 5), give(aisha, 5), give(aisha, 5)
        tamper(middle, balance_before=6, balance_after=11)

        assert broken_invariants() == {"chain": 2}
        assert {line.split()[0] for line in shown_of("chain")} == {
            f"transaction={middle.pk}",
            f"transaction={last.pk}",
        }

    def test_whose_sum_is_wrong_is_named(self, aisha):
        row = give(aisha, 5)
        tamper(row, balance_after=6)

        assert broken_invariants() == {"chain": 1}

    def test_is_each_professionals_own(self, aisha):
        omar = make_professional()
        for professional in (aisha, omar, aisha, omar):
            give(professional, 5)

        assert broken_invariants() == {}


class TestLots:
    def test_that_hold_what_another_lost_are_named(self, aisha):
        fleeting = give_lot(aisha, 10, expires_at=APRIL)
        lasting = give_lot(aisha, 10, expires_at=AUGUST)
        use(aisha, 4)
        CreditTransaction.objects.filter(pk=fleeting.pk).update(remaining_amount=7)
        CreditTransaction.objects.filter(pk=lasting.pk).update(remaining_amount=9)

        assert broken_invariants() == {"lots": 2}
        assert set(shown_of("lots")) == {
            f"lot={fleeting.pk} granted_amount=10 remaining_amount=7 moved=-4",
            f"lot={lasting.pk} granted_amount=10 remaining_amount=9 moved=0",
        }

    def test_that_are_no_lots_and_yet_were_drawn_on_are_named(self, aisha):
        row = give(aisha, 10)
        buy(aisha, 10)
        (free, paid) = use(aisha, 14)
        tamper(paid.allocations.get(), lot=row)

        assert broken_invariants()["lots"] == 2
        assert f"lot={row.pk} granted_amount=0 remaining_amount=0 moved=-4" in shown_of("lots")
        assert free.amount == -10

    def test_below_zero_are_named(self, aisha):
        lot = buy(aisha, 10)
        use(aisha, 4)
        tamper(CreditAllocation.objects.get(), amount=-12)
        tamper(lot, remaining_amount=-2)

        assert broken_invariants()["lots"] == 1


class TestAllocations:
    def test_that_do_not_make_the_amount_are_named_on_both_sides(self, aisha):
        lot = buy(aisha, 10)
        (spent,) = use(aisha, 4)
        tamper(CreditAllocation.objects.get(), transaction=lot)

        assert broken_invariants() == {"allocations": 2}
        assert set(shown_of("allocations")) == {
            f"transaction={spent.pk} amount=-4 granted_amount=0 allocated=0",
            f"transaction={lot.pk} amount=10 granted_amount=10 allocated=-4",
        }

    def test_of_a_free_row_are_named(self, aisha):
        buy(aisha, 10)
        use(aisha, 4)
        bonus = give(aisha, 5, at=FEBRUARY)
        tamper(CreditAllocation.objects.get(), transaction=bonus)

        assert broken_invariants() == {"allocations": 2}

    def test_that_a_free_row_makes_up_for_by_a_grant_are_named(self, aisha):
        bonus = give(aisha, 5)
        tamper(bonus, granted_amount=5)

        assert broken_invariants() == {"allocations": 1, "lots": 1}


class TestOwnLots:
    def test_of_others_are_named(self, aisha):
        omar = make_professional(paid=10)
        mine = buy(aisha, 10)
        use(aisha, 4)
        use(omar, 4)
        my_draw = CreditAllocation.objects.get(lot=mine)
        his_draw = CreditAllocation.objects.exclude(lot=mine).get()
        tamper(my_draw, lot=his_draw.lot)
        tamper(his_draw, lot=mine)

        assert broken_invariants() == {"own lots": 2}
        assert (
            f"allocation={my_draw.pk} lot={his_draw.lot_id} transaction={my_draw.transaction_id}"
        ) in shown_of("own lots")

    @pytest.mark.parametrize("at", [JULY_15, AUGUST], ids=["at its expiry", "after its expiry"])
    def test_that_had_expired_are_named(self, aisha, at):
        buy(aisha, 10)
        (spent,) = use(aisha, 4)
        tamper(spent, created_at=at)

        assert broken_invariants() == {"own lots": 1}

    @pytest.mark.django_db(transaction=True)
    def test_that_are_there_no_more_are_named(self, aisha):
        """All of a life is deleted but what it drew: every other sum is right."""
        buy(aisha, 10)
        use(aisha, 4)
        with guards_aside(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM credits_credittransaction")
            cursor.execute("DELETE FROM credits_creditbalance")

        assert broken_invariants() == {"own lots": 1}


class TestResets:
    @pytest.fixture
    def rows(self, aisha):
        reset_monthly_credits(as_of=MARCH)
        reset_monthly_credits(as_of=APRIL)
        return CreditTransaction.objects.order_by("pk")

    @pytest.mark.parametrize(
        "key",
        [
            pytest.param(None, id="no key"),
            pytest.param("march", id="a key of another kind"),
            pytest.param("reset:march:7", id="a key without a period"),
        ],
    )
    def test_without_a_key_of_their_period_are_named(self, rows, key):
        tamper(rows[0], idempotency_key=key)

        assert broken_invariants() == {"resets": 1}

    def test_of_one_period_are_named(self, aisha, rows):
        in_march, in_april = rows
        tamper(in_april, idempotency_key=f"{in_march.idempotency_key}0")

        assert broken_invariants() == {"resets": 1}
        assert (
            f"transaction={in_march.pk} professional={aisha.pk} resets=2" in shown_of("resets")[0]
        )

    @pytest.mark.engine("postgresql")
    def test_with_one_key_are_named(self, rows):
        in_march, in_april = rows
        with guards_down(), connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE credits_credittransaction"
                " DROP CONSTRAINT credits_key_is_used_once_for_each_pool"
            )
            CreditTransaction.objects.filter(pk=in_april.pk).update(
                idempotency_key=in_march.idempotency_key
            )

        assert broken_invariants() == {"resets": 1}

    def test_of_two_professionals_in_one_period_are_as_they_should_be(self, rows):
        make_professional()
        reset_monthly_credits(as_of=APRIL)

        assert broken_invariants() == {}


@pytest.mark.usefixtures("no_counting")
class TestExpiries:
    @pytest.fixture
    def expiries(self, aisha):
        buy(aisha, 10)
        buy(aisha, 10)
        expire_credits(as_of=AUGUST)
        return list(CreditTransaction.objects.filter(transaction_type="expiry").order_by("pk"))

    def test_before_their_time_are_named(self, expiries):
        tamper(expiries[0], created_at=APRIL)

        assert broken_invariants() == {"expiries": 1, "runs": 1}
        assert shown_of("expiries") == (
            f"transaction={expiries[0].pk} lot={expiries[0].origin_id}",
        )

    def test_in_time_are_as_they_should_be(self, expiries):
        for expiry in expiries:
            tamper(expiry, created_at=JULY_15)
        JobRun.objects.update(as_of=JULY_15)

        assert broken_invariants() == {}

    def test_of_no_lot_are_named(self, expiries):
        tamper(expiries[0], origin=None)

        assert broken_invariants() == {"expiries": 1}

    def test_of_what_is_no_lot_are_named(self, aisha, expiries):
        tamper(expiries[0], origin=give(aisha, 5, at=AUGUST))

        assert broken_invariants() == {"expiries": 1}

    def test_of_anothers_lot_are_named(self, expiries):
        tamper(expiries[0], origin=buy(make_professional(), 10))

        assert broken_invariants() == {"expiries": 1}

    def test_of_one_lot_twice_are_named(self, expiries):
        first, second = expiries
        with guards_down(), connection.cursor() as cursor:
            on = " ON credits_credittransaction" if connection.vendor == "mysql" else ""
            cursor.execute(f"DROP INDEX credits_lot_expires_at_most_once{on}")
            CreditTransaction.objects.filter(pk=second.pk).update(origin=first.origin)

        assert broken_invariants() == {"expiries": 1}
        assert shown_of("expiries") == (f"transaction={second.pk} lot={first.origin_id}",)


class TestRefunds:
    @pytest.fixture
    def refund_of_five(self, aisha):
        give(aisha, 20)
        (row,) = undo(use(aisha, 10), 5)
        return row

    def test_beyond_the_spend_are_named(self, aisha, refund_of_five):
        (smaller_spend,) = use(aisha, 2)
        tamper(refund_of_five, origin=smaller_spend)

        assert broken_invariants() == {"refunds": 1}
        assert shown_of("refunds") == (f"spend={smaller_spend.pk} amount=-2 refunded=5",)

    def test_beyond_the_spend_together_are_named(self, aisha, refund_of_five):
        spend_of_six = use(aisha, 6)
        undo(spend_of_six, 4)
        tamper(refund_of_five, origin=spend_of_six[0])

        assert broken_invariants() == {"refunds": 1}

    def test_to_another_professional_are_named(self, refund_of_five):
        (spent_by_another,) = use(make_professional(free=20), 10)
        tamper(refund_of_five, origin=spent_by_another)

        assert broken_invariants() == {"refunds": 1}

    def test_of_what_is_no_spend_are_named(self, aisha, refund_of_five):
        taken_by_hand = correct(aisha, -10, "free")
        tamper(refund_of_five, origin=taken_by_hand)

        assert broken_invariants() == {"refunds": 1}

    def test_of_a_whole_spend_are_as_they_should_be(self, aisha, refund_of_five):
        spend_of_five = use(aisha, 5)
        tamper(refund_of_five, origin=spend_of_five[0])

        assert broken_invariants() == {}


class TestRuns:
    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            pytest.param(
                {"success_count": 2, "total_count": 2},
                "succeeded=2 written=1 failed=0 failures=0 granted_off_by=0 expired_off_by=0",
                id="successes",
            ),
            pytest.param(
                {"error_count": 1, "total_count": 2},
                "succeeded=1 written=1 failed=1 failures=0 granted_off_by=0 expired_off_by=0",
                id="errors",
            ),
            pytest.param(
                {"credits_granted": 99},
                "succeeded=1 written=1 failed=0 failures=0 granted_off_by=-1 expired_off_by=0",
                id="granted",
            ),
            pytest.param(
                {"credits_expired": 3},
                "succeeded=1 written=1 failed=0 failures=0 granted_off_by=0 expired_off_by=3",
                id="expired",
            ),
        ],
    )
    def test_whose_counts_are_not_those_of_their_rows_are_named(self, aisha, columns, said):
        run = reset_monthly_credits(as_of=MARCH)
        JobRun.objects.update(**columns)

        assert broken_invariants() == {"runs": 1}
        assert shown_of("runs") == (f"run={run.pk} {said} misdated=no",)

    def test_whose_failures_they_forgot_are_named(self, aisha):
        run = reset_monthly_credits(as_of=MARCH)
        run.failures.create(professional=aisha, error="no such luck")

        assert broken_invariants() == {"runs": 1}

    def test_whose_rows_are_gone_are_named(self, aisha):
        run = reset_monthly_credits(as_of=MARCH)
        tamper(CreditTransaction.objects.get(), run=None)

        assert broken_invariants()["runs"] == 1
        assert f"run={run.pk} succeeded=1 written=0" in shown_of("runs")[0]

    @pytest.mark.django_db(transaction=True)
    def test_that_are_gone_are_named_by_their_rows(self, aisha):
        run = reset_monthly_credits(as_of=MARCH)
        with guards_aside(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM credits_jobrun")

        assert broken_invariants()["runs"] == 1
        assert shown_of("runs")[0].startswith(f"run={run.pk} succeeded=None written=1")

    @pytest.mark.parametrize("place", [0, 1])
    def test_with_a_row_of_another_moment_are_named(self, aisha, place):
        make_professional(free=30)
        run = reset_monthly_credits(as_of=MARCH)
        tamper(CreditTransaction.objects.order_by("pk").filter(run=run)[place], created_at=APRIL)

        assert broken_invariants() == {"runs": 1}
        assert shown_of("runs")[0].endswith("misdated=yes")

    def test_without_rows_are_as_they_should_be(self):
        reset_monthly_credits(as_of=MARCH)

        assert broken_invariants() == {}
