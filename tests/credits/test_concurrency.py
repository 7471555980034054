"""What happens at the same moment: real threads, each with a connection of its own."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count
from random import Random
from typing import Any

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection, transaction

from credits.engine.database import ATTEMPTS
from credits.exceptions import (
    IdempotencyKeyReused,
    InsufficientCredits,
    LotNotOpen,
    RefundExceedsSpend,
)
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import (
    balance_of,
    grant_bonus,
    history,
    lots_of,
    refund,
)
from credits.ledger.balances import Balance
from credits.models import CreditBalance, CreditTransaction, JobRun, TransactionType
from homezy.models import User, Verification
from tests.acts import ACTS, prepare
from tests.books import broken_invariants
from tests.factories import (
    AUGUST,
    JULY_15,
    MARCH,
    buy,
    give_lot,
    make_professional,
    make_professionals,
    prolong,
    undo,
    use,
)
from tests.faults import (
    Cut,
    Fault,
    RandomFaults,
    end_connection_unnoticed,
    lost_answers,
    passing_error,
    sqlite_error,
)
from tests.threads import Knock, Pause, at_once, in_double_quotes, threads

pytestmark = pytest.mark.django_db(transaction=True)

JUST_BEFORE = JULY_15 - timedelta(microseconds=1)
"""The last moment at which what was bought in January can be spent."""

LOCKED = 'FROM "credits_creditbalance"'
"""In the statement by which an act locks and reads a balance."""

OPENED = 'INTO "credits_creditbalance"'
WRITTEN = 'INTO "credits_credittransaction"'
MOVED = 'UPDATE "credits_creditbalance"'


def reset(**options: Any) -> JobRun:
    return reset_monthly_credits(as_of=MARCH, **options)


def expire(**options: Any) -> JobRun:
    return expire_credits(as_of=AUGUST, **options)


class TestTwoSpendsAtOnce:
    def test_let_one_through_when_only_one_fits(self):
        aisha = make_professional(free=100, paid=50)

        outcomes = at_once(partial(use, aisha, 100), partial(use, aisha, 100))

        (refused,) = [outcome for outcome in outcomes if not isinstance(outcome, list)]
        assert isinstance(refused, InsufficientCredits)
        assert (refused.requested, refused.available) == (100, 50)
        assert balance_of(aisha.pk) == Balance(free=0, paid=50)
        assert broken_invariants() == {}

    def test_the_second_waits_until_it_sees_what_the_first_left(self):
        aisha = make_professional(free=100)
        halfway, knock = Pause(after=LOCKED), Knock()

        with threads() as started:
            first = started.start(partial(use, aisha, 70), halfway)
            halfway.wait()
            second = started.start(partial(use, aisha, 70), knock)
            knock.wait_until_blocked()
            halfway.resume()
            first.result()
            with pytest.raises(InsufficientCredits) as refused:
                second.result()

        assert refused.value.available == 30
        assert balance_of(aisha.pk).total == 30

    def test_lose_no_update_and_no_credit_in_many_rounds(self):
        aisha = make_professional(free=40, paid=30)
        give_lot(aisha, 30, expires_at=JULY_15)

        def spend_often() -> int:
            return sum(self._spends(aisha, amount) for amount in range(1, 11))

        taken = at_once(*[spend_often] * 6)

        # 330 were asked for, 100 were there, and nobody gave up while a credit was left.
        assert sum(taken) == 100
        assert balance_of(aisha.pk) == Balance(0, 0)
        assert broken_invariants() == {}

    @staticmethod
    def _spends(professional: User, amount: int) -> int:
        """Spend an amount, or as much of it as is left; return how much."""
        while amount:
            try:
                use(professional, amount)
            except InsufficientCredits as refused:
                amount = refused.available
            else:
                break
        return amount

    @pytest.mark.engine("postgresql")
    def test_do_not_wait_for_each_other_when_they_are_two_peoples(self):
        aisha, omar = make_professional(free=10), make_professional(free=10)
        halfway = Pause(after=LOCKED)

        with threads() as started:
            started.start(partial(use, aisha, 5), halfway)
            halfway.wait()
            use(omar, 5)
            halfway.resume()

        assert (balance_of(aisha.pk).total, balance_of(omar.pk).total) == (5, 5)


class TestTwoRefundsAtOnce:
    def test_return_no_more_than_was_spent(self):
        aisha = make_professional(free=30, paid=50)
        spent = use(aisha, 60)

        outcomes = at_once(*[partial(undo, spent, 40)] * 3)

        refused = [outcome for outcome in outcomes if isinstance(outcome, RefundExceedsSpend)]
        assert [refusal.refundable for refusal in refused] == [20, 20]
        assert balance_of(aisha.pk).total == 60
        assert broken_invariants() == {}


class TestSpendAndReset:
    def test_a_spend_waits_for_the_chunk_and_uses_what_it_set(self):
        aisha = make_professional(free=30)
        claimed, knock = Pause(before=WRITTEN), Knock()

        with threads() as started:
            resetting = started.start(reset, claimed)
            claimed.wait()
            spending = started.start(partial(use, aisha, 100, at=MARCH), knock)
            knock.wait_until_blocked()
            claimed.resume()
            run = resetting.result()
            (spent,) = spending.result()

        assert (run.success_count, run.credits_granted) == (1, 70)
        assert (spent.balance_before, spent.balance_after) == (100, 0)
        assert broken_invariants() == {}

    def test_a_chunk_waits_for_the_spend_and_resets_what_it_left(self):
        aisha = make_professional(free=120)
        halfway, knock = Pause(after=WRITTEN), Knock()

        with threads() as started:
            spending = started.start(partial(use, aisha, 50, at=MARCH), halfway)
            halfway.wait()
            resetting = started.start(reset, knock)
            knock.wait_until_blocked()
            halfway.resume()
            spending.result()
            run = resetting.result()

        row = history(aisha.pk).first()
        assert (run.credits_granted, run.credits_expired, run.error_count) == (30, 0, 0)
        assert row.metadata == {"previous_free_credits": 70}
        assert (row.balance_before, row.balance_after) == (70, 100)
        assert broken_invariants() == {}


@pytest.mark.engine("postgresql")
class TestVerificationDuringReset:
    """Who is eligible may have another answer in the next statement: a chunk asks once."""

    @staticmethod
    def _verify_while_resetting(professional: User, verification: Verification) -> JobRun:
        claimed = Pause(before=WRITTEN)
        with threads() as started:
            resetting = started.start(reset, claimed)
            claimed.wait()
            professional.verification = verification
            professional.save()
            claimed.resume()
            run = resetting.result()
        assert isinstance(run, JobRun)
        return run

    def test_who_is_verified_too_late_is_left_to_the_next_run(self):
        late = make_professional(free=30, verification=Verification.PENDING)
        make_professional(free=30)

        run = self._verify_while_resetting(late, Verification.BASIC)

        assert (run.success_count, balance_of(late.pk).free) == (1, 30)
        assert broken_invariants() == {}
        assert (reset().success_count, balance_of(late.pk).free) == (1, 100)

    def test_who_is_rejected_too_late_is_reset_as_a_whole(self):
        rejected = make_professional(free=30)

        run = self._verify_while_resetting(rejected, Verification.REJECTED)

        assert (run.success_count, balance_of(rejected.pk).free) == (1, 100)
        assert broken_invariants() == {}


class TestWritesDuringExpiry:
    """The chunk has claimed the professional, and others want to write there."""

    def _while_expiring(self, act: Callable[[], Any]) -> tuple[JobRun, Any]:
        """Start an act while the chunk is halfway; return the run, and what the act came to."""
        claimed, knock = Pause(before=WRITTEN), Knock()
        with threads() as started:
            expiring = started.start(expire, claimed)
            claimed.wait()
            acting = started.start(act, knock)
            knock.wait_until_blocked()
            claimed.resume()
            return expiring.result(), acting.exception() or acting.result()

    def test_a_purchase_waits_and_keeps_its_lot(self):
        aisha = make_professional(paid=50)

        run, lot = self._while_expiring(partial(buy, aisha, 20, at=AUGUST))

        assert run.credits_expired == 50
        assert (lot.balance_before, lot.balance_after, lot.remaining_amount) == (0, 20, 20)
        assert broken_invariants() == {}

    @pytest.mark.parametrize("at", [JUST_BEFORE, AUGUST], ids=["before its expiry", "after it"])
    def test_a_refund_waits_and_grants_a_lot_in_place_of_the_one_written_off(self, at):
        aisha = make_professional(paid=50)
        spent = use(aisha, 20)

        run, (refunded,) = self._while_expiring(partial(undo, spent, at=at))

        # However early the refund was asked for: a lot is written off once and then stays empty.
        assert run.credits_expired == 30
        assert [lot.pk for lot in lots_of(aisha.pk)] == [refunded.pk]
        assert refunded.expires_at == at + timedelta(days=30)
        assert broken_invariants() == {}
        assert expire_credits(as_of=refunded.expires_at).credits_expired == 20
        assert broken_invariants() == {}

    def test_an_extension_asked_for_in_time_comes_too_late(self):
        lot = buy(make_professional(), 50)

        run, outcome = self._while_expiring(partial(prolong, lot, AUGUST, at=JUST_BEFORE))

        assert run.credits_expired == 50
        assert isinstance(outcome, LotNotOpen)
        assert outcome.remaining == 0
        assert broken_invariants() == {}

    def test_a_spend_asked_for_in_time_finds_nothing(self):
        aisha = make_professional(paid=50)

        run, outcome = self._while_expiring(partial(use, aisha, 20, at=JUST_BEFORE))

        assert run.credits_expired == 50
        assert isinstance(outcome, InsufficientCredits)
        assert broken_invariants() == {}

    @pytest.mark.engine("postgresql")
    def test_a_lot_of_somebody_else_that_is_due_when_booked_waits_for_the_next_run(self):
        """Bought long ago, and its payment is only known now: its owner is not locked."""
        omar = make_professional()
        make_professional(paid=50)
        locked = Pause(before=WRITTEN)

        with threads() as started:
            expiring = started.start(expire, locked)
            locked.wait()
            buy(omar, 7)
            locked.resume()
            run = expiring.result()

        assert (run.success_count, run.credits_expired) == (1, 50)
        assert balance_of(omar.pk).paid == 7
        assert broken_invariants() == {}
        assert expire().credits_expired == 7


class TestExpiryDuringWrites:
    """Others are writing, and the chunk wants to claim the professional."""

    def _expire_while(self, act: Callable[[], Any]) -> JobRun:
        halfway, knock = Pause(after=WRITTEN), Knock()
        with threads() as started:
            acting = started.start(act, halfway)
            halfway.wait()
            expiring = started.start(expire, knock)
            knock.wait_until_blocked()
            halfway.resume()
            acting.result()
            run = expiring.result()
        assert isinstance(run, JobRun)
        return run

    @pytest.mark.parametrize(
        ("spent", "written_off"), [(20, 30), (50, 0)], ids=["a part", "everything"]
    )
    def test_a_spend_keeps_what_it_drew(self, spent, written_off):
        aisha = make_professional(paid=50)
        omar = make_professional(paid=7)

        run = self._expire_while(partial(use, aisha, spent, at=JUST_BEFORE))

        assert run.credits_expired == written_off + 7
        # The chunk was done in one go: a lot emptied by others is no fault of anyone's.
        assert (run.status, run.chunk_count) == (JobRun.Status.SUCCEEDED, 1)
        assert balance_of(aisha.pk).total == balance_of(omar.pk).total == 0
        assert broken_invariants() == {}

    def test_an_extension_keeps_what_it_moved(self):
        aisha = make_professional()
        lot = buy(aisha, 50)

        run = self._expire_while(partial(prolong, lot, AUGUST + timedelta(days=1), at=JUST_BEFORE))

        assert (run.status, run.success_count) == (JobRun.Status.SUCCEEDED, 0)
        assert balance_of(aisha.pk).paid == 50
        assert broken_invariants() == {}

    def test_a_refund_is_written_off_with_the_lot_that_it_went_back_to(self):
        aisha = make_professional(paid=50)
        spent = use(aisha, 20)

        run = self._expire_while(partial(undo, spent, at=JUST_BEFORE))

        assert run.credits_expired == 50
        assert balance_of(aisha.pk).total == 0
        assert broken_invariants() == {}

    def test_a_purchase_keeps_its_lot(self):
        aisha = make_professional(paid=50)

        run = self._expire_while(partial(buy, aisha, 20, at=AUGUST))

        assert run.credits_expired == 50
        assert balance_of(aisha.pk).paid == 20
        assert broken_invariants() == {}


class TestFirstTouches:
    def test_two_at_once_open_one_balance(self):
        (aisha,) = make_professionals(1)

        at_once(*[partial(buy, aisha, amount) for amount in (1, 2, 3, 4)])

        assert balance_of(aisha.pk) == Balance(free=0, paid=10)
        assert broken_invariants() == {}

    def test_the_second_waits_for_the_balance_that_the_first_opened(self):
        (aisha,) = make_professionals(1)
        opened, knock = Pause(after=OPENED), Knock()

        with threads() as started:
            first = started.start(partial(buy, aisha, 5), opened)
            opened.wait()
            second = started.start(partial(buy, aisha, 3), knock)
            knock.wait_until_blocked()
            opened.resume()
            first.result()
            assert second.result().balance_before == 5

        assert broken_invariants() == {}

    def test_a_purchase_waits_for_the_balance_that_the_reset_opens(self):
        (aisha,) = make_professionals(1)
        opened, knock = Pause(after=OPENED), Knock()

        with threads() as started:
            resetting = started.start(reset, opened)
            opened.wait()
            buying = started.start(partial(buy, aisha, 5), knock)
            knock.wait_until_blocked()
            opened.resume()
            buying.result()
            assert resetting.result().success_count == 1

        assert balance_of(aisha.pk) == Balance(free=100, paid=5)
        assert broken_invariants() == {}

    def test_the_reset_waits_for_the_balance_that_a_purchase_opens(self):
        (aisha,) = make_professionals(1)
        opened, knock = Pause(after=OPENED), Knock()

        with threads() as started:
            buying = started.start(partial(buy, aisha, 5), opened)
            opened.wait()
            resetting = started.start(reset, knock)
            knock.wait_until_blocked()
            opened.resume()
            buying.result()
            assert resetting.result().success_count == 1

        assert balance_of(aisha.pk) == Balance(free=100, paid=5)
        assert broken_invariants() == {}


class TestOneKeyAtOnce:
    def test_same_call_twice_writes_once_and_answers_twice(self):
        aisha = make_professional(free=10, paid=10)

        outcomes = at_once(*[partial(use, aisha, 15, key="lead-1")] * 4)

        assert len({tuple(row.pk for row in rows) for rows in outcomes}) == 1
        assert balance_of(aisha.pk).total == 5
        assert broken_invariants() == {}

    def test_first_touch_twice_writes_once(self):
        (aisha,) = make_professionals(1)
        grant = partial(
            grant_bonus, professional_id=aisha.pk, amount=5, at=MARCH, idempotency_key="welcome"
        )

        outcomes = at_once(*[grant] * 4)

        assert len({row.pk for row in outcomes}) == 1
        assert balance_of(aisha.pk).total == 5

    def test_other_arguments_are_refused(self):
        aisha = make_professional(free=100)

        outcomes = at_once(*[partial(use, aisha, amount, key="lead-1") for amount in (10, 20)])

        (refused,) = [outcome for outcome in outcomes if not isinstance(outcome, list)]
        assert isinstance(refused, IdempotencyKeyReused)
        assert refused.argument == "amount"
        assert broken_invariants() == {}

    @pytest.mark.parametrize("pool", ["the same pool", "another pool"])
    def test_of_two_professionals_one_is_refused(self, pool):
        """They hold different locks, so both find the key unused."""
        aisha = make_professional(free=10)
        omar = make_professional(free=10) if pool == "the same pool" else make_professional(paid=10)
        written, knock = Pause(after=WRITTEN), Knock()

        with threads() as started:
            winner = started.start(partial(use, aisha, 5, key="lead-1"), written)
            written.wait()
            loser = started.start(partial(use, omar, 5, key="lead-1"), knock)
            knock.wait_until_blocked(unless=loser)
            written.resume()
            (row,) = winner.result()
            with pytest.raises(IdempotencyKeyReused) as refused:
                loser.result()

        assert (refused.value.argument, refused.value.first) == ("professional_id", aisha.pk)
        assert list(CreditTransaction.objects.filter(idempotency_key="lead-1")) == [row]
        assert balance_of(omar.pk).total == 10
        assert broken_invariants() == {}


def on_postgresql(error: Exception) -> Any:
    return pytest.param(
        error, marks=pytest.mark.engine("postgresql"), id=str(error).replace(" ", "-")
    )


def on_sqlite(code: int, name: str) -> Any:
    return pytest.param(sqlite_error(code), marks=pytest.mark.engine("sqlite"), id=name)


PASSING = [
    on_postgresql(psycopg.errors.DeadlockDetected("deadlock detected")),
    on_postgresql(psycopg.errors.SerializationFailure("could not serialize access")),
    on_postgresql(psycopg.errors.LockNotAvailable("lock not available")),
    on_postgresql(psycopg.errors.TooManyConnections("too many clients")),
    on_postgresql(psycopg.errors.AdminShutdown("terminated by administrator")),
    on_postgresql(psycopg.errors.CrashShutdown("crash of another process")),
    on_postgresql(psycopg.errors.CannotConnectNow("starting up")),
    on_postgresql(psycopg.errors.ConnectionFailure("connection failure")),
    on_postgresql(psycopg.OperationalError("server closed the connection")),
    on_sqlite(sqlite3.SQLITE_BUSY, "busy"),
    on_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT, "busy-snapshot"),
    on_sqlite(sqlite3.SQLITE_LOCKED, "locked"),
]

LASTING = [
    on_postgresql(psycopg.errors.QueryCanceled("statement timeout")),
    on_postgresql(psycopg.errors.DiskFull("disk full")),
    on_postgresql(psycopg.errors.OutOfMemory("out of memory")),
    on_sqlite(sqlite3.SQLITE_FULL, "full"),
    on_sqlite(sqlite3.SQLITE_IOERR, "io-error"),
]


class TestPassingErrors:
    @pytest.mark.parametrize("error", PASSING)
    def test_are_not_the_callers_business(self, error):
        aisha = make_professional(free=10)
        fault = Fault(error, at=WRITTEN, times=ATTEMPTS - 1)

        with connection.execute_wrapper(fault):
            (spent,) = use(aisha, 4)

        assert fault.raised == ATTEMPTS - 1
        assert (spent.balance_before, spent.balance_after) == (10, 6)
        assert broken_invariants() == {}

    @pytest.mark.parametrize("error", PASSING)
    def test_are_not_the_jobs_business(self, error):
        make_professional(free=10)
        fault = Fault(error, at=WRITTEN, times=ATTEMPTS - 1)

        with connection.execute_wrapper(fault):
            run = reset()

        assert fault.raised == ATTEMPTS - 1
        assert (run.status, run.success_count) == (JobRun.Status.SUCCEEDED, 1)
        assert broken_invariants() == {}

    def test_are_the_callers_business_after_six_attempts(self):
        aisha = make_professional(free=10)
        fault = Fault(passing_error(), at=WRITTEN, times=float("inf"))

        with connection.execute_wrapper(fault), pytest.raises(OperationalError) as given_up:
            use(aisha, 4)

        assert fault.raised == 6
        assert given_up.value.__cause__.args == passing_error().args
        assert balance_of(aisha.pk).total == 10

    @pytest.mark.parametrize("error", LASTING)
    def test_that_last_are_raised_at_once(self, error):
        aisha = make_professional(free=10)
        fault = Fault(error, at=WRITTEN, times=float("inf"))

        with connection.execute_wrapper(fault), pytest.raises(OperationalError):
            use(aisha, 4)

        assert fault.raised == 1
        assert balance_of(aisha.pk).total == 10

    def test_an_interface_error_passes_as_well(self):
        aisha = make_professional(free=10)
        raised = []

        def break_once(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
            if WRITTEN in in_double_quotes(sql) and not raised:
                raised.append(sql)
                raise InterfaceError("connection already closed")
            return execute(sql, *args)

        with connection.execute_wrapper(break_once):
            use(aisha, 4)

        assert balance_of(aisha.pk).total == 6

    def test_belong_to_whoever_opened_the_transaction(self):
        aisha = make_professional(free=10)
        fault = Fault(passing_error(), at=WRITTEN, times=float("inf"))

        with (
            connection.execute_wrapper(fault),
            pytest.raises(OperationalError),
            transaction.atomic(),
        ):
            use(aisha, 4)

        assert fault.raised == 1


@pytest.mark.engine("postgresql")
class TestDeadlocks:
    """Real ones, by locks taken in opposite orders; the one under test is made to lose."""

    @staticmethod
    def _gives_in_after(patience: str) -> None:
        """Set how long a wait of this connection lasts until it looks, once, for a deadlock."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('deadlock_timeout', %s, false)", [patience])

    def test_a_spend_that_lost_one_succeeds_in_the_end(self):
        aisha = make_professional(paid=50)
        lot = lots_of(aisha.pk).get()
        locked, knock = Pause(after=LOCKED), Knock()
        errors = []

        def spend_patiently() -> list[CreditTransaction]:
            self._gives_in_after("10ms")
            return use(aisha, 20)

        def lock_the_wrong_way_round() -> None:
            self._gives_in_after("1min")
            with transaction.atomic():
                # The lot before the balance: not what anyone in this app does.
                CreditTransaction.objects.select_for_update().get(pk=lot.pk)
                CreditBalance.objects.select_for_update().get(pk=aisha.pk)

        def note_errors(execute: Callable[..., Any], *args: Any) -> Any:
            try:
                return execute(*args)
            except OperationalError as error:
                errors.append(error.__cause__.sqlstate)
                raise

        with threads() as started:
            spending = started.start(spend_patiently, locked, note_errors)
            locked.wait()
            rival = started.start(lock_the_wrong_way_round, knock)
            # The spend comes second, so that there is a deadlock by the time it looks.
            knock.wait_until_blocked()
            locked.resume()
            spending.result()
            rival.result()

        assert errors == ["40P01"]
        assert balance_of(aisha.pk).paid == 30
        assert broken_invariants() == {}

    def test_a_chunk_that_lost_one_succeeds_in_the_end(self):
        aisha, omar = make_professional(free=30), make_professional(free=120)
        knock = Knock()
        errors = []

        def reset_patiently() -> JobRun:
            # It looks once: by then we must have come to wait for it.
            self._gives_in_after("1s")
            return reset()

        def note_errors(execute: Callable[..., Any], *args: Any) -> Any:
            try:
                return execute(*args)
            except OperationalError as error:
                errors.append(error.__cause__.sqlstate)
                raise

        self._gives_in_after("1min")
        with threads() as started:
            with transaction.atomic():
                use(omar, 10, at=MARCH)
                resetting = started.start(reset_patiently, note_errors, knock)
                # It has claimed Aisha's balance and waits for Omar's.
                knock.wait_until_blocked()
                use(aisha, 10, at=MARCH)
            run = resetting.result()

        assert errors == ["40P01"]
        assert (run.status, run.success_count, run.chunk_count) == ("succeeded", 2, 1)
        assert (run.credits_granted, run.credits_expired) == (80, 10)
        assert broken_invariants() == {}


