"""manage.py expire_credits."""

import json

import pytest

from credits.ledger import balance_of
from credits.models import JobRun
from tests.books import all_tables, broken_invariants
from tests.factories import (
    APRIL,
    AUGUST,
    JULY_15,
    MARCH,
    buy,
    give_lot,
    make_lot_holders,
    make_professional,
    use,
)
from tests.tampering import poison

pytestmark = pytest.mark.django_db

COMMAND = "expire_credits"


@pytest.fixture(autouse=True)
def on_july_15(clock):
    clock(JULY_15)


@pytest.fixture
def aisha():
    """A professional with 17 credits in two lots that have expired, and 20 in one that has not."""
    aisha = make_professional(free=3)
    give_lot(aisha, 10, expires_at=MARCH)
    buy(aisha, 10)
    give_lot(aisha, 20, expires_at=AUGUST)
    use(aisha, 6)
    return aisha


@pytest.fixture
def omar():
    """A professional with 1,000 credits in one lot that has expired."""
    return make_professional(free=100, paid=1_000)


class TestExpire:
    def test_says_what_it_found_and_what_it_did(self, manage, aisha, omar):
        answer = manage(COMMAND)

        run = JobRun.objects.get()
        assert answer.code == 0
        assert answer.out == (
            "Found 3 expired lots of purchased credits\n"
            "Credit expiry completed: total 3, succeeded 3, failed 0, credits -1,017"
            f" (run {run.pk}, 0.0 s)\n"
        )
        assert answer.err == ""
        assert (run.period, run.as_of, run.trigger) == ("", JULY_15, "command")
        assert broken_invariants() == {}

    def test_has_nothing_to_do_a_second_time(self, manage, aisha):
        manage(COMMAND)
        before = all_tables()

        answer = manage(COMMAND)

        run = JobRun.objects.latest("pk")
        assert answer.code == 0
        assert answer.out == (
            "Found 0 expired lots of purchased credits\n"
            "Credit expiry completed: total 0, succeeded 0, failed 0, credits +0"
            f" (run {run.pk}, 0.0 s)\n"
        )
        after = all_tables()
        assert {name for name in after if after[name] != before[name]} == {"credits_jobrun"}

    def test_does_what_falls_due_later(self, manage, clock, aisha):
        manage(COMMAND)
        clock(AUGUST)

        answer = manage(COMMAND)

        assert "total 1, succeeded 1, failed 0, credits -20 " in answer.out

    def test_says_with_v_2_what_happened_to_each_lot(self, manage, aisha, omar):
        answer = manage(COMMAND, "-v", "2")

        assert answer.out.splitlines()[1:-1] == [
            f"  professional {aisha.pk}: 37 -> 30 (-7)",
            f"  professional {aisha.pk}: 30 -> 20 (-10)",
            f"  professional {omar.pk}: 1,100 -> 100 (-1,000)",
        ]

    def test_is_one_document_for_a_machine(self, manage, aisha, omar):
        answer = manage(COMMAND, "--json")

        assert json.loads(answer.out) == {
            "version": 1,
            "job": "expire_credits",
            "found": 3,
            "dry_run": False,
            "run": JobRun.objects.get().pk,
            "status": "succeeded",
            "period": "",
            "as_of": "2026-07-15T09:00:00+00:00",
            "total": 3,
            "succeeded": 3,
            "failed": 0,
            "credits_granted": 0,
            "credits_expired": 1017,
            "seconds": 0.0,
            "failures": [],
            "warning": "",
            "message": "",
            "exit_code": 0,
        }


