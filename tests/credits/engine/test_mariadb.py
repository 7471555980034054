"""credits.engine.mariadb and mariadb_tables: what makes up for what MariaDB lacks."""

from io import StringIO
from threading import Event

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.utils import timezone

from credits.engine import mariadb, mariadb_tables, totals, triggers
from credits.engine.database import enter_ledger, is_about_the_data, is_transient, lock_key
from credits.engine.inserting import insert_unless_there
from credits.engine.seals import check_seals
from credits.engine.totals import roll_up
from credits.ledger import grant_bonus
from credits.models import (
    CreditAllocation,
    CreditBalance,
    CreditTransaction,
    DaySeal,
    JobPause,
    JobRun,
)
from tests.factories import JANUARY, buy, give, make_professional, make_run, make_user, use
from tests.faults import Fault, mariadb_error
from tests.sealing import close_day
from tests.threads import TIMEOUT, Knock, Pause, threads

pytestmark = pytest.mark.engine("mariadb")

transactional = pytest.mark.django_db(transaction=True)


def execute(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def holding(*, written: Event, may_commit: Event, act):
    with transaction.atomic():
        act()
        written.set()
        assert may_commit.wait(TIMEOUT)


@transactional
class TestLockName:
    def test_is_held_until_the_transaction_ends(self):
        locked, may_commit, knock = Event(), Event(), Knock()

        def lock() -> None:
            lock_key("lead-1", using="default")

        with threads() as started:
            first = started.start(lambda: holding(written=locked, may_commit=may_commit, act=lock))
            assert locked.wait(TIMEOUT)
            second = started.start(transaction.atomic(lock), knock)
            knock.wait_until_blocked()
            was_kept = not second.done()
            may_commit.set()
            first.result(TIMEOUT)
            second.result(TIMEOUT)

        assert was_kept

    def test_is_given_back_by_a_rollback(self):
        with transaction.atomic():
            lock_key("lead-1", using="default")
            transaction.set_rollback(True)

        with threads() as started:
            started.start(transaction.atomic(lambda: lock_key("lead-1", using="default"))).result(
                TIMEOUT
            )

    def test_says_what_to_do_where_its_rows_are_gone(self):
        execute(f"DELETE FROM {mariadb.TABLE}")

        with (
            pytest.raises(ProgrammingError, match=r"run manage.py migrate\."),
            transaction.atomic(),
        ):
            lock_key("lead-1", using="default")

        assert mariadb_tables.lacking(using="default") == ["credits_lock has not all of its rows"]
        call_command("migrate", verbosity=0)
        assert mariadb_tables.lacking(using="default") == []


@transactional
class TestTheGates:
    """Of what is counted nobody can still bring a lower key; and nobody waits for anybody."""

    @pytest.mark.parametrize("steps", [0, 1, 2, 3])
    def test_hold_back_what_an_open_transaction_may_precede(self, steps):
        """However often others have counted between its choice of a gate and its key."""
        slow, fast = make_professional(), make_professional()
        roll_up(using="default")
        entered, written, may_commit = Pause(after=mariadb.TABLE), Event(), Event()

        with threads() as started:
            writer = started.start(
                lambda: holding(written=written, may_commit=may_commit, act=lambda: give(slow, 7)),
                entered,
            )
            entered.wait()
            for _ in range(steps):
                roll_up(using="default")
            entered.resume()
            assert written.wait(TIMEOUT)
            buy(fast, 11)
            counted = [roll_up(using="default") for _ in range(3)]
            may_commit.set()
            writer.result(TIMEOUT)

        assert counted == [0, 0, 0]
        assert roll_up(using="default") == 2
        assert totals.mend(using="default") == 0

    def test_are_not_waited_for(self):
        make_professional()
        entered, may_commit = Event(), Event()

        def enter() -> None:
            enter_ledger(using="default")

        with threads() as started:
            writer = started.start(
                lambda: holding(written=entered, may_commit=may_commit, act=enter)
            )
            assert entered.wait(TIMEOUT)
            # In this thread: it would hang.
            roll_up(using="default")
            roll_up(using="default")
            may_commit.set()
            writer.result(TIMEOUT)

    def test_keep_nobody_waiting_while_somebody_counts(self):
        aisha = make_professional()
        locked, may_commit = Event(), Event()

        def count() -> None:
            with transaction.atomic():
                totals._mariadb_step(using="default")  # noqa: SLF001
                locked.set()
                assert may_commit.wait(TIMEOUT)

        with threads() as started:
            counting = started.start(count)
            assert locked.wait(TIMEOUT)
            give(aisha, 5)
            may_commit.set()
            counting.result(TIMEOUT)

        assert roll_up(using="default") == 1

    def test_are_missed_by_nobody_under_a_storm(self):
        """Writers and counters side by side: at each moment the totals are those of their rows."""
        users = [make_professional() for _ in range(4)]
        stop = Event()

        def write(user) -> None:
            for _ in range(25):
                give(user, 1)

        def count() -> list[int]:
            wrong = []
            while not stop.is_set():
                roll_up(using="default")
                with connection.cursor() as cursor:
                    cursor.execute(totals.offenders(using="default"))
                    wrong += cursor.fetchall()
            return wrong

        with threads() as started:
            counters = [started.start(count) for _ in range(2)]
            writers = [started.start(lambda user=user: write(user)) for user in users]
            for writer in writers:
                writer.result(TIMEOUT)
            stop.set()
            wrong = [counter.result(TIMEOUT) for counter in counters]

        roll_up(using="default")
        assert wrong == [[], []]
        assert totals.mend(using="default") == 0


@pytest.mark.django_db
class TestASession:
    @pytest.mark.parametrize(
        ("setting", "complaint"),
        [
            ("sql_mode = 'STRICT_TRANS_TABLES'", "lacks SIMULTANEOUS_ASSIGNMENT"),
            ("sql_mode = 'SIMULTANEOUS_ASSIGNMENT'", "is not strict"),
            ("SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "are REPEATABLE-READ"),
            ("check_constraint_checks = 0", "checks no constraints"),
            ("foreign_key_checks = 0", "checks no constraints or no foreign keys"),
        ],
    )
    def test_that_would_count_wrong_writes_nothing(self, setting, complaint):
        aisha = make_professional()
        before = "SELECT @@sql_mode, @@tx_isolation"
        ((sql_mode, _),) = execute(before)
        with connection.cursor() as cursor:
            cursor.execute(f"SET {setting}")
        try:
            with pytest.raises(ImproperlyConfigured, match=complaint), transaction.atomic():
                give(aisha, 5)
            (message,) = mariadb.complaints(using="default")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET sql_mode = %s", [sql_mode])
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                cursor.execute("SET check_constraint_checks = 1, foreign_key_checks = 1")

        assert complaint in message[0]
        assert not CreditTransaction.objects.exists()
        assert mariadb.complaints(using="default") == []


@pytest.mark.django_db
class TestConditionalConstraints:
    def test_let_one_run_of_a_job_be_active(self):
        make_run(status=JobRun.Status.RUNNING)
        make_run(status=JobRun.Status.SUCCEEDED)

        with pytest.raises(IntegrityError, match="credits_job_has_one_active_run"):
            make_run(status=JobRun.Status.RUNNING)

    def test_let_a_job_be_paused_once_at_a_time(self):
        now = timezone.now()
        for resumed_at in (now, now, None):
            JobPause.objects.create(job="x", reason="y", paused_at=now, resumed_at=resumed_at)

        with pytest.raises(IntegrityError, match="credits_job_is_paused_once_at_a_time"):
            JobPause.objects.create(job="x", reason="y", paused_at=now)

    def test_are_made_again_by_migrate(self):
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX credits_job_has_one_active_run ON credits_jobrun")

        lacking = mariadb_tables.lacking(using="default")
        call_command("migrate", verbosity=0)

        assert lacking == [
            "the unique index credits_job_has_one_active_run of credits_jobrun is missing"
        ]
        assert mariadb_tables.lacking(using="default") == []

    def test_are_left_out_where_rows_break_them_and_missed_on(self):
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX credits_job_has_one_active_run ON credits_jobrun")
        make_run(status=JobRun.Status.RUNNING)
        make_run(status=JobRun.Status.RUNNING)

        call_command("migrate", verbosity=0)

        assert "credits_job_has_one_active_run" in str(mariadb_tables.lacking(using="default"))


@pytest.mark.django_db
class TestTexts:
    def test_that_differ_in_case_or_a_space_are_two(self):
        aisha = make_professional()
        for key in ("lead-1", "Lead-1", "lead-1 "):
            grant_bonus(professional_id=aisha.pk, amount=5, at=JANUARY, idempotency_key=key)

        assert CreditTransaction.objects.count() == 3

    def test_are_compared_loosely_nowhere(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE credits_jobclaim MODIFY job varchar(32) NOT NULL"
                " COLLATE utf8mb4_general_ci"
            )

        lacking = mariadb_tables.lacking(using="default")
        call_command("migrate", verbosity=0)

        assert lacking == ["credits_jobclaim.job takes A for a"]
        assert mariadb_tables.lacking(using="default") == []


@pytest.mark.django_db
class TestTruncate:
    @pytest.fixture
    def books(self):
        aisha = make_professional()
        buy(aisha, 10)
        use(aisha, 8)
        close_day()

    @pytest.mark.parametrize("model", triggers.CHANGEABLE)
    def test_is_refused(self, books, model):
        with pytest.raises(DatabaseError, match="Cannot truncate a table referenced"):
            execute(f"TRUNCATE {model._meta.db_table}")

        assert model.objects.exists()

    @pytest.mark.parametrize("model", triggers.CHANGEABLE)
    def test_without_a_look_at_foreign_keys_is_seen_by_the_seals(self, books, model):
        """Nothing refuses it: credits.W013 says so."""
        with connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            cursor.execute(f"TRUNCATE {model._meta.db_table}")
            cursor.execute("SET foreign_key_checks = 1")

        assert check_seals(
            keys=[settings.CREDITS["SEAL_KEY"]], as_of=JANUARY, using="default"
        ).breaches

    def test_is_named_by_verify_credits_where_nothing_refuses_it(self, books):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {mariadb_tables.KEEPER}")
        said = StringIO()

        with pytest.raises(CommandError, match="1 of "):
            call_command("verify_credits", stdout=said)
        call_command("migrate", verbosity=0)

        assert (
            "BROKEN  triggers: nothing keeps credits_creditallocation from TRUNCATE; manage.py"
            " migrate mends it" in said.getvalue()
        )

    @pytest.mark.parametrize("model", [CreditAllocation, DaySeal])
    def test_is_warned_of_where_nothing_refuses_it(self, model):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {mariadb_tables.KEEPER}")

        lacking = mariadb_tables.lacking(using="default")
        call_command("migrate", verbosity=0)

        assert f"nothing keeps {model._meta.db_table} from TRUNCATE" in lacking
        assert mariadb_tables.lacking(using="default") == []


@pytest.mark.django_db
class TestAnAccountThatMayCreateNoTrigger:
    def test_is_told_what_to_ask_for(self):
        refusal = mariadb_error(1419, "You do not have the SUPER privilege")
        fault = Fault(refusal, at="CREATE OR REPLACE TRIGGER")

        with (
            connection.execute_wrapper(fault),
            pytest.raises(CommandError, match=r"log_bin_trust_function_creators = 1"),
        ):
            call_command("migrate", verbosity=0)


@pytest.mark.django_db
class TestForeignKeys:
    def test_delete_nothing_along(self):
        """What they delete no trigger sees."""
        assert not execute(
            "SELECT table_name, constraint_name FROM information_schema.referential_constraints"
            " WHERE constraint_schema = DATABASE() AND table_name LIKE 'credits_%%'"
            " AND (delete_rule NOT IN ('RESTRICT', 'NO ACTION')"
            " OR update_rule NOT IN ('RESTRICT', 'NO ACTION'))"
        )


@transactional
class TestInsertUnlessThere:
    def test_leaves_what_is_there(self):
        aisha = make_professional(free=5)

        insert_unless_there(CreditBalance(professional_id=aisha.pk), using="default")

        assert CreditBalance.objects.get().free_credits == 5

    def test_refuses_what_no_constraint_allows(self):
        """INSERT IGNORE would let it pass, or leave it out without a word."""
        balance = CreditBalance(professional_id=make_user().pk, free_credits=-1)

        with pytest.raises(IntegrityError):
            insert_unless_there(balance, using="default")


class TestErrors:
    @pytest.mark.parametrize(
        ("number", "passes"),
        [
            *((number, True) for number in (0, 1020, 1205, 1213, 2006, 2013)),
            *((number, False) for number in (1030, 1114, 1317, 1644)),
        ],
    )
    def test_pass_by_themselves_or_not(self, number, passes):
        error = OperationalError()
        error.__cause__ = mariadb_error(number, "words")

        assert is_transient(error) == passes
        assert is_about_the_data(error) == (number == 1644)