@pytest.mark.engine("postgresql")
class TestStricterIsolation:
    def test_a_spend_that_cannot_be_serialized_is_done_again(self):
        aisha = make_professional(free=100)
        halfway, knock = Pause(after=WRITTEN), Knock()

        def spend_strictly() -> list[CreditTransaction]:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"
                )
            return use(aisha, 30)

        with threads() as started:
            first = started.start(spend_strictly, halfway)
            halfway.wait()
            second = started.start(spend_strictly, knock)
            knock.wait_until_blocked()
            halfway.resume()
            first.result()
            (spent,) = second.result()

        assert (spent.balance_before, spent.balance_after) == (70, 40)
        assert broken_invariants() == {}


@pytest.mark.engine("sqlite")
class TestBusyDatabase:
    def test_a_spend_that_found_it_locked_is_done_again(self):
        aisha = make_professional(free=100)
        halfway = Pause(after=WRITTEN)
        errors = []

        def release_when_refused(execute: Callable[..., Any], *args: Any) -> Any:
            try:
                return execute(*args)
            except OperationalError as error:
                errors.append(error.__cause__.sqlite_errorname)
                halfway.resume()
                first.result()
                raise

        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 1")
        try:
            with threads() as started:
                first = started.start(partial(use, aisha, 30), halfway)
                halfway.wait()
                with connection.execute_wrapper(release_when_refused):
                    (spent,) = use(aisha, 30)
        finally:
            connection.close()

        assert errors == ["SQLITE_BUSY"]
        assert (spent.balance_before, spent.balance_after) == (70, 40)


