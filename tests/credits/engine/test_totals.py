"""credits.engine.totals: what the ledger adds up to, without reading it."""

from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from credits.engine.totals import Total, mend, monthly_totals, recount, roll_up
from credits.jobs.expiry import expire_credits
from credits.models import CreditTransaction, MonthlyTotal, TotalsMark
from tests.factories import (
    AUGUST,
    FEBRUARY,
    JANUARY,
    MARCH,
    buy,
    give,
    make_professional,
    undo,
    use,
)
from tests.tampering import guards_down
from tests.threads import TIMEOUT, Pause, threads


def count_up() -> int:
    return roll_up(using="default")


def totals() -> list[Total]:
    return monthly_totals(using="default")


@pytest.mark.django_db
class TestMonthlyTotals:
    def test_are_none_of_an_empty_ledger(self):
        assert totals() == []

    def test_add_up_a_month_by_type_and_pool(self):
        aisha = make_professional(free=30, at=JANUARY)
        give(aisha, 5, at=JANUARY)
        use(aisha, 10, at=FEBRUARY)

        assert totals() == [
            Total("2026-01", "bonus", "free", "", 2, 35, Decimal(0)),
            Total("2026-02", "spend", "free", "", 1, -10, Decimal(0)),
        ]

    def test_follow_the_money(self):
        aisha = make_professional(paid=50, at=JANUARY)
        undo(use(aisha, 20, at=FEBRUARY), 5, at=MARCH)
        expire_credits(as_of=AUGUST)

        worth = [(row.period, row.transaction_type, row.price) for row in totals() if row.price]

        assert worth == [
            ("2026-01", "purchase", 250),
            ("2026-02", "spend", -100),
            ("2026-03", "refund", 25),
            ("2026-08", "expiry", -175),
        ]

    def test_are_the_same_however_much_was_counted(self):
        aisha = make_professional(free=30, paid=50)
        before = totals()
        count_up()

        assert totals() == before
        use(aisha, 60)
        after = totals()
        assert after != before
        count_up()
        assert totals() == after

    def test_count_no_row_twice_that_is_counted_meanwhile(self):
        aisha = make_professional(free=30, paid=50)
        count_up()
        use(aisha, 60)
        before = totals()

        def count_before_the_rest(execute, sql, params, many, context):
            if "t.id >" in sql and not counting:
                counting.append(sql)
                count_up()
            return execute(sql, params, many, context)

        counting: list[str] = []
        with connection.execute_wrapper(count_before_the_rest):
            assert totals() == before
        assert counting

    def test_ask_twice(self, django_assert_num_queries):
        make_professional(free=30)
        count_up()

        with django_assert_num_queries(2):
            totals()


