"""What is left when a process is killed: real processes, ended with -9 or asked to end."""

import os
import shlex
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import count
from subprocess import Popen

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from credits.exceptions import LeaseLost
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.running import Watch
from credits.models import CreditBalance, CreditTransaction, JobRun
from credits.periods import period_of
from homezy.models import User, Verification
from tests.books import broken_invariants
from tests.crowds import crowd
from tests.factories import (
    AUGUST,
    JULY_15,
    MARCH,
    make_professional,
    make_professionals,
)
from tests.processes import (
    Child,
    Tell,
    at_statement,
    die,
    manage,
    run_in_child,
    stop,
)
from tests.threads import TIMEOUT, Knock, eventually, somebody_waits_for_us, threads

pytestmark = pytest.mark.django_db(transaction=True)

Job = Callable[..., JobRun]

FEW, MANY = 1_000, 6_000

A_CROWD = 10_000
CHUNK = 500

WRITTEN = 'INTO "credits_credittransaction"'

KILLED = -signal.SIGKILL

reset = partial(reset_monthly_credits, as_of=MARCH)
expire = partial(expire_credits, as_of=AUGUST)


def kill_between_chunks(job: Job) -> int:
    """Run a job in a process that is killed when four chunks are committed."""
    chunks = count(1)

    def die_after_four(written: int) -> None:
        if next(chunks) == 4:
            die()

    return run_in_child(lambda: job(watch=Watch(progress=die_after_four)))


def kill_inside_a_chunk(job: Job) -> int:
    """Run a job in a process that is killed when it has locked its fourth chunk."""

    def run() -> None:
        with at_statement(WRITTEN, 4, die):
            job()

    return run_in_child(run)


def kill_inside_a_statement(job: Job) -> int:
    """Run a job in a process that is killed from outside while the database writes for it."""

    def run(tell: Tell) -> None:
        with at_statement(WRITTEN, 4, lambda: tell("now")):
            job()

    with Child(run) as child:
        assert child.hear() == "now"
        child.kill()
        return child.wait()


class TestKilledAmongManyProfessionals:
    """Ten thousand, in twenty chunks: killed three times, and in the end all are done."""

    def test_reset_once_each(self):
        with crowd(A_CROWD) as professionals:
            held = professionals.aggregate(sum=Sum("credit_balance__free_credits"))["sum"]

            self._kill_and_finish(partial(reset, chunk_size=CHUNK))

            resets = CreditTransaction.objects.filter(transaction_type="monthly_reset")
            assert resets.count() == resets.values("professional").distinct().count() == A_CROWD
            assert not CreditBalance.objects.exclude(free_credits=100).exists()
            assert resets.aggregate(sum=Sum("amount"))["sum"] == 100 * A_CROWD - held

    def test_expired_once_each(self):
        with crowd(A_CROWD, lots_expire_at=JULY_15):
            self._kill_and_finish(partial(expire, chunk_size=CHUNK))

            expiries = CreditTransaction.objects.filter(transaction_type="expiry")
            assert expiries.count() == expiries.values("origin").distinct().count() == A_CROWD
            assert not CreditBalance.objects.exclude(paid_credits=0).exists()
            assert not CreditTransaction.objects.filter(remaining_amount__gt=0).exists()

    @staticmethod
    def _kill_and_finish(job: Job) -> None:
        for kill in (kill_between_chunks, kill_inside_a_chunk, kill_inside_a_statement):
            assert kill(job) == KILLED
            assert broken_invariants() == {}

        last = job()

        *killed, finished = JobRun.objects.order_by("pk")
        assert [run.status for run in killed] == ["interrupted"] * 3
        assert (finished, finished.status) == (last, "succeeded")
        assert [run.success_count for run in killed[:2]] == [4 * CHUNK, 3 * CHUNK]
        # When the third signal came the fourth chunk may just have been done; whole chunks anyway.
        assert [run.success_count % CHUNK for run in killed] == [0, 0, 0]
        assert sum(run.success_count for run in (*killed, finished)) == A_CROWD
        assert broken_invariants() == {}


class TestMemory:
    """What a run needs does not grow with the professionals."""

    @pytest.mark.parametrize(
        ("job", "lots_expire_at"), [(reset, None), (expire, JULY_15)], ids=["reset", "expiry"]
    )
    def test_of_many_is_that_of_few(self, job, lots_expire_at):
        # The first time much is read that is kept for ever.
        _, few, many = (self._peak(job, count, lots_expire_at) for count in (FEW, FEW, MANY))

        # Less than a number for each professional.
        assert many - few < 24 * (MANY - FEW)

    @staticmethod
    def _peak(job: Job, professionals: int, lots_expire_at: datetime | None) -> int:
        """Return how many bytes of Python's a run needs at most."""
        with crowd(professionals, lots_expire_at=lots_expire_at):
            tracemalloc.start()
            try:
                run = job(chunk_size=CHUNK)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert run.success_count == professionals
        return peak


class TestFrozen:
    """Not dead, only asleep: another run takes over, and then the sleeper wakes."""

    def test_between_two_chunks_writes_nothing_more(self):
        crowd_ids = [professional.pk for professional in make_professionals(6)]
        CreditBalance.objects.bulk_create(CreditBalance(pk=key) for key in crowd_ids)

        def sleep_after_the_first_chunk() -> None:
            chunks = count(1)
            watch = Watch(progress=lambda _: stop() if next(chunks) == 1 else None)
            with pytest.raises(LeaseLost):
                reset(chunk_size=2, watch=watch)

        with Child(lambda tell: sleep_after_the_first_chunk()) as child:
            child.wait_until_stopped()
            # Its last sign of life was long ago.
            JobRun.objects.update(heartbeat_at=MARCH)
            awake = reset(chunk_size=2, limit=2)
            child.wake()
            assert child.wait() == 0

        asleep = JobRun.objects.exclude(pk=awake.pk).get()
        assert (asleep.status, asleep.success_count) == ("interrupted", 2)
        assert (awake.status, awake.success_count) == ("succeeded", 2)
        assert reset().success_count == 2
        assert broken_invariants() == {}