class TestLostAnswer:
    """The transaction is committed, and its client never hears of it."""

    @pytest.mark.parametrize("name", ACTS)
    def test_is_the_answer_of_the_next_attempt(self, name):
        act = prepare(name)
        ledger = CreditTransaction.objects.order_by("pk")
        before = ledger.count()

        with lost_answers() as lost:
            written = act()

        assert len(lost) == 1
        assert list(ledger[before:]) == written
        assert broken_invariants() == {}

    @pytest.mark.parametrize("name", ACTS)
    def test_is_the_answer_of_who_asks_again(self, name):
        """In a transaction of the caller's there is one attempt: the caller makes the next."""
        act = prepare(name)
        ledger = CreditTransaction.objects.order_by("pk")
        before = ledger.count()
        with lost_answers(), pytest.raises(OperationalError), transaction.atomic():
            act()

        written = act()

        assert list(ledger[before:]) == written
        assert broken_invariants() == {}


@pytest.mark.engine("postgresql")
class TestBrokenConnection:
    @pytest.fixture(autouse=True)
    def _close(self):
        yield
        connection.close()

    @pytest.mark.parametrize("at", [LOCKED, WRITTEN, MOVED], ids=["lock", "row", "balance"])
    def test_in_the_middle_of_an_act_is_replaced(self, at):
        aisha = make_professional(free=10)
        cut = Cut(at=at)

        with connection.execute_wrapper(cut):
            (spent,) = use(aisha, 4)

        assert cut.done
        assert (spent.balance_before, spent.balance_after) == (10, 6)
        assert broken_invariants() == {}

    def test_before_an_act_is_replaced(self):
        """As when the server was restarted while a worker had nothing to do."""
        aisha = make_professional(free=10)
        end_connection_unnoticed()

        use(aisha, 4)

        assert balance_of(aisha.pk).total == 6

    def test_that_somebody_else_has_met_is_replaced(self):
        """The host's own query failed on it; Django drops it at the end of the request only."""
        aisha = make_professional(free=10)
        end_connection_unnoticed()
        with pytest.raises(OperationalError):
            User.objects.count()

        use(aisha, 4)

        assert balance_of(aisha.pk).total == 6


