"""manage.py reset_monthly_credits."""

import json
from datetime import UTC, datetime

import pytest

from credits.ledger import balance_of
from credits.models import CreditBalance, JobRun
from tests.books import all_tables, broken_invariants
from tests.factories import (
    APRIL,
    FEBRUARY,
    MARCH,
    make_professional,
    make_professionals,
    make_run,
    use,
)
from tests.tampering import poison

pytestmark = pytest.mark.django_db

COMMAND = "reset_monthly_credits"
THE_31ST = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_march(clock):
    clock(MARCH)


@pytest.fixture
def low():
    return make_professional(free=30, paid=50)


@pytest.fixture
def high():
    return make_professional(free=120)


@pytest.fixture
def new():
    return make_professional()


class TestReset:
    def test_says_what_it_found_and_what_it_did(self, manage, low, high, new):
        answer = manage(COMMAND)

        run = JobRun.objects.get()
        assert answer.code == 0
        assert answer.out == (
            "Found 3 verified professionals for credit reset\n"
            "Monthly credit reset completed: total 3, succeeded 3, failed 0, credits +150"
            f" (run {run.pk}, 0.0 s)\n"
        )
        assert answer.err == ""
        assert (run.period, run.as_of, run.trigger) == ("2026-03", MARCH, "command")
        assert broken_invariants() == {}

    def test_says_thousands_with_a_comma_and_losses_with_a_sign(self, manage):
        make_professional(free=12_445)

        assert "failed 0, credits -12,345 (run" in manage(COMMAND).out

    def test_has_nothing_to_do_a_second_time_in_the_month(self, manage, clock, low, high):
        manage(COMMAND)
        use(low, 60, at=MARCH)
        before = all_tables()
        clock(THE_31ST)

        answer = manage(COMMAND)

        run = JobRun.objects.latest("pk")
        assert answer.code == 0
        assert answer.out == (
            "Found 2 verified professionals for credit reset\n"
            "Nothing to do: all of them were reset in 2026-03 already.\n"
            "Monthly credit reset completed: total 0, succeeded 0, failed 0, credits +0"
            f" (run {run.pk}, 0.0 s)\n"
        )
        after = all_tables()
        # The spend is counted after the run.
        counted = {"credits_monthlytotal", "credits_totalsmark"}
        changed = {name for name in after if after[name] != before[name]}
        assert changed - counted == {"credits_jobrun"}

    def test_does_it_all_again_in_the_next_month(self, manage, clock, low):
        manage(COMMAND)
        use(low, 60, at=MARCH)
        clock(APRIL)

        answer = manage(COMMAND)

        assert "total 1, succeeded 1, failed 0, credits +60" in answer.out
        assert balance_of(low.pk).free == 100

    def test_warns_when_nobody_is_eligible(self, manage):
        make_professional(verification="pending")

        answer = manage(COMMAND)

        run = JobRun.objects.get()
        assert answer.code == 0
        assert answer.out == (
            "Found 0 verified professionals for credit reset\n"
            "Monthly credit reset completed: total 0, succeeded 0, failed 0, credits +0"
            f" (run {run.pk}, 0.0 s)\n"
            'Warning: Nobody is eligible: CREDITS["ELIGIBLE_PROFESSIONALS"] returns no one.\n'
        )

    def test_says_with_v_2_what_happened_to_each(self, manage, low, high, new):
        answer = manage(COMMAND, "-v", "2")

        assert answer.out.splitlines()[1:-1] == [
            f"  professional {low.pk}: 80 -> 150 (+70)",
            f"  professional {high.pk}: 120 -> 100 (-20)",
            f"  professional {new.pk}: 0 -> 100 (+100)",
        ]

    def test_is_one_document_for_a_machine(self, manage, low, high):
        answer = manage(COMMAND, "--json")

        assert json.loads(answer.out) == {
            "version": 1,
            "job": "reset_monthly_credits",
            "found": 2,
            "dry_run": False,
            "run": JobRun.objects.get().pk,
            "status": "succeeded",
            "period": "2026-03",
            "as_of": "2026-03-01T00:01:00+00:00",
            "total": 2,
            "succeeded": 2,
            "failed": 0,
            "credits_granted": 70,
            "credits_expired": 20,
            "seconds": 0.0,
            "failures": [],
            "warning": "",
            "message": "",
            "exit_code": 0,
        }
        assert answer.err == (
            "Found 2 verified professionals for credit reset\n"
            "Monthly credit reset completed: total 2, succeeded 2, failed 0, credits +50"
            f" (run {JobRun.objects.get().pk}, 0.0 s)\n"
        )


