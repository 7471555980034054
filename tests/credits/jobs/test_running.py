"""credits.jobs.running: one recorded run."""

import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from threading import Event
from typing import Any

import pytest
from django.db import (
    DataError,
    IntegrityError,
    OperationalError,
    connection,
    transaction,
)

from credits.engine.database import ATTEMPTS
from credits.engine.keys import KeyRange
from credits.engine.tally import Tally
from credits.exceptions import LeaseLost, NotDue, RunAlreadyActive, RunFailed, TooManyFailures
from credits.jobs import chunks, running
from credits.jobs.erasing import erase_professional
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.running import Run, Watch, recorded_run, refuse_if_active
from credits.models import CreditBalance, CreditTransaction, JobFailure, JobRun, Notice
from credits.signals import run_finished
from homezy.models import User
from tests.books import broken_invariants
from tests.factories import LEASE, MARCH, make_professional, make_professionals
from tests.faults import (
    Cut,
    Fault,
    Outage,
    after_commit,
    end_connection_unnoticed,
    lost_answers,
    passing_error,
)
from tests.processes import at_statement
from tests.threads import TIMEOUT, Knock, Pause, at_once, in_double_quotes, threads

Status = JobRun.Status

LATER = MARCH + LEASE + timedelta(microseconds=1)
"""When a run that showed its last sign of life in MARCH has lost its lease."""

STARTED = 'INTO "credits_jobrun"'
CHUNK = 'SET "chunk_count" = '
COUNTED = 'SET "total_count" = '
WRITTEN = 'INTO "credits_credittransaction"'
# How a transaction that starts a run begins.
FIRST = {"postgresql": "pg_advisory_xact_lock", "sqlite": "BEGIN", "mysql": "FROM credits_lock"}

transactional = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def whole_connection() -> Iterator[None]:
    """Let no test inherit the connection that another one broke."""
    yield
    if not connection.in_atomic_block:
        connection.close()


