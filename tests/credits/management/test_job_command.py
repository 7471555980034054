"""credits.management.job_command: what the commands of the two jobs share."""

import json
import signal
import threading
from io import StringIO

import pytest
from django.core.management import load_command_class
from django.db import connection, transaction

from credits.exceptions import LeaseLost
from credits.jobs import chunks, running
from credits.models import CreditTransaction, JobRun
from tests.books import all_tables, broken_invariants
from tests.factories import (
    APRIL,
    AUGUST,
    MARCH,
    make_lot_holders,
    make_professionals,
    make_run,
    make_user,
)
from tests.tampering import POISON, mend, poison

JOBS = pytest.mark.parametrize("job", ["reset_monthly_credits", "expire_credits"])

BAD_WORDS = [
    pytest.param(["--as-of", "tomorrow"], "--as-of: “tomorrow” is not a moment", id="no moment"),
    pytest.param(["--as-of", ""], "--as-of: “” is not a moment", id="a blank moment"),
    pytest.param(["--as-of", "2026-08-02"], "--as-of: 2026-08-02 00:00 UTC has not", id="future"),
    pytest.param(["--limit", "0"], "--limit: “0” is not a whole number", id="limit 0"),
    pytest.param(["--limit", ""], "--limit: “” is not a whole number", id="a blank limit"),
    pytest.param(["--chunk-size", "-5"], "--chunk-size: “-5” is not a whole", id="chunk size -5"),
    pytest.param(["--chunk-size", ""], "--chunk-size: “” is not a whole", id="a blank chunk size"),
    pytest.param(["--workers", "0"], "--workers: “0” is not a whole number", id="no workers"),
    pytest.param(["--workers", "33"], "--workers: 33 are too many; 32 at most", id="a crowd"),
    pytest.param(
        ["--workers", "2", "--limit", "3"],
        "--workers: they share a whole run; leave --limit out",
        id="workers on a part",
    ),
    pytest.param(
        ["--workers", "2", "--even-if-paused"],
        "--workers: they share a whole run; leave --even-if-paused out",
        id="workers on a paused job",
    ),
    pytest.param(["--professional", "405"], "there is no user “405”", id="unknown id"),
    pytest.param(["--professional", "x@y"], "there is no user “x@y”", id="unknown address"),
    pytest.param(["--professional", ""], "there is no user “”", id="a blank professional"),
]


@pytest.fixture(autouse=True)
def in_august(clock):
    clock(AUGUST)


@pytest.fixture
def crowd(db):
    """Five professionals, each with a lot that expired in April and no reset since for ever."""
    return make_lot_holders(5, expires_at=APRIL)


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


class CtrlC(Terminal):
    """A terminal at which somebody presses Ctrl-C as soon as there is progress."""

    def __init__(self, number=signal.SIGINT, *, times=1):
        super().__init__()
        self.number = number
        self.times = times

    def write(self, text):
        if "\r" in text and self.times:
            self.times -= 1
            signal.raise_signal(self.number)
        return super().write(text)


class TestBadArguments:
    @JOBS
    @pytest.mark.parametrize(("words", "sentence"), BAD_WORDS)
    def test_are_one_sentence_and_exit_2(self, manage, crowd, job, words, sentence):
        before = all_tables()

        answer = manage(job, *words)

        assert answer.code == 2
        assert answer.out == ""
        assert sentence in answer.err
        assert answer.err.count("\n") == 1
        assert answer.err.rstrip().endswith(".")
        assert all_tables() == before

    @JOBS
    @pytest.mark.parametrize("words", [["--limit", "0"], ["--as-of", "tomorrow"]], ids=repr)
    def test_are_a_document_for_a_machine(self, manage, db, job, words):
        answer = manage(job, "--json", *words)

        assert json.loads(answer.out) == {
            "version": 1,
            "job": job,
            "found": None,
            "error": answer.err.removeprefix("CommandError: ").rstrip(),
            "exit_code": 2,
        }

    # A process of its own for each, which stops before it asks the database.
    @pytest.mark.engine("postgresql")
    @pytest.mark.parametrize(
        "words",
        [
            ["reset_monthly_credits", "--period", "2026-13"],
            ["expire_credits", "--as-of", "tomorrow", "-v", "0"],
            ["expire_credits", "--chunk-size", "0", "--json"],
        ],
        ids=" ".join,
    )
    def test_never_end_in_a_traceback(self, real_manage, words):
        answer = real_manage(*words)

        assert answer.code == 2
        assert answer.err.startswith("CommandError: --")
        assert answer.err.count("\n") == 1
        assert bool(answer.out) == ("--json" in words)

    def test_include_an_option_that_does_not_exist(self, real_manage):
        answer = real_manage("expire_credits", "--dryrun")

        assert answer.code == 2
        assert "Traceback" not in answer.err
        assert "unrecognized arguments: --dryrun" in answer.err