class TestDryRun:
    def test_says_what_would_happen_and_to_whom_most(self, manage, low, high, new):
        answer = manage(COMMAND, "--dry-run")

        assert answer.code == 0
        assert answer.out == (
            "Found 3 verified professionals for credit reset\n"
            "Monthly credit reset would be: total 3, succeeded 3, failed 0, credits +150"
            " (dry run, nothing written)\n"
            "The largest changes:\n"
            f"  professional {new.pk}: 0 -> 100 (+100)\n"
            f"  professional {low.pk}: 80 -> 150 (+70)\n"
            f"  professional {high.pk}: 120 -> 100 (-20)\n"
        )

    def test_writes_nothing_at_all(self, manage, low, high, new):
        before = all_tables()

        manage(COMMAND, "--dry-run", "-v", "2")

        assert all_tables() == before

    @pytest.mark.parametrize(
        "words",
        [[], ["--limit", "2"], ["--as-of", "2026-03-01T00:00Z"], ["--period", "2026-03"]],
        ids=str,
    )
    def test_foresees_exactly_what_the_run_then_does(self, manage, low, high, new, words):
        foreseen = json.loads(manage(COMMAND, "--dry-run", "--json", *words).out)

        done = json.loads(manage(COMMAND, "--json", *words).out)

        same = set(foreseen) & set(done) - {"dry_run", "run", "status"}
        assert {key: foreseen[key] for key in same} == {key: done[key] for key in same}
        rows = JobRun.objects.get().transactions.values_list("professional_id", "amount")
        assert {
            int(change["professional"]): change["after"] - change["before"]
            for change in foreseen["largest"]
        } == dict(rows)

    def test_shows_ten_changes_at_most(self, manage):
        make_professionals(12)

        answer = manage(COMMAND, "--dry-run")

        assert answer.out.count("  professional ") == 10

    def test_shows_no_changes_where_there_are_none(self, manage, low):
        manage(COMMAND)

        assert manage(COMMAND, "--dry-run").out == (
            "Found 1 verified professionals for credit reset\n"
            "Monthly credit reset would be: total 0, succeeded 0, failed 0, credits +0"
            " (dry run, nothing written)\n"
        )

    def test_is_one_document_for_a_machine(self, manage, low, new):
        answer = manage(COMMAND, "--dry-run", "--json")

        assert json.loads(answer.out) == {
            "version": 1,
            "job": "reset_monthly_credits",
            "found": 2,
            "dry_run": True,
            "run": None,
            "status": "dry_run",
            "period": "2026-03",
            "as_of": "2026-03-01T00:01:00+00:00",
            "total": 2,
            "succeeded": 2,
            "failed": 0,
            "credits_granted": 170,
            "credits_expired": 0,
            "largest": [
                {"professional": str(new.pk), "before": 0, "after": 100},
                {"professional": str(low.pk), "before": 80, "after": 150},
            ],
            "exit_code": 0,
        }