@pytest.fixture
def dead_process() -> int:
    """The id of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def reset(**options: Any) -> JobRun:
    return reset_monthly_credits(as_of=MARCH, **options)


def start(**options: Any) -> JobRun:
    """Start a run of the reset that has nothing to do."""
    options.setdefault("watch", Watch())
    with recorded_run(JobRun.Job.RESET, as_of=MARCH, **options) as run:
        return run.record


def make_run(**columns: Any) -> JobRun:
    """Make a run of the reset as another process would have left it."""
    return JobRun.objects.create(
        **{
            "job": JobRun.Job.RESET,
            "as_of": MARCH,
            "status": Status.RUNNING,
            "started_at": MARCH,
            "heartbeat_at": MARCH,
            "host": socket.gethostname(),
            "process_id": os.getppid(),
        }
        | columns
    )


def work_through(
    act: Callable[[KeyRange], Tally], *, size: int, watch: Watch | None = None
) -> JobRun:
    """Do an act on all users in ranges of ``size``."""
    with recorded_run(JobRun.Job.RESET, as_of=MARCH, watch=watch or Watch()) as run:
        run.work_through(User.objects.values_list("pk", flat=True), act, size=size)
    return run.record


def inside(within: KeyRange) -> int:
    return User.objects.filter(within.on("pk")).count()


def reset_rows() -> int:
    return CreditTransaction.objects.filter(transaction_type="monthly_reset").count()


@pytest.mark.django_db
class TestRecord:
    def test_says_who_did_what_and_when(self, clock, finished):
        clock(LATER)

        run = start(period="2026-03", trigger="admin", is_whole=False)

        run.refresh_from_db()
        assert (run.job, run.as_of, run.period) == (JobRun.Job.RESET, MARCH, "2026-03")
        assert (run.trigger, run.is_whole, run.status) == ("admin", False, Status.SUCCEEDED)
        assert run.started_at == run.heartbeat_at == run.finished_at == LATER
        assert (run.host, run.process_id) == (socket.gethostname(), os.getpid())
        assert finished == [run]

    def test_shows_a_sign_of_life_with_each_chunk(self, clock):
        make_professionals(2)
        moments = iter([MARCH + timedelta(seconds=1), MARCH + timedelta(seconds=2)])
        seen = []
        clock(MARCH)

        def act(within: KeyRange) -> Tally:
            seen.append(JobRun.objects.get().heartbeat_at)
            clock(next(moments))
            return Tally()

        run = work_through(act, size=1)

        assert seen == [MARCH, MARCH + timedelta(seconds=1)]
        assert run.chunk_count == 2

    def test_adds_up_what_the_chunks_did(self):
        make_professionals(5)

        run = work_through(lambda within: Tally(inside(within), granted=7, expired=2), size=2)

        assert (run.total_count, run.success_count, run.error_count) == (5, 5, 0)
        assert (run.credits_granted, run.credits_expired, run.chunk_count) == (21, 6, 3)

    def test_promises_the_operators_a_word_about_its_end(self, clock, settings):
        settings.ADMINS = [("A", "a@example.com")]
        make_professionals(1)
        clock(LATER)

        run = work_through(lambda within: Tally(1), size=1)

        word = Notice.objects.get()
        assert (word.kind, word.run, word.address) == ("run_summary", run, "a@example.com")
        assert word.created_at == word.next_attempt_at == LATER

    def test_keeps_a_warning(self):
        with recorded_run(JobRun.Job.RESET, as_of=MARCH, watch=Watch()) as run:
            run.warn("Nobody is there.")

        assert run.record.status == Status.SUCCEEDED
        assert run.record.error_summary == "Nobody is there."


@pytest.mark.django_db
class TestOneActiveRun:
    @pytest.mark.parametrize(
        "ask",
        [
            pytest.param(start, id="by the start"),
            pytest.param(lambda: refuse_if_active(JobRun.Job.RESET), id="before it"),
        ],
    )
    def test_a_second_start_is_refused_with_the_numbers_of_the_first(self, ask, finished):
        first = make_run(host="elsewhere", heartbeat_at=MARCH)
        running_since = JobRun.objects.filter(pk=first.pk)
        running_since.update(heartbeat_at=running.timezone.now())
        first.refresh_from_db()

        with pytest.raises(RunAlreadyActive) as refused:
            ask()

        assert (refused.value.job, refused.value.run_id) == (first.job, first.pk)
        assert (refused.value.host, refused.value.heartbeat_at) == ("elsewhere", first.heartbeat_at)
        assert (JobRun.objects.get(), finished) == (first, [])

    def test_the_other_job_may_run_meanwhile(self):
        make_professionals(1)

        with recorded_run(JobRun.Job.EXPIRY, as_of=MARCH, watch=Watch()) as other:
            refuse_if_active(JobRun.Job.RESET)
            run = work_through(lambda within: Tally(1, granted=5), size=1)

        assert (run.status, run.chunk_count, run.credits_granted) == (Status.SUCCEEDED, 1, 5)
        assert (other.record.chunk_count, other.record.credits_granted) == (0, 0)

    @pytest.mark.parametrize("status", sorted(set(Status) - {Status.RUNNING}))
    def test_one_that_has_ended_is_in_nobodys_way(self, status):
        make_run(status=status, host="elsewhere", heartbeat_at=running.timezone.now())

        refuse_if_active(JobRun.Job.RESET)
        assert start().status == Status.SUCCEEDED

    def test_one_that_may_not_start_leaves_all_as_it_is(self, dead_process, finished):
        dead = make_run(process_id=dead_process, heartbeat_at=running.timezone.now())

        with pytest.raises(NotDue) as refused:
            start(watch=Watch(may_start=lambda: False))

        assert refused.value.job == JobRun.Job.RESET
        assert (JobRun.objects.get(status=Status.RUNNING), finished) == (dead, [])

    def test_a_run_in_the_same_thread_is_refused_inside_another(self):
        with recorded_run(JobRun.Job.RESET, as_of=MARCH, watch=Watch()) as outer:
            with pytest.raises(RunAlreadyActive) as refused:
                start()
            assert refused.value.run_id == outer.record.pk

        assert outer.record.status == Status.SUCCEEDED


@pytest.mark.django_db
class TestTakeOver:
    """What becomes of a run that another one finds running."""

    @pytest.fixture(autouse=True)
    def now(self, clock):
        clock(MARCH)

    @staticmethod
    def _is_taken_over(run: JobRun) -> bool:
        try:
            start()
        except RunAlreadyActive:
            run.refresh_from_db()
            assert run.status == Status.RUNNING
            return False
        run.refresh_from_db()
        assert (run.status, run.finished_at) == (Status.INTERRUPTED, running.timezone.now())
        return True

    @pytest.mark.parametrize(
        ("age", "taken_over"),
        [
            pytest.param(timedelta(), False, id="alive just now"),
            pytest.param(LEASE, False, id="the lease's last moment"),
            pytest.param(LEASE + timedelta(microseconds=1), True, id="a microsecond later"),
            pytest.param(-timedelta(hours=1), False, id="a sign of life from the future"),
        ],
    )
    @pytest.mark.parametrize("host", ["here", "elsewhere"])
    def test_depends_on_the_last_sign_of_life(self, host, age, taken_over):
        here = {"here": socket.gethostname()}
        run = make_run(host=here.get(host, host), heartbeat_at=MARCH - age)

        assert self._is_taken_over(run) is taken_over

    def test_waits_for_the_lease_that_the_project_chose(self, settings):
        settings.CREDITS = {**settings.CREDITS, "LEASE_SECONDS": 10}
        run = make_run(heartbeat_at=MARCH - timedelta(seconds=11))

        assert self._is_taken_over(run)

    def test_comes_at_once_when_the_process_on_this_host_is_dead(self, dead_process):
        assert self._is_taken_over(make_run(process_id=dead_process))

    def test_knows_nothing_of_the_processes_of_other_hosts(self, dead_process):
        assert not self._is_taken_over(make_run(process_id=dead_process, host="elsewhere"))

    def test_leaves_a_process_alone_that_belongs_to_another_user(self, monkeypatch):
        def refuse(process_id: int, signal: int) -> None:
            # It is asked for, and told nothing.
            assert (process_id, signal) == (os.getppid(), 0)
            raise PermissionError

        monkeypatch.setattr(os, "kill", refuse)

        assert not self._is_taken_over(make_run())

    def test_comes_at_once_when_our_own_id_belonged_to_a_process_before_us(self):
        """As in containers, where every process has the id 1."""
        assert self._is_taken_over(make_run(process_id=os.getpid()))

    def test_is_told_to_whoever_listens(self, dead_process, finished):
        dead = make_run(process_id=dead_process)

        run = start()

        assert [(it.pk, it.status) for it in finished] == [
            (dead.pk, Status.INTERRUPTED),
            (run.pk, Status.SUCCEEDED),
        ]
        assert finished[0].error_summary == "Its process died; the next run went on."

    def test_is_not_harmed_by_a_listener_that_raises(self, dead_process):
        def complain(**_: Any) -> None:
            raise ValueError("I never listen.")

        run_finished.connect(complain)
        try:
            assert self._is_taken_over(make_run(process_id=dead_process))
        finally:
            run_finished.disconnect(complain)

    def test_of_a_run_that_ended_here_comes_at_once(self, monkeypatch):
        """Its end could not be recorded, because the database was gone."""
        with monkeypatch.context() as patch:
            patch.setattr(running, "finish", lambda *_, **__: None)
            ended = start()

        assert self._is_taken_over(ended)


@transactional
class TestTwoStartsAtOnce:
    def test_let_one_begin(self):
        make_professional(free=30)
        in_its_chunk, knocks = Pause(before=WRITTEN), [Knock() for _ in range(4)]

        with threads() as started:
            first = started.start(reset, in_its_chunk)
            in_its_chunk.wait()
            others = [started.start(partial(self._refusal, reset), knock) for knock in knocks]
            for knock, other in zip(knocks, others, strict=True):
                knock.wait_until_blocked(unless=other)
            in_its_chunk.resume()
            run = first.result()
            refusals = [other.result() for other in others]

        # Who was not refused began when the first had ended, and found nothing to do.
        assert run.success_count == 1
        late = JobRun.objects.exclude(pk=run.pk)
        assert late.count() == refusals.count(None)
        assert not late.filter(success_count__gt=0).exists()
        assert broken_invariants() == {}

    @staticmethod
    def _refusal(act: Callable[[], Any]) -> RunAlreadyActive | None:
        try:
            act()
        except RunAlreadyActive as refusal:
            return refusal
        return None

    def test_refuse_the_one_whose_row_comes_second(self):
        inserted, knock, both_have_started = Pause(after=STARTED), Knock(), Event()

        def run_until_both_have_started() -> JobRun:
            with recorded_run(JobRun.Job.RESET, as_of=MARCH, watch=Watch()) as run:
                assert both_have_started.wait(TIMEOUT)
            return run.record

        with threads() as started:
            first = started.start(run_until_both_have_started, inserted)
            inserted.wait()
            second = started.start(start, knock)
            knock.wait_until_blocked()
            inserted.resume()
            refusal = second.exception()
            both_have_started.set()
            run = first.result()

        assert isinstance(refusal, RunAlreadyActive)
        assert (refusal.run_id, JobRun.objects.get()) == (run.pk, run)

    def test_refuse_the_one_that_comes_right_behind_the_others_commit(self):
        """The first run is in the database, but its thread has not come back from there."""
        refusals = []

        def start_another() -> None:
            with threads() as started:
                refusals.append(started.start(partial(self._refusal, start)).result())

        with after_commit([1], start_another):
            run = start()

        assert [refusal and refusal.run_id for refusal in refusals] == [run.pk]
        assert JobRun.objects.get().status == Status.SUCCEEDED

    def test_begin_anew_when_the_other_was_done_before_we_knew(self):
        """Its row was in our way, and is no longer running when we look who it was."""
        other = make_run(status=Status.SUCCEEDED)
        in_the_way = []

        def be_in_the_way(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
            if STARTED in in_double_quotes(sql) and not in_the_way:
                in_the_way.append(other)
                raise IntegrityError("credits_job_has_one_active_run")
            return execute(sql, *args)

        with connection.execute_wrapper(be_in_the_way):
            run = start()

        assert (run.status, JobRun.objects.count()) == (Status.SUCCEEDED, 2)

    def test_take_a_dead_run_over_once(self, dead_process, finished):
        dead = make_run(process_id=dead_process, heartbeat_at=running.timezone.now())
        make_professionals(1)

        outcomes = at_once(*[partial(work_through, lambda within: Tally(), size=1)] * 4)

        dead.refresh_from_db()
        assert dead.status == Status.INTERRUPTED
        assert [run.pk for run in finished].count(dead.pk) == 1
        assert all(
            isinstance(outcome, RunAlreadyActive) or outcome.status == Status.SUCCEEDED
            for outcome in outcomes
        )

    def test_tell_of_a_dead_run_once_when_another_was_quicker(self, dead_process, finished):
        """The first attempt took it over and was rolled back; then the other one came."""
        dead = make_run(process_id=dead_process, heartbeat_at=running.timezone.now())
        first = FIRST[connection.vendor]
        fault = Fault(passing_error(), at=STARTED)

        def be_quicker() -> None:
            with threads() as started:
                started.start(start).result()

        with connection.execute_wrapper(fault), at_statement(first, 2, be_quicker):
            start()

        assert fault.raised == 1
        assert [run.pk for run in finished].count(dead.pk) == 1


@transactional
class TestLostLease:
    """A run is taken over while its process is still at work: frozen, cut off, or just slow."""

    @pytest.fixture
    def crowd(self):
        return [make_professional(free=amount) for amount in (10, 20, 120, 30)]

    def test_between_two_chunks_stops_the_slow_one(self, crowd, clock, finished):
        clock(MARCH)
        runs = []

        def be_overtaken(written: int) -> None:
            clock(LATER)
            runs.append(reset(chunk_size=1))

        with pytest.raises(LeaseLost) as lost:
            reset(chunk_size=1, watch=Watch(progress=be_overtaken))

        slow = JobRun.objects.get(pk=lost.value.run_id)
        assert (slow.status, slow.success_count, slow.chunk_count) == (Status.INTERRUPTED, 1, 1)
        # It went no further than the first chunk that was not its own.
        assert [(run.status, run.success_count) for run in runs] == [(Status.SUCCEEDED, 3)]
        assert [run.pk for run in finished] == [slow.pk, runs[0].pk]
        assert broken_invariants() == {}

    def test_while_the_other_is_still_running_too(self, crowd, clock):
        clock(MARCH)
        overtaken, go_on = Event(), Event()
        overtaking = []

        def stand_still() -> bool:
            overtaken.set()
            assert go_on.wait(TIMEOUT)
            return False

        def be_overtaken(written: int) -> None:
            clock(LATER)
            watch = Watch(should_stop=stand_still)
            overtaking.append(started.start(partial(reset, chunk_size=1, watch=watch)))
            assert overtaken.wait(TIMEOUT)

        with threads() as started:
            with pytest.raises(LeaseLost):
                reset(chunk_size=1, watch=Watch(progress=be_overtaken))
            written = reset_rows()
            go_on.set()
            run = overtaking[0].result()

        assert (written, run.success_count) == (1, 3)
        assert broken_invariants() == {}

    def test_during_a_chunk_lets_it_end_and_no_other_begin(self, crowd, clock):
        clock(MARCH)
        halfway, knock = Pause(before=WRITTEN), Knock()

        with threads() as started:
            # Between its chunks it waits, or it might be done before the other gets the lock.
            watch = Watch(progress=lambda written: overtaking.result())
            slow = started.start(partial(reset, chunk_size=2, watch=watch), halfway)
            halfway.wait()
            clock(LATER)
            overtaking = started.start(partial(reset, chunk_size=2), knock)
            knock.wait_until_blocked()
            halfway.resume()
            with pytest.raises(LeaseLost):
                slow.result()
            run = overtaking.result()

        assert (run.status, run.success_count) == (Status.SUCCEEDED, 2)
        assert reset_rows() == 4
        assert broken_invariants() == {}

    def test_before_the_first_chunk_leaves_everything_to_the_other(self, crowd, clock):
        clock(MARCH)
        runs = []

        def be_overtaken(found: int) -> None:
            clock(LATER)
            runs.append(reset())

        with pytest.raises(LeaseLost):
            reset(watch=Watch(found=be_overtaken))

        assert [run.success_count for run in runs] == [4]
        assert broken_invariants() == {}

    def test_after_the_last_chunk_leaves_the_record_to_the_other(self, crowd, clock):
        clock(MARCH)

        def be_overtaken(written: int) -> None:
            if written == 4:
                clock(LATER)
                reset()

        with pytest.raises(LeaseLost) as lost:
            reset(watch=Watch(progress=be_overtaken))

        slow = JobRun.objects.get(pk=lost.value.run_id)
        assert (slow.status, slow.finished_at) == (Status.INTERRUPTED, LATER)
        assert broken_invariants() == {}

    def test_is_not_mistaken_for_a_lost_answer(self, crowd, clock):
        """The chunk is committed, nobody hears of it, and meanwhile the run is taken over."""
        clock(MARCH)
        runs = []

        def be_overtaken() -> None:
            clock(LATER)
            with threads() as started:
                runs.append(started.start(partial(reset, chunk_size=2)).result())

        # The first COMMIT is that of the start.
        with lost_answers([2], then=be_overtaken), pytest.raises(LeaseLost):
            reset(chunk_size=2)

        assert [run.success_count for run in runs] == [2]
        assert broken_invariants() == {}

    def test_of_the_failed_one_is_not_mended_by_its_failures(self, clock):
        """A professional that the slow one could not do is no failure on its lost record."""
        make_professionals(2)
        clock(MARCH)

        def fail(within: KeyRange) -> Tally:
            raise DataError("out of range")

        def be_overtaken() -> bool:
            clock(LATER)
            start()
            return False

        with pytest.raises(LeaseLost):
            work_through(fail, size=2, watch=Watch(should_stop=be_overtaken))

        assert not JobFailure.objects.exists()


@transactional
class TestLostAnswer:
    """The transaction is committed, and the run never hears of it."""

    @pytest.fixture
    def crowd(self):
        return [make_professional(free=amount, paid=5) for amount in (10, 20, 120, 30)]

    @pytest.mark.parametrize("chunk", [1, 2], ids=["first chunk", "last chunk"])
    @pytest.mark.parametrize(
        "job",
        [reset, partial(expire_credits, as_of=MARCH + timedelta(days=365))],
        ids=["reset", "expiry"],
    )
    def test_to_a_chunk_does_not_do_it_twice(self, crowd, job, chunk):
        with lost_answers([1 + chunk]) as lost:
            run = job(chunk_size=2)

        assert len(lost) == 1
        assert (run.status, run.chunk_count) == (Status.SUCCEEDED, 2)
        assert (run.total_count, run.success_count) == (4, 4)
        assert CreditTransaction.objects.filter(run=run).count() == 4
        assert broken_invariants() == {}

    def test_to_every_chunk_is_no_different(self, crowd):
        # The second attempt at a chunk ends with a COMMIT too, which changes nothing.
        with lost_answers([2, 4]) as lost:
            run = reset(chunk_size=2)

        assert len(lost) == 2
        assert (run.status, run.chunk_count, run.success_count) == (Status.SUCCEEDED, 2, 4)
        assert broken_invariants() == {}

    def test_to_a_chunk_is_heard_of_by_the_watch(self, crowd):
        progress: list[int] = []

        with lost_answers([2]):
            reset(chunk_size=2, watch=Watch(progress=progress.append))

        assert progress == [2, 4]

    def test_to_a_failure_lists_it_once(self):
        make_professionals(1)

        def fail(within: KeyRange) -> Tally:
            raise DataError("out of range")

        with lost_answers([2]):
            run = work_through(fail, size=1)

        assert (run.status, run.error_count) == (Status.PARTIAL, 1)
        assert JobFailure.objects.count() == 1

    def test_to_the_start_leaves_one_run(self, crowd, finished):
        with lost_answers():
            run = reset()

        assert (JobRun.objects.get(), finished) == (run, [run])
        assert (run.status, run.success_count) == (Status.SUCCEEDED, 4)

    def test_to_the_start_tells_of_the_dead_run_before_it(self, dead_process, finished):
        dead = make_run(process_id=dead_process, heartbeat_at=running.timezone.now())

        with lost_answers():
            run = start()

        assert [it.pk for it in finished] == [dead.pk, run.pk]

    def test_to_the_end_leaves_it_as_it_is(self, crowd, finished):
        # The start, the one chunk, the end.
        with lost_answers([3]) as lost:
            run = reset()

        assert len(lost) == 1
        assert (run.status, run.success_count, finished) == (Status.SUCCEEDED, 4, [run])

    def test_to_the_end_of_a_partial_run_leaves_it_as_it_is(self, finished):
        make_professionals(1)

        def fail(within: KeyRange) -> Tally:
            raise DataError("out of range")

        # The start, the failure (its chunk was rolled back), the end.
        with lost_answers([3]) as lost:
            run = work_through(fail, size=1)

        assert len(lost) == 1
        assert (run.status, run.error_count, finished) == (Status.PARTIAL, 1, [run])


@transactional
class TestBrokenConnection:
    """PostgreSQL ends the connection; the run goes on with a new one."""

    pytestmark = pytest.mark.engine("postgresql")

    @pytest.fixture(autouse=True)
    def crowd(self):
        return [make_professional(free=amount) for amount in (10, 20, 120, 30)]

    @pytest.mark.parametrize(
        "at",
        [
            CHUNK,
            'UPDATE "credits_creditbalance"',
            WRITTEN,
            COUNTED,
        ],
        ids=["begin", "claim", "rows", "counts"],
    )
    def test_in_the_middle_of_a_chunk(self, at):
        cut = Cut(at=at)

        with connection.execute_wrapper(cut):
            run = reset(chunk_size=2)

        assert cut.done
        assert (run.status, run.chunk_count, run.success_count) == (Status.SUCCEEDED, 2, 4)
        assert broken_invariants() == {}

    def test_at_the_start(self):
        cut = Cut(at=STARTED)

        with connection.execute_wrapper(cut):
            run = reset()

        assert cut.done
        assert (JobRun.objects.get(), run.success_count) == (run, 4)

    def test_between_two_chunks(self):
        """The next statement is the question where the next chunk ends."""

        def cut(written: int) -> None:
            if written == 2:
                end_connection_unnoticed()

        run = reset(chunk_size=2, watch=Watch(progress=cut))

        assert (run.status, run.chunk_count, run.success_count) == (Status.SUCCEEDED, 2, 4)
        assert broken_invariants() == {}

    def test_before_the_first_chunk(self):
        run = reset(watch=Watch(found=lambda count: end_connection_unnoticed()))

        assert (run.status, run.success_count) == (Status.SUCCEEDED, 4)

    def test_after_the_last_chunk(self):
        def cut(written: int) -> None:
            if written == 4:
                end_connection_unnoticed()

        run = reset(watch=Watch(progress=cut))

        assert (run.status, run.success_count) == (Status.SUCCEEDED, 4)

    def test_while_a_range_is_halved(self):
        def fail_as_a_whole(within: KeyRange) -> Tally:
            if inside(within) == 4:
                raise DataError("out of range")
            return Tally(inside(within))

        cut = Cut(at="COUNT(*) FROM (SELECT DISTINCT")

        with connection.execute_wrapper(cut):
            run = work_through(fail_as_a_whole, size=4)

        assert cut.done
        assert (run.status, run.success_count) == (Status.SUCCEEDED, 4)


@transactional
class TestPassingErrors:
    def test_leave_counts_as_if_nothing_had_happened(self):
        make_professionals(4)
        fault = Fault(passing_error(), at=COUNTED, times=ATTEMPTS - 1)

        with connection.execute_wrapper(fault):
            run = work_through(lambda within: Tally(inside(within), granted=1), size=2)

        assert fault.raised == ATTEMPTS - 1
        assert (run.success_count, run.credits_granted, run.chunk_count) == (4, 2, 2)

    def test_end_the_run_after_six_attempts(self, finished):
        make_professional(free=10)
        fault = Fault(passing_error(), at=WRITTEN, times=float("inf"))

        with connection.execute_wrapper(fault), pytest.raises(RunFailed) as failed:
            reset()

        assert fault.raised == 6
        assert failed.value.__cause__.__cause__.args == passing_error().args
        (run,) = finished
        assert (run.status, run.pk) == (Status.FAILED, failed.value.run_id)
        assert run.error_summary == failed.value.error == str(passing_error())
        assert reset_rows() == 0
        assert broken_invariants() == {}

    def test_are_never_a_professionals_failure(self):
        make_professionals(4)
        fault = Fault(passing_error(), at=CHUNK, times=float("inf"))

        with connection.execute_wrapper(fault), pytest.raises(RunFailed):
            work_through(lambda within: Tally(), size=4)

        assert fault.raised == 6
        assert not JobFailure.objects.exists()


@pytest.mark.django_db
class TestPoison:
    """Some professionals cannot be done; the others must not suffer."""

    @staticmethod
    def _run(crowd: list[User], poisoned: list[User], *, size: int) -> tuple[JobRun, int]:
        """Do everyone but the poisoned; return the run, and how often the act was tried."""
        bad = {user.pk for user in poisoned}
        tries = []

        def act(within: KeyRange) -> Tally:
            keys = set(User.objects.filter(within.on("pk")).values_list("pk", flat=True))
            tries.append(keys)
            # What was written before the fault is rolled back with it.
            CreditBalance.objects.bulk_create(CreditBalance(pk=key) for key in sorted(keys))
            if keys & bad:
                raise DataError("integer out of range\nwith a second line")
            return Tally(len(keys), granted=len(keys))

        return work_through(act, size=size), len(tries)

    def test_is_found_in_as_many_steps_as_the_chunk_can_be_halved(self):
        crowd = make_professionals(64)

        run, tries = self._run(crowd, [crowd[37]], size=64)

        assert tries == 1 + 2 * math.log2(64)
        assert (run.status, run.total_count) == (Status.PARTIAL, 64)
        assert (run.success_count, run.error_count, run.credits_granted) == (63, 1, 63)
        assert JobFailure.objects.get().professional_id == crowd[37].pk

    @pytest.mark.parametrize(
        "places",
        [[0], [63], [0, 63], [31, 32], [4, 5, 6, 7], range(0, 64, 7), range(64)],
        ids=["first", "last", "both ends", "both sides", "neighbours", "every seventh", "all"],
    )
    @pytest.mark.parametrize("size", [64, 10, 1])
    def test_leaves_everyone_else_alone(self, places, size):
        crowd = make_professionals(64)
        poisoned = [crowd[place] for place in places]

        run, tries = self._run(crowd, poisoned, size=size)

        failures = list(JobFailure.objects.order_by("pk").values_list("professional", flat=True))
        done = set(CreditBalance.objects.values_list("pk", flat=True))
        chunks = math.ceil(64 / size)
        assert failures == [user.pk for user in poisoned]
        assert done == {user.pk for user in crowd} - set(failures)
        assert (run.success_count, run.error_count) == (64 - len(poisoned), len(poisoned))
        assert tries <= chunks + 2 * len(poisoned) * math.ceil(math.log2(max(size, 2)))

    def test_is_recorded_in_one_line_and_kept_in_full(self):
        crowd = make_professionals(3)

        run, _ = self._run(crowd, crowd[1:2], size=3)

        assert run.error_summary == "1 failed; the first with: integer out of range"
        assert JobFailure.objects.get().error == "integer out of range\nwith a second line"

    def test_is_recorded_by_its_kind_where_it_says_nothing(self):
        make_professionals(1)

        def fail(within: KeyRange) -> Tally:
            raise DataError

        run = work_through(fail, size=1)

        assert run.error_summary == "1 failed; the first with: DataError"

    @pytest.mark.parametrize(
        ("erased", "summary"),
        [(1, "2 failed; the first with: out of range"), (2, "2 failed")],
        ids=["the first", "all of them"],
    )
    def test_is_told_of_nobody_who_is_erased_before_the_run_ends(self, erased, summary):
        crowd = make_professionals(2)
        to_erase = iter(crowd[:erased])

        def fail(within: KeyRange) -> Tally:
            raise DataError("out of range")

        def erase(written: int) -> None:
            for user in to_erase:
                erase_professional(user.pk)

        run = work_through(fail, size=2, watch=Watch(progress=erase))

        assert (run.status, run.error_count) == (Status.PARTIAL, 2)
        assert run.error_summary == summary

    def test_does_not_keep_the_next_run_from_trying_again(self):
        crowd = make_professionals(3)
        self._run(crowd, crowd[1:2], size=3)
        CreditBalance.objects.all().delete()

        run, _ = self._run(crowd, [], size=3)

        assert (run.status, run.success_count) == (Status.SUCCEEDED, 3)

    def test_is_no_ones_when_the_range_has_emptied_meanwhile(self):
        """By the time the range is halved the lots in it may be spent."""
        crowd = make_professionals(1)

        def act(within: KeyRange) -> Tally:
            if User.objects.filter(pk=crowd[0].pk).delete():
                raise DataError("out of range")
            return Tally()

        # The deletion is rolled back with the chunk, so it is done again, behind its back.
        def vanish(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
            if "DISTINCT" in sql and not vanished:
                vanished.append(sql)
                User.objects.filter(pk=crowd[0].pk).delete()
            return execute(sql, *args)

        vanished: list[str] = []
        with connection.execute_wrapper(vanish):
            run = work_through(act, size=1)

        assert (run.status, run.error_count) == (Status.SUCCEEDED, 0)


@pytest.mark.django_db
class TestTooManyFailures:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        monkeypatch.setattr(chunks, "HOPELESS_AFTER", 5)

    def test_end_the_run_when_nobody_succeeded(self, finished):
        make_professionals(8)

        def fail(within: KeyRange) -> Tally:
            raise DataError("everything is broken")

        with pytest.raises(RunFailed) as failed:
            work_through(fail, size=8)

        cause = failed.value.__cause__
        assert isinstance(cause, TooManyFailures)
        assert (cause.failures, cause.last) == (5, "everything is broken")
        (run,) = finished
        assert (run.status, run.error_count, run.total_count) == (Status.FAILED, 5, 5)
        assert run.error_summary == str(cause)

    def test_do_not_end_a_run_in_which_somebody_succeeded(self):
        healthy, *_ = make_professionals(8)

        def act(within: KeyRange) -> Tally:
            if list(User.objects.filter(within.on("pk"))) != [healthy]:
                raise DataError("almost everything is broken")
            return Tally(1)

        run = work_through(act, size=8)

        assert (run.status, run.success_count, run.error_count) == (Status.PARTIAL, 1, 7)


@transactional
class TestInterruption:
    @pytest.fixture(autouse=True)
    def crowd(self):
        return [make_professional(free=amount) for amount in (10, 20, 120, 30)]

    def test_by_the_watch_comes_before_the_next_chunk(self, finished):
        answers = iter([False, True])

        run = reset(chunk_size=1, watch=Watch(should_stop=lambda: next(answers)))

        assert (run.status, run.success_count, run.chunk_count) == (Status.INTERRUPTED, 1, 1)
        assert finished == [run]
        assert broken_invariants() == {}
        assert reset().success_count == 3

    def test_after_the_last_chunk_comes_too_late(self):
        answers = iter([False] * 4 + [True])

        run = reset(chunk_size=1, watch=Watch(should_stop=lambda: next(answers)))

        assert (run.status, run.success_count) == (Status.SUCCEEDED, 4)

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    def test_in_the_middle_of_a_chunk_rolls_it_back(self, kind, finished):
        written = count(1)

        def interrupt(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
            result = execute(sql, *args)
            if WRITTEN in in_double_quotes(sql) and next(written) == 3:
                raise kind
            return result

        with connection.execute_wrapper(interrupt), pytest.raises(kind):
            reset(chunk_size=1)

        (run,) = finished
        assert (run.status, run.success_count) == (Status.INTERRUPTED, 2)
        assert reset_rows() == 2
        assert broken_invariants() == {}
        assert reset().success_count == 2

    @pytest.mark.parametrize(
        ("error", "words"),
        [(ValueError("A bug in\nprogress."), "A bug in"), (ValueError(), "ValueError")],
        ids=["in words", "without any"],
    )
    def test_by_an_error_of_the_watch_is_a_failure(self, error, words, finished):
        def stumble(written: int) -> None:
            raise error

        with pytest.raises(RunFailed, match=rf"of {JobRun.Job.RESET} failed: {words}$"):
            reset(chunk_size=1, watch=Watch(progress=stumble))

        (run,) = finished
        assert (run.status, run.error_summary) == (Status.FAILED, words)
        assert (run.success_count, broken_invariants()) == (1, {})


@transactional
class TestDatabaseGone:
    def test_in_the_middle_leaves_the_record_open_for_the_next_run(self, finished):
        for amount in (10, 20):
            make_professional(free=amount)
        outage = Outage()

        def go_down(written: int) -> None:
            outage.is_on = True

        with connection.execute_wrapper(outage), pytest.raises(RunFailed):
            reset(chunk_size=1, watch=Watch(progress=go_down))

        dead = JobRun.objects.get()
        assert (dead.status, dead.success_count, finished) == (Status.RUNNING, 1, [])
        run = reset()
        dead.refresh_from_db()
        assert (dead.status, run.success_count) == (Status.INTERRUPTED, 1)
        assert broken_invariants() == {}

    def test_at_the_end_is_a_failed_run_whose_work_is_done(self):
        make_professional(free=10)
        outage = Outage()

        def go_down(written: int) -> None:
            outage.is_on = True

        with connection.execute_wrapper(outage), pytest.raises(RunFailed):
            reset(watch=Watch(progress=go_down))

        dead = JobRun.objects.get()
        assert (dead.status, dead.success_count) == (Status.RUNNING, 1)
        run = reset()
        dead.refresh_from_db()
        assert (dead.status, run.status) == (Status.INTERRUPTED, Status.SUCCEEDED)
        assert (run.success_count, broken_invariants()) == (0, {})

    def test_does_not_hide_that_somebody_interrupted_the_run(self):
        make_professional(free=10)
        outage = Outage()

        def go_down(written: int) -> None:
            outage.is_on = True
            raise KeyboardInterrupt

        with connection.execute_wrapper(outage), pytest.raises(KeyboardInterrupt):
            reset(watch=Watch(progress=go_down))

        assert JobRun.objects.get().status == Status.RUNNING

    def test_at_the_start_is_raised_as_it_is(self):
        outage = Outage()
        outage.is_on = True

        with connection.execute_wrapper(outage), pytest.raises(OperationalError):
            start()

        assert not JobRun.objects.exists()


@transactional
class TestOuterTransaction:
    def test_is_refused(self):
        """A chunk that commits nothing when it ends could be lost as a whole later."""
        begun = []

        with (
            pytest.raises(RuntimeError, match="durable"),
            transaction.atomic(),
            recorded_run(JobRun.Job.RESET, as_of=MARCH, watch=Watch()) as run,
        ):
            begun.append(run)

        assert begun == []


class TestRun:
    def test_is_what_the_block_works_with(self, db):
        with recorded_run(JobRun.Job.RESET, as_of=MARCH, watch=Watch()) as run:
            assert isinstance(run, Run)
            assert (run.using, run.record.status) == ("default", Status.RUNNING)