class TestDatabaseWithoutTables:
    @pytest.mark.parametrize(
        "words",
        [
            ["reset_monthly_credits"],
            ["expire_credits", "--dry-run"],
            ["expire_credits", "--professional", "7"],
        ],
        ids=" ".join,
    )
    def test_is_one_sentence_that_names_migrate_and_exit_1(self, real_manage, words):
        answer = real_manage(*words)

        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith("CommandError: The database refused: ")
        assert "credits_" in answer.err or "homezy_user" in answer.err
        assert answer.err.endswith(". Is it up, and has manage.py migrate been run?\n")
        assert answer.err.count("\n") == 1

    def test_is_a_document_for_a_machine(self, real_manage):
        answer = real_manage("expire_credits", "--json")

        document = json.loads(answer.out)
        assert (document["job"], document["exit_code"]) == ("expire_credits", 1)
        assert answer.err == f"CommandError: {document['error']}\n"

    @JOBS
    def test_is_the_same_when_called_from_python(self, manage, crowd, job):
        connection.check_constraints()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE credits_creditbalance RENAME TO mislaid")
        try:
            with transaction.atomic():
                answer = manage(job, "--dry-run")
                transaction.set_rollback(True)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE mislaid RENAME TO credits_creditbalance")

        assert answer.code == 1
        assert "credits_creditbalance" in answer.err
        assert answer.err.count("\n") == 1


class TestHelp:
    @JOBS
    def test_ends_with_four_examples_and_the_exit_codes(self, job):
        text = load_command_class("credits", job).create_parser("manage.py", job).format_help()

        _, _, epilog = text.partition("examples:\n")
        examples, _, codes = epilog.partition("\nexit codes:\n")
        assert len(examples.splitlines()) == 4
        assert all(line.startswith(f"  manage.py {job}") for line in examples.splitlines())
        assert codes == (
            "  0  done, or nothing to do      4    another run of this job is active\n"
            "  1  failed                      5    somebody paused this job\n"
            "  2  bad arguments               130  interrupted; its last chunk was finished\n"
            "  3  partial: some professionals failed\n"
        )

    @JOBS
    def test_gives_examples_that_the_parser_understands(self, job):
        command = load_command_class("credits", job)

        for line in command.examples.splitlines():
            words = line.strip().split("    ")[0].split()
            parser = command.create_parser("manage.py", job)
            parser.parse_args(words[2:])
            assert words[:2] == ["manage.py", job]

    @JOBS
    def test_names_every_option(self, job):
        text = load_command_class("credits", job).create_parser("manage.py", job).format_help()

        for option in ("--dry-run", "--as-of MOMENT", "--professional EMAIL|ID", "--limit N"):
            assert option in text
        for option in ("--chunk-size N", "--workers N", "--json"):
            assert option in text
        assert ("--period YYYY-MM" in text) == (job == "reset_monthly_credits")