# Not in a transaction of the test's own: it would be open for ever, and counting waits for it.
@pytest.mark.django_db(transaction=True)
class TestRollUp:
    def test_counts_everything_once(self):
        aisha = make_professional(free=30, paid=50)

        assert [count_up(), count_up()] == [2, 0]
        use(aisha, 60)
        assert [count_up(), count_up()] == [2, 0]
        kept = sum(MonthlyTotal.objects.values_list("transaction_count", flat=True))
        assert kept == CreditTransaction.objects.count() == 4

    def test_leaves_room_for_the_first_key_where_there_is_no_row_yet(self):
        assert count_up() == 0

        assert TotalsMark.objects.get().through == 0

    def test_is_joined_by_what_came_since(self):
        aisha = make_professional(paid=50)
        count_up()
        buy(aisha, 7)

        uncounted = totals()

        assert uncounted == [
            Total("2026-01", "purchase", "paid", "", 2, 57, Decimal(0)),
            Total("2026-01", "purchase", "paid", "AED", 0, 0, Decimal(285)),
        ]
        count_up()
        assert totals() == uncounted

    def test_counts_what_was_booked_for_an_earlier_month(self):
        aisha = make_professional(free=30, at=MARCH)
        count_up()
        give(aisha, 5, at=JANUARY)
        count_up()

        assert [(row.period, row.amount) for row in totals()] == [("2026-01", 5), ("2026-03", 30)]

    @pytest.mark.engine("postgresql", "mariadb")
    def test_waits_for_a_lower_key_that_is_not_committed(self):
        slow, fast = make_professional(), make_professional()
        count_up()
        written, may_commit = Event(), Event()

        def write_slowly() -> None:
            try:
                with transaction.atomic():
                    buy(slow, 7)
                    written.set()
                    may_commit.wait(TIMEOUT)
            finally:
                connection.close()

        writer = Thread(target=write_slowly)
        writer.start()
        assert written.wait(TIMEOUT)
        buy(fast, 11)

        assert count_up() == 0
        assert sum(row.amount for row in totals()) == 11
        may_commit.set()
        writer.join()
        assert sum(row.amount for row in totals()) == 18
        assert count_up() == 2
        assert sum(row.amount for row in totals()) == 18

    @pytest.mark.engine("postgresql", "mariadb")
    def test_waits_for_a_lower_key_of_a_transaction_that_began_last(self):
        # The one that is done has the lower transaction id and the higher key.
        slow, fast = make_professional(paid=1), make_professional(paid=1)
        count_up()
        written, may_commit = Event(), Event()

        def write_slowly() -> None:
            with transaction.atomic():
                buy(slow, 7)
                written.set()
                assert may_commit.wait(TIMEOUT)

        with threads() as started:
            locked = Pause(after="FOR UPDATE")
            done = started.start(lambda: buy(fast, 11), locked)
            locked.wait()
            writer = started.start(write_slowly)
            assert written.wait(TIMEOUT)
            locked.resume()
            done.result(TIMEOUT)

            assert count_up() == 0
            may_commit.set()
            writer.result(TIMEOUT)

        assert count_up() == 2
        assert sum(row.amount for row in totals()) == 20

    @pytest.mark.engine("postgresql")
    def test_notes_no_end_that_begins_between_its_look_and_its_lock(self):
        # Whoever comes after the look at the end of the ledger is beyond that end.
        slow, fast = make_professional(paid=1), make_professional(paid=1)
        count_up()
        written, may_commit = Event(), Event()

        def write_slowly() -> None:
            with transaction.atomic():
                buy(slow, 7)
                written.set()
                assert may_commit.wait(TIMEOUT)

        with threads() as started:
            looked = Pause(after="MAX(id)")
            counting = started.start(count_up, looked)
            looked.wait()
            writer = started.start(write_slowly)
            assert written.wait(TIMEOUT)
            buy(fast, 11)
            looked.resume()
            counting.result(TIMEOUT)
            count_up()
            may_commit.set()
            writer.result(TIMEOUT)

        count_up()
        assert sum(row.amount for row in totals()) == 20

    @pytest.mark.engine("postgresql")
    def test_notes_nothing_in_a_transaction_that_wrote_before(self):
        make_professional(paid=1)
        count_up()
        before = TotalsMark.objects.get()

        with transaction.atomic():
            make_professional(paid=1)
            assert count_up() == 0

        after = TotalsMark.objects.get()
        assert (after.through, after.next_through) == (before.through, before.next_through)
        assert count_up() == 1

    @pytest.mark.engine("postgresql")
    def test_forgets_a_mark_from_the_future(self):
        make_professional(free=30)
        TotalsMark.objects.update_or_create(pk=1, defaults={"next_horizon": 2**40})

        assert count_up() == 1


@pytest.mark.django_db(transaction=True)
class TestRecount:
    def test_mends_what_is_wrong(self):
        make_professional(free=30)
        count_up()
        before = totals()
        MonthlyTotal.objects.update(amount=7)

        assert recount(using="default") == 1

        assert totals() == before

    def test_begins_with_the_first_key_there_can_be(self):
        make_professional(free=30)
        with guards_down():
            CreditTransaction.objects.update(id=1)

        assert recount(using="default") == 1


@pytest.mark.django_db(transaction=True)
class TestMend:
    def test_leaves_right_totals_alone(self):
        make_professional(free=30)
        count_up()

        assert mend(using="default") == 0

    @pytest.mark.parametrize("column", ["transaction_count", "amount", "price"])
    def test_counts_again_where_one_is_wrong(self, column):
        make_professional(free=30, paid=50)
        count_up()
        before = totals()
        MonthlyTotal.objects.update(**{column: 7})

        assert mend(using="default") == 2

        assert totals() == before
