"""What the original got wrong: each fault of DESIGN.md, one class; none of them is here."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.exceptions import InsufficientCredits, RefundExceedsSpend
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import NOBODY, reset_monthly_credits
from credits.ledger import balance_of, lots_of, spendable_at
from credits.models import CreditTransaction
from homezy.models import Role
from tests.books import all_tables, broken_invariants
from tests.factories import (
    APRIL,
    AUGUST,
    AUGUST_31,
    FEBRUARY,
    JULY_15,
    MARCH,
    buy,
    give,
    give_lot,
    make_professional,
    make_user,
    undo,
    use,
)
from tests.tampering import poison

pytestmark = pytest.mark.django_db


class TestResetSelectedNobody:
    """It asked for ``role: 'professional'``; the schema has ``pro``."""

    def test_it_selects_every_verified_professional_as_the_schema_spells_them(self):
        basic = make_professional(role="pro", verification="basic")
        comprehensive = make_professional(role="pro", verification="comprehensive")

        run = reset_monthly_credits(as_of=MARCH)

        assert Role.PRO == "pro"
        assert run.success_count == 2
        assert [balance_of(who.pk).free for who in (basic, comprehensive)] == [100, 100]

    def test_it_says_so_when_it_selects_nobody(self):
        make_user()

        assert reset_monthly_credits(as_of=MARCH).error_summary == NOBODY


class TestOldFreeLotsStayedOpen:
    """A later spend took from a free lot that the reset had replaced, and failed below zero."""

    def test_spending_120_of_100_free_and_50_paid_after_a_reset_works(self):
        aisha = make_professional(free=80)
        buy(aisha, 50)
        reset_monthly_credits(as_of=FEBRUARY)
        reset_monthly_credits(as_of=MARCH)

        use(aisha, 120, at=MARCH)

        assert (balance_of(aisha.pk).free, balance_of(aisha.pk).paid) == (0, 30)
        assert broken_invariants() == {}

    def test_free_credits_have_no_lots_at_all(self):
        aisha = make_professional(free=80)
        give(aisha, 5)
        reset_monthly_credits(as_of=MARCH)

        assert not lots_of(aisha.pk).exists()


class TestASecondResetInAMonth:
    def test_gives_nobody_anything(self):
        aisha = make_professional(free=30)
        reset_monthly_credits(as_of=MARCH)
        use(aisha, 100, at=MARCH)

        again = reset_monthly_credits(as_of=MARCH + timedelta(days=30))

        assert again.total_count == 0
        assert balance_of(aisha.pk).free == 0


class TestExpiryWasASpend:
    def test_it_is_an_expiry(self):
        aisha = make_professional(paid=10)

        expire_credits(as_of=AUGUST)

        assert CreditTransaction.objects.latest("pk").transaction_type == "expiry"
        assert aisha.credit_balance.lifetime_spent == 0
        assert aisha.credit_balance.lifetime_expired == 10


class TestExpiryHadNoTransaction:
    """A crash between its writes left credits in the balance that no lot held."""

    @pytest.mark.parametrize("table", ["credits_credittransaction", "credits_creditallocation"])
    def test_it_writes_all_of_a_lots_end_or_nothing(self, table):
        make_professional(paid=10)
        before = all_tables()
        poison(table=table)

        expire_credits(as_of=AUGUST)

        after = all_tables()
        changed = {name for name in after if after[name] != before[name]}
        # What was there before the run is counted after it.
        changed -= {"credits_monthlytotal", "credits_totalsmark"}
        # And who asks to hear of trouble is told of it.
        changed -= {"credits_jobalert"}
        assert changed == {"credits_jobrun", "credits_jobfailure"}
        assert broken_invariants() == {}


class TestBalancesWereReadOutsideTheSession:
    """Two spends that read the same balance both succeeded: a lost update."""

    @pytest.mark.django_db(transaction=True)
    def test_of_two_spends_at_once_that_do_not_both_fit_one_is_refused(self):
        aisha = make_professional(free=100)
        at_once = Barrier(2, timeout=30)

        def spend_sixty(_):
            try:
                at_once.wait()
                return use(aisha, 60)
            except InsufficientCredits as refused:
                return refused.available
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(spend_sixty, range(2)))

        assert 40 in results
        assert balance_of(aisha.pk).free == 40
        assert broken_invariants() == {}

    def test_a_spend_reads_the_balance_it_has_locked(self):
        aisha = make_professional(free=100)

        with CaptureQueriesContext(connection) as statements:
            use(aisha, 60)

        reading = [
            query["sql"]
            for query in statements.captured_queries
            if query["sql"].startswith("SELECT") and "credits_creditbalance" in query["sql"]
        ]
        assert len(reading) == 1
        # SQLite locks the whole database when the transaction begins.
        assert connection.vendor == "sqlite" or "FOR UPDATE" in reading[0]


class TestARefundBecameNewPaidCredits:
    def test_it_goes_back_where_it_came_from_with_the_dates_it_had(self):
        aisha = make_professional(free=100)
        lot = buy(aisha, 50)
        spent = use(aisha, 120)

        undo(spent, at=JULY_15 - timedelta(days=1))

        assert (balance_of(aisha.pk).free, balance_of(aisha.pk).paid) == (100, 50)
        assert list(lots_of(aisha.pk).values_list("pk", "expires_at")) == [(lot.pk, JULY_15)]

    def test_it_is_capped_by_what_was_spent(self):
        aisha = make_professional(paid=50)
        spent = use(aisha, 20)

        with pytest.raises(RefundExceedsSpend):
            undo(spent, 21)

        assert balance_of(aisha.pk).paid == 30

    def test_it_cannot_be_repeated(self):
        aisha = make_professional(paid=50)
        spent = use(aisha, 20)
        undo(spent)

        with pytest.raises(RefundExceedsSpend):
            undo(spent)

        assert balance_of(aisha.pk).paid == 50


class TestExpiredLotsStayedInTheBalanceUntilTheJobRan:
    def test_they_cannot_be_spent_job_or_no_job(self):
        aisha = make_professional(paid=50)

        assert spendable_at(aisha.pk, JULY_15).paid == 0
        with pytest.raises(InsufficientCredits):
            use(aisha, 1, at=JULY_15)


class TestSixMonthsAfter31AugustWas3March:
    def test_it_is_28_february(self):
        lot = buy(make_professional(), 10, at=AUGUST_31)

        assert lot.expires_at == datetime(2027, 2, 28, 12, tzinfo=UTC)


class TestLotsWereUsedByAge:
    def test_the_free_pool_comes_first_then_the_lot_that_expires_soonest(self):
        aisha = make_professional(free=5)
        old_and_lasting = give_lot(aisha, 10, expires_at=AUGUST)
        young_and_fleeting = give_lot(aisha, 10, at=FEBRUARY, expires_at=APRIL)

        use(aisha, 12, at=MARCH)

        for lot in (old_and_lasting, young_and_fleeting):
            lot.refresh_from_db()
        assert balance_of(aisha.pk).free == 0
        assert (old_and_lasting.remaining_amount, young_and_fleeting.remaining_amount) == (10, 3)

    def test_the_older_comes_first_where_two_expire_together(self):
        aisha = make_professional()
        younger = give_lot(aisha, 10, at=FEBRUARY, expires_at=APRIL)
        older = give_lot(aisha, 10, expires_at=APRIL)

        use(aisha, 12, at=MARCH)

        for lot in (older, younger):
            lot.refresh_from_db()
        assert (older.remaining_amount, younger.remaining_amount) == (0, 8)


class TestErrorsInsideAndExit0:
    """``success: true`` in the document, 0 for the shell, and the errors in an array within."""

    @pytest.mark.parametrize("job", ["reset_monthly_credits", "expire_credits"])
    def test_some_that_failed_are_an_exit_code_of_3_and_a_status_of_partial(self, job, clock):
        clock(AUGUST)
        make_professional(paid=10)
        poison(make_professional(paid=10))
        out = StringIO()

        with pytest.raises(CommandError) as failed:
            call_command(job, "--json", stdout=out, stderr=StringIO())

        document = json.loads(out.getvalue())
        assert failed.value.returncode == document["exit_code"] == 3
        assert (document["status"], document["failed"]) == ("partial", 1)