class TestExitCodes:
    @JOBS
    def test_partial_is_3_and_says_how_to_go_on(self, manage, crowd, job):
        poison(crowd[1])

        answer = manage(job, "--chunk-size", "3")

        run = JobRun.objects.get()
        assert answer.code == 3
        assert answer.err.startswith(
            f"CommandError: Run {run.pk} is partial: 1 failed. When they are mended, go on with:"
            f" manage.py {job}"
        )
        assert answer.err.endswith(" --chunk-size 3\n")
        listed = [line for line in answer.out.splitlines() if POISON in line]
        assert len(listed) == 1
        assert listed[0].startswith(f"  professional {crowd[1].pk}: ")
        assert "completed: total 5, succeeded 4, failed 1, " in answer.out

    @JOBS
    def test_partial_lists_twenty_and_counts_the_rest(self, manage, job, db):
        crowd = make_lot_holders(24, expires_at=APRIL)
        poison(condition=f"NEW.professional_id > {crowd[0].pk}")

        answer = manage(job)

        listed = [line for line in answer.out.splitlines() if line.startswith("  professional ")]
        assert len(listed) == 20
        assert answer.out.endswith("\n  and 3 more\n")

    @JOBS
    def test_partial_is_a_whole_document_for_a_machine(self, manage, crowd, job):
        poison(crowd[1])

        answer = manage(job, "--json")

        document = json.loads(answer.out)
        run = JobRun.objects.get()
        assert (document["status"], document["exit_code"]) == ("partial", 3)
        assert (document["total"], document["succeeded"], document["failed"]) == (5, 4, 1)
        assert document["failures"] == [
            {"professional": str(crowd[1].pk), "error": run.failures.get().error}
        ]
        assert f"CommandError: {document['message']}\n" in answer.err

    @JOBS
    def test_failed_is_1_and_says_how_to_go_on(self, manage, crowd, job, monkeypatch):
        monkeypatch.setattr(chunks, "HOPELESS_AFTER", 3)
        poison()

        answer = manage(job)

        run = JobRun.objects.get()
        assert answer.code == 1
        assert answer.err.startswith(
            f"CommandError: Run {run.pk} of {job} failed: The first 3 professionals"
            " all failed; the last with: "
        )
        assert f" Go on with: manage.py {job}" in answer.err
        assert answer.err.count("\n") == 1
        assert "completed" not in answer.out

    @JOBS
    def test_failed_is_a_document_for_a_machine(self, manage, crowd, job, monkeypatch):
        monkeypatch.setattr(chunks, "HOPELESS_AFTER", 3)
        poison()

        answer = manage(job, "--json")

        document = json.loads(answer.out)
        assert (document["job"], document["exit_code"]) == (job, 1)
        assert document["found"] == 5
        assert f"CommandError: {document['error']}\n" in answer.err

    @JOBS
    def test_active_is_4_and_says_who(self, manage, crowd, job):
        active = make_run(
            job=job, status="running", host="web-1", started_at=AUGUST, heartbeat_at=AUGUST
        )
        before = all_tables()

        answer = manage(job)

        assert answer.code == 4
        assert answer.err == (
            f"CommandError: Run {active.pk} of {job} is active on web-1"
            " (last sign of life 2026-08-01 02:00:00 UTC).\n"
        )
        assert all_tables() == before

    @JOBS
    def test_active_does_not_keep_anyone_from_a_dry_run(self, manage, crowd, job):
        make_run(job=job, status="running", heartbeat_at=AUGUST)

        assert manage(job, "--dry-run").code == 0

    @JOBS
    def test_taken_over_is_1_and_says_how_to_go_on(self, manage, crowd, job, monkeypatch):
        def lose(record, *args, **kwargs):
            raise LeaseLost(run_id=record.pk)

        monkeypatch.setattr(running, "finish", lose)

        answer = manage(job)

        assert answer.code == 1
        assert "was taken over by another process; it wrote nothing more." in answer.err
        assert f"Go on with: manage.py {job}" in answer.err

    @pytest.mark.parametrize("words", [[], ["--dry-run"], ["--json"]], ids=" ".join)
    def test_no_rule_is_1_and_names_the_setting(self, manage, settings, db, words):
        settings.CREDITS = {}

        answer = manage("reset_monthly_credits", *words)

        assert answer.code == 1
        assert 'CREDITS["ELIGIBLE_PROFESSIONALS"] is not set' in answer.err


class TestInterruption:
    @JOBS
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
    def test_finishes_the_chunk_and_says_how_to_go_on(self, manage, crowd, job, number):
        answer = manage(job, "--chunk-size", "2", err=CtrlC(number))

        run = JobRun.objects.get()
        assert answer.code == 130
        assert (run.status, run.success_count) == ("interrupted", 2)
        assert "Finishing this chunk, then stopping." in answer.out
        assert " interrupted: total 2, succeeded 2, failed 0, " in answer.out
        assert f"Run {run.pk} was interrupted after 1 chunks; what they did stays." in answer.err
        assert f"Go on with: manage.py {job}" in answer.err
        assert broken_invariants() == {}

    @JOBS
    def test_is_mended_by_the_command_it_prints(self, manage, crowd, job):
        answer = manage(job, "--chunk-size", "2", err=CtrlC())
        _, _, again = answer.err.rpartition("Go on with: manage.py ")

        manage(*again.split())

        assert CreditTransaction.objects.filter(run__job=job).count() == 5
        assert broken_invariants() == {}

    @JOBS
    def test_by_a_second_ctrl_c_tears_the_chunk_apart_and_nothing_else(self, manage, crowd, job):
        with pytest.raises(KeyboardInterrupt):
            manage(job, "--chunk-size", "2", err=CtrlC(times=2))

        run = JobRun.objects.get()
        assert (run.status, run.success_count) == ("interrupted", 2)
        assert broken_invariants() == {}

    @JOBS
    def test_gives_the_signals_back(self, manage, crowd, job):
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

        manage(job)
        manage(job, err=CtrlC())

        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    @pytest.mark.django_db(transaction=True)
    @JOBS
    def test_is_left_to_the_caller_in_another_thread(self, manage, job):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(in_a_thread(manage, job)))

        thread.start()
        thread.join()

        assert [answer.code for answer in answers] == [0]


def in_a_thread(manage, job):
    try:
        return manage(job)
    finally:
        connection.close()