class TestPeriod:
    def test_is_that_of_the_moment(self, manage, low):
        manage(COMMAND, "--as-of", "2026-03-01T00:00Z")

        assert JobRun.objects.get().period == "2026-03"

    def test_may_be_said(self, manage, low):
        manage(COMMAND, "--period", "2026-03")

        run = JobRun.objects.get()
        assert (run.period, run.as_of) == ("2026-03", MARCH)

    @pytest.mark.parametrize("status", ["partial", "failed", "interrupted", "running"])
    def test_that_is_over_may_be_finished(self, manage, low, status):
        make_run(period="2026-02", status=status, heartbeat_at=FEBRUARY)

        answer = manage(COMMAND, "--period", "2026-02")

        assert answer.code == 0
        assert balance_of(low.pk).free == 100

    @pytest.mark.parametrize(
        "runs",
        [
            [],
            [("2026-02", "succeeded")],
            [("2026-02", "missed")],
            [("2026-02", "partial"), ("2026-03", "partial")],
        ],
        ids=["never begun", "done", "missed", "not the last"],
    )
    @pytest.mark.parametrize(
        "words", [["--period", "2026-02"], ["--as-of", "2026-02-28T23:59Z", "--dry-run"]], ids=str
    )
    def test_that_is_over_is_not_made_good(self, manage, low, runs, words):
        for period, status in runs:
            make_run(period=period, status=status, finished_at=FEBRUARY)

        answer = manage(COMMAND, *words)

        assert (answer.code, answer.out) == (2, "")
        assert answer.err == (
            f"CommandError: {words[0]}: 2026-02 is over, and a month that passed is not made good;"
            " the present month is 2026-03.\n"
        )
        assert balance_of(low.pk).free == 30

    def test_that_has_not_begun_is_refused(self, manage, low):
        answer = manage(COMMAND, "--period", "2026-04")

        assert (answer.code, answer.out) == (2, "")
        assert answer.err == (
            "CommandError: --period: 2026-04 has not begun; the present month is 2026-03.\n"
        )
        assert not JobRun.objects.exists()

    @pytest.mark.parametrize("text", ["2026-13", "march", ""])
    def test_that_is_none_is_refused(self, manage, low, text):
        answer = manage(COMMAND, "--period", text)

        assert (answer.code, answer.out) == (2, "")
        assert answer.err == (
            f"CommandError: --period: “{text}” is not a month; write it as 2026-11.\n"
        )

    def test_of_a_moment_to_come_is_refused_even_for_a_dry_run(self, manage, low):
        answer = manage(COMMAND, "--as-of", "2026-04-01", "--dry-run")

        assert answer.code == 2
        assert answer.err == "CommandError: --as-of: 2026-04-01 00:00 UTC has not come yet.\n"


class TestProfessional:
    def test_may_be_named_by_address_and_by_id(self, manage, low, high, new):
        answer = manage(COMMAND, "--professional", low.email, "--professional", str(new.pk))

        assert answer.out.startswith("Found 2 verified professionals")
        assert [balance_of(who.pk).free for who in (low, high, new)] == [100, 120, 100]

    def test_that_is_not_eligible_is_not_found(self, manage):
        pending = make_professional(verification="pending")

        answer = manage(COMMAND, "--professional", pending.email)

        assert answer.code == 0
        assert answer.out.startswith("Found 0 verified professionals")
        assert not CreditBalance.objects.exists()


class TestLimit:
    def test_does_so_many_and_another_time_the_next(self, manage, low, high, new):
        first = manage(COMMAND, "--limit", "2")
        second = manage(COMMAND, "--limit", "2")

        assert "total 2, succeeded 2" in first.out
        assert "total 1, succeeded 1" in second.out
        assert CreditBalance.objects.filter(free_credits=100).count() == 3


class TestGoingOn:
    def test_repeats_every_option_that_matters(self, manage, low, high):
        poison(low)

        answer = manage(
            COMMAND,
            *["--period", "2026-03", "--as-of", "2026-03-01T00:00Z", "--professional", low.email],
            *["--professional", str(high.pk), "--limit", "5", "--chunk-size", "7", "--json"],
        )

        assert answer.err.endswith(
            " go on with: manage.py reset_monthly_credits --period 2026-03"
            f" --as-of 2026-03-01T00:00Z --professional {low.email} --professional {high.pk}"
            " --limit 5 --chunk-size 7\n"
        )

    def test_names_the_period_though_the_next_may_have_begun(self, manage, low):
        poison(low)

        assert manage(COMMAND).err.endswith(
            " go on with: manage.py reset_monthly_credits --period 2026-03\n"
        )