@pytest.mark.engine("postgresql")
class TestServerOfTheDead:
    def test_works_on_for_a_killed_client_and_in_the_end_in_vain(self):
        """Its client is dead, it waits for a lock, holds others, and will go on when it gets it."""
        for amount in (10, 20, 120, 30):
            make_professional(free=amount)
        knock = Knock()

        def stop_in_the_second_chunk() -> None:
            with at_statement(WRITTEN, 2, stop):
                reset(chunk_size=2)

        with Child(lambda tell: stop_in_the_second_chunk()) as child, threads() as started:
            child.wait_until_stopped()
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE credits_credittransaction IN SHARE MODE")
                child.wake()
                eventually(somebody_waits_for_us)
                child.kill()
                assert child.wait() == KILLED
                following = started.start(partial(reset, chunk_size=2), knock)
                knock.wait_until_blocked()
            run = following.result()

        dead = JobRun.objects.exclude(pk=run.pk).get()
        assert (dead.status, dead.success_count) == ("interrupted", 2)
        assert (run.status, run.success_count) == ("succeeded", 2)
        assert broken_invariants() == {}


@contextmanager
def kept_from_committing(process: "Popen[str]") -> Iterator[None]:
    """Let a run get no further than the chunk that it is in."""
    if connection.vendor != "sqlite":
        with transaction.atomic():
            JobRun.objects.select_for_update().get()
            yield
        return
    # Its lock is not given in turn: a run that asks again at once may have it to its end.
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    yield
    process.send_signal(signal.SIGCONT)


class TestCommands:
    """manage.py itself, asked to stop by the signals that people and supervisors send."""

    @pytest.fixture(autouse=True)
    def crowd(self):
        crowd = make_professionals(300)
        CreditBalance.objects.bulk_create(
            CreditBalance(professional=professional) for professional in crowd
        )
        return crowd

    @staticmethod
    def _send_inside_a_chunk(process: "Popen[str]", number: int) -> int:
        """Send a signal when some chunks are done; return how many."""
        eventually(lambda: JobRun.objects.filter(chunk_count__gte=3).exists())
        with kept_from_committing(process):
            # The count is that of the signal.
            process.send_signal(number)
            return JobRun.objects.get().chunk_count

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
    def test_finish_the_chunk_and_say_how_to_go_on(self, number):
        with manage("reset_monthly_credits", "--chunk-size", "1") as process:
            chunks = self._send_inside_a_chunk(process, number)
            stdout, stderr = process.communicate(timeout=TIMEOUT)

        run = JobRun.objects.get()
        assert process.returncode == 130
        assert (run.status, run.chunk_count) == ("interrupted", run.success_count)
        assert run.chunk_count in {chunks, chunks + 1}
        assert "Finishing this chunk, then stopping." in stdout
        assert broken_invariants() == {}

        said, again = stderr.strip().split(" Go on with: ")
        period = period_of(timezone.now())
        assert said.endswith(
            f"Run {run.pk} was interrupted after {run.chunk_count} chunks; what they did stays."
        )
        assert again == f"manage.py reset_monthly_credits --period {period} --chunk-size 1"
        # Ten of those who are left show that it goes on.
        left = CreditBalance.objects.exclude(last_reset_period=period).order_by("pk")
        spared = list(left.values_list("pk", flat=True))[10:]
        User.objects.filter(pk__in=spared).update(verification=Verification.REJECTED)
        with manage(*shlex.split(again)[1:]) as process:
            stdout, stderr = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, stderr) == (0, "")
        assert JobRun.objects.latest("pk").success_count == 10
        assert run.success_count + 10 + len(spared) == 300
        assert broken_invariants() == {}

    def test_killed_with_9_leave_the_rest_to_the_next_at_once(self):
        with manage("reset_monthly_credits", "--chunk-size", "1") as process:
            chunks = self._send_inside_a_chunk(process, signal.SIGKILL)
            process.communicate(timeout=TIMEOUT)

        run = JobRun.objects.get()
        assert process.returncode == KILLED
        assert (run.status, run.chunk_count, run.success_count) == ("running", chunks, chunks)
        assert broken_invariants() == {}
        with manage("reset_monthly_credits") as process:
            stdout, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
        assert f"succeeded {300 - chunks}" in stdout
        assert broken_invariants() == {}

    @pytest.mark.engine("postgresql")
    def test_torn_by_a_second_signal_roll_the_chunk_back(self, crowd):
        with transaction.atomic():
            # The tenth chunk will wait for this one, as long as it takes.
            CreditBalance.objects.select_for_update().get(pk=crowd[9].pk)
            with manage("reset_monthly_credits", "--chunk-size", "1") as process:
                eventually(somebody_waits_for_us)
                process.send_signal(signal.SIGINT)
                while "Finishing this chunk" not in process.stdout.readline():
                    pass
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=TIMEOUT)

        run = JobRun.objects.get()
        assert process.returncode == 130
        assert said.endswith("\nInterrupted; what was committed stays.\n")
        assert "Traceback" not in said
        assert (run.status, run.chunk_count, run.success_count) == ("interrupted", 9, 9)
        assert broken_invariants() == {}