@JOBS
class TestWorkers:
    @pytest.mark.engine("postgresql")
    @pytest.mark.django_db(transaction=True)
    def test_share_the_run(self, manage, crowd, job, settings):
        settings.CREDITS = settings.CREDITS | {"CHUNK_SIZE": 2}

        answer = manage(job, "--workers", "2", "--trigger", "cron")

        run = JobRun.objects.get()
        assert answer.code == 0
        assert answer.out.splitlines()[0].startswith("Found 5 ")
        assert "completed: total 5, succeeded 5, failed 0, " in answer.out
        assert (run.success_count, run.trigger, run.shards.count()) == (5, "cron", 3)
        assert broken_invariants() == {}

    @pytest.mark.engine("postgresql")
    @pytest.mark.django_db(transaction=True)
    def test_go_on_as_they_began(self, manage, crowd, job):
        poison(crowd[1])

        answer = manage(job, "--workers", "2")

        mend()
        assert answer.code == 3
        assert answer.err.endswith(" --workers 2\n")

    @pytest.mark.parametrize(
        "engine",
        [
            pytest.param("sqlite", marks=pytest.mark.engine("sqlite")),
            pytest.param("mariadb", marks=pytest.mark.engine("mariadb")),
        ],
    )
    def test_are_refused_where_they_do_not_help(self, manage, crowd, job, engine):
        answer = manage(job, "--workers", "2")

        assert (answer.code, answer.out) == (2, "")
        assert answer.err == (
            "CommandError: --workers: more than 1 help on PostgreSQL alone; leave it out.\n"
        )
        assert not JobRun.objects.exists()


class TestProgress:
    @JOBS
    def test_is_shown_at_a_terminal_and_wiped_away(self, manage, crowd, job):
        answer = manage(job, "--chunk-size", "2", err=Terminal())

        assert answer.err == "\r  2 of 5\r  4 of 5\r  5 of 5\r\x1b[K"

    @JOBS
    @pytest.mark.parametrize("words", [["-v", "0"], ["--json"]], ids=" ".join)
    def test_is_not_shown_to_a_machine(self, manage, crowd, job, words):
        answer = manage(job, "--chunk-size", "2", *words, err=Terminal())

        assert "\r" not in answer.err

    @JOBS
    def test_is_not_shown_where_there_is_no_terminal(self, manage, crowd, job):
        assert manage(job, "--chunk-size", "2").err == ""

    @JOBS
    def test_is_wiped_away_before_an_error(self, manage, job, db):
        crowd = make_lot_holders(3, expires_at=APRIL)
        poison(crowd[2])

        answer = manage(job, "--chunk-size", "1", err=Terminal())

        progress, _, error = answer.err.rpartition("\x1b[K")
        assert progress.startswith("\r  1 of 3\r  2 of 3")
        assert error.startswith("CommandError: ")


class TestVerbosity:
    @JOBS
    @pytest.mark.parametrize("words", [[], ["--dry-run"]], ids=["run", "dry run"])
    def test_0_is_silence(self, manage, crowd, job, words):
        answer = manage(job, "-v", "0", *words)

        assert (answer.code, answer.out, answer.err) == (0, "", "")

    @JOBS
    def test_0_still_prints_the_document(self, manage, crowd, job):
        answer = manage(job, "-v", "0", "--json")

        assert json.loads(answer.out)["succeeded"] == 5
        assert answer.err == ""


class TestJson:
    @JOBS
    @pytest.mark.parametrize("words", [[], ["--dry-run"], ["-v", "2"]], ids=" ".join)
    def test_is_one_document_and_talks_on_standard_error(self, manage, crowd, job, words):
        answer = manage(job, "--json", *words)

        assert answer.out.count("\n") == 1
        assert json.loads(answer.out)["version"] == 1
        assert answer.err.startswith("Found 5 ")

    @JOBS
    def test_has_the_same_keys_for_every_run_and_every_dry_run(self, manage, crowd, job):
        dry = json.loads(manage(job, "--json", "--dry-run").out)
        first = json.loads(manage(job, "--json").out)
        second = json.loads(manage(job, "--json").out)

        shared = ["version", "job", "found", "dry_run", "run", "status", "period", "as_of"]
        shared += ["total", "succeeded", "failed", "credits_granted", "credits_expired"]
        assert (
            list(first)
            == list(second)
            == [
                *shared,
                "seconds",
                "failures",
                "warning",
                "message",
                "exit_code",
            ]
        )
        assert list(dry) == [*shared, "largest", "exit_code"]


@pytest.mark.django_db
class TestNobody:
    @JOBS
    def test_in_the_whole_project_is_no_error(self, manage, job):
        make_user()

        assert manage(job).code == 0

    @JOBS
    def test_waiting_is_no_error(self, manage, job):
        make_professionals(2)
        manage(job)

        assert manage(job).code == 0
        assert JobRun.objects.latest("pk").as_of == AUGUST > MARCH