class TestDryRun:
    def test_says_what_would_happen_and_to_whom_most(self, manage, aisha, omar):
        answer = manage(COMMAND, "--dry-run")

        assert answer.code == 0
        assert answer.out == (
            "Found 3 expired lots of purchased credits\n"
            "Credit expiry would be: total 3, succeeded 3, failed 0, credits -1,017"
            " (dry run, nothing written)\n"
            "The largest changes:\n"
            f"  professional {omar.pk}: 1,100 -> 100 (-1,000)\n"
            f"  professional {aisha.pk}: 37 -> 20 (-17)\n"
        )

    def test_writes_nothing_at_all(self, manage, aisha, omar):
        before = all_tables()

        manage(COMMAND, "--dry-run", "-v", "2")

        assert all_tables() == before

    @pytest.mark.parametrize(
        "words", [[], ["--limit", "1"], ["--as-of", "2026-03-01T00:01Z"]], ids=str
    )
    def test_foresees_exactly_what_the_run_then_does(self, manage, aisha, omar, words):
        foreseen = json.loads(manage(COMMAND, "--dry-run", "--json", *words).out)
        balances = {str(who.pk): balance_of(who.pk).total for who in (aisha, omar)}

        done = json.loads(manage(COMMAND, "--json", *words).out)

        same = set(foreseen) & set(done) - {"dry_run", "run", "status"}
        assert {key: foreseen[key] for key in same} == {key: done[key] for key in same}
        for change in foreseen["largest"]:
            assert change["before"] == balances[change["professional"]]
            assert change["after"] == balance_of(change["professional"]).total

    def test_may_look_ahead(self, manage, aisha):
        answer = manage(COMMAND, "--dry-run", "--as-of", "2027-01-01")

        assert "Found 3 expired lots" in answer.out
        assert "credits -37 " in answer.out

    def test_alone_may_look_ahead(self, manage, aisha):
        answer = manage(COMMAND, "--as-of", "2027-01-01")

        assert (answer.code, answer.out) == (2, "")
        assert answer.err == (
            "CommandError: --as-of: 2027-01-01 00:00 UTC has not come yet;"
            " only a --dry-run may look ahead.\n"
        )
        assert not JobRun.objects.exists()

    def test_is_one_document_for_a_machine(self, manage, aisha):
        answer = manage(COMMAND, "--dry-run", "--json")

        assert json.loads(answer.out) == {
            "version": 1,
            "job": "expire_credits",
            "found": 2,
            "dry_run": True,
            "run": None,
            "status": "dry_run",
            "period": "",
            "as_of": "2026-07-15T09:00:00+00:00",
            "total": 2,
            "succeeded": 2,
            "failed": 0,
            "credits_granted": 0,
            "credits_expired": 17,
            "largest": [{"professional": str(aisha.pk), "before": 37, "after": 20}],
            "exit_code": 0,
        }


class TestAsOf:
    def test_is_now_unless_one_says_otherwise(self, manage, aisha):
        manage(COMMAND, "--as-of", "2026-03-01T00:01Z")
        manage(COMMAND)

        assert [run.as_of for run in JobRun.objects.order_by("pk")] == [MARCH, JULY_15]
        assert [run.credits_expired for run in JobRun.objects.order_by("pk")] == [7, 10]


class TestProfessional:
    def test_may_be_named_by_address_and_by_id(self, manage, aisha, omar):
        other = make_professional(paid=5)

        manage(COMMAND, "--professional", aisha.email, "--professional", str(omar.pk))

        assert [balance_of(who.pk).paid for who in (aisha, omar, other)] == [20, 0, 5]


class TestLimit:
    def test_counts_professionals_not_lots(self, manage):
        holders = make_lot_holders(3, lots=(1, 2, 3), expires_at=APRIL)

        answer = manage(COMMAND, "--limit", "2")

        assert "total 6, succeeded 6" in answer.out
        assert [balance_of(holder.pk).paid for holder in holders] == [0, 0, 6]


class TestGoingOn:
    def test_repeats_every_option_that_matters(self, manage, aisha):
        poison(aisha)

        answer = manage(
            COMMAND,
            *["--as-of", "2026-07-15 09:00", "--professional", aisha.email, "--chunk-size", "7"],
            *["--limit", "5", "-v", "2"],
        )

        assert answer.err.endswith(
            " go on with: manage.py expire_credits --as-of '2026-07-15 09:00'"
            f" --professional {aisha.email} --limit 5 --chunk-size 7\n"
        )