class TestLifeGoesOn:
    PERIODS = 3
    SPENDERS = 4
    ROUNDS = 40

    def test_while_both_jobs_run_and_the_database_complains(self):
        """Spends, purchases and refunds from four threads, both jobs in chunks of three."""
        crowd = [make_professional(free=20, paid=40) for _ in range(12)]
        due = [buy(professional, 5, at=JULY_15 - timedelta(days=400)) for professional in crowd]
        keys = count(1)
        faults = [RandomFaults(seed=seed, one_in=100) for seed in range(self.SPENDERS + 2)]

        def live(seed: int) -> Counter[str]:
            random = Random(seed)
            done: Counter[str] = Counter()
            spent: list[str] = []
            for _ in range(self.ROUNDS):
                someone = random.choice(crowd)
                what = random.choice(["spend", "spend", "purchase", "refund"])
                key = f"{seed}-{next(keys)}"
                try:
                    if what == "spend":
                        use(someone, random.randint(1, 30), at=MARCH, key=key)
                        spent.append(key)
                    elif what == "purchase":
                        buy(someone, random.randint(1, 30), at=MARCH)
                    elif spent:
                        refund(spend_key=spent.pop(), at=MARCH, idempotency_key=key)
                except InsufficientCredits:
                    what = "refused"
                done[what] += 1
            return done

        def reset_in_turn() -> list[JobRun]:
            return [
                reset_monthly_credits(as_of=MARCH, period=f"2026-0{month}", chunk_size=3)
                for month in range(1, self.PERIODS + 1)
            ]

        def expire_often() -> list[JobRun]:
            return [expire_credits(as_of=MARCH, chunk_size=3) for _ in range(self.PERIODS)]

        with threads() as started:
            lives = [
                started.start(partial(live, seed), faults[seed]) for seed in range(self.SPENDERS)
            ]
            resetting = started.start(reset_in_turn, faults[-1])
            expiring = started.start(expire_often, faults[-2])
            resets, expiries = resetting.result(), expiring.result()
            done = sum((life.result() for life in lives), Counter())

        assert done.total() == self.SPENDERS * self.ROUNDS
        assert sum(fault.raised for fault in faults) > 5
        assert [run.success_count for run in resets] == [len(crowd)] * self.PERIODS
        assert sum(run.success_count for run in expiries) == len(due)
        assert broken_invariants() == {}
        written_off = CreditTransaction.objects.filter(transaction_type=TransactionType.EXPIRY)
        assert {row.origin_id for row in written_off} == {lot.pk for lot in due}
