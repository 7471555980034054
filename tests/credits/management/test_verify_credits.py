"""manage.py verify_credits."""

import json

import pytest

from credits.engine import triggers
from credits.engine.audit import invariants
from credits.models import CreditBalance
from tests.books import all_tables
from tests.factories import AUGUST, make_lot_holders, make_professional

COMMAND = "verify_credits"

EVERY = invariants(using="default")

ALL_WELL = (
    "".join(f"ok      {invariant.name}: {invariant.sentence}\n" for invariant in EVERY)
    + "ok      triggers: the database itself refuses to delete or change a row of the ledger\n"
    + f"All {len(EVERY) + 1} invariants hold.\n"
)


def overdraw(professional):
    CreditBalance.objects.filter(professional=professional).update(
        free_credits=6, lifetime_earned=6
    )


@pytest.fixture
def aisha(db):
    return make_professional(free=5)


class TestVerify:
    def test_says_that_each_invariant_holds(self, manage, aisha):
        answer = manage(COMMAND)

        assert (answer.code, answer.out, answer.err) == (0, ALL_WELL, "")

    def test_says_so_of_an_empty_ledger_too(self, manage, db):
        assert manage(COMMAND).out == ALL_WELL

    def test_says_the_same_of_questions_that_are_asked_at_once(self, manage, transactional_db):
        overdraw(make_professional(free=5))

        answer = manage(COMMAND, "--workers", "3")

        assert answer == manage(COMMAND)
        assert answer.code == 1

    @pytest.mark.parametrize(
        ("word", "sentence"),
        [
            ("none", "--workers: “none” is not a whole number of at least 1.\n"),
            ("33", "--workers: 33 are too many; 32 at most.\n"),
        ],
    )
    def test_refuses_a_wrong_number_of_workers_and_asks_nothing(self, manage, db, word, sentence):
        answer = manage(COMMAND, "--workers", word)

        assert (answer.code, answer.out, answer.err) == (2, "", f"CommandError: {sentence}")

    def test_names_what_is_broken_and_who(self, manage, aisha):
        overdraw(aisha)

        answer = manage(COMMAND)

        assert answer.code == 1
        assert answer.out.startswith(
            "BROKEN  (1) balances: free, paid and lifetime credits are the sums of the ledger's"
            " rows, paid also of its lots\n"
            f"          professional={aisha.pk} free_credits=6 paid_credits=0 free_in_ledger=5"
            " paid_in_ledger=0 paid_in_lots=0 earned_off_by=1 spent_off_by=0 expired_off_by=0\n"
            "ok      owners: "
        )
        assert "hold." not in answer.out
        assert answer.err == (f"CommandError: 1 of {len(EVERY) + 1} invariants are broken.\n")

    def test_shows_twenty_and_counts_the_rest(self, manage, db):
        make_lot_holders(1_023, expires_at=AUGUST)
        CreditBalance.objects.all().delete()

        answer = manage(COMMAND)

        assert "BROKEN  (1,023) owners: " in answer.out
        assert answer.out.count("          professional=") == 20
        assert "          and 1,003 more\n" in answer.out

    def test_names_a_missing_trigger_and_what_mends_it(self, manage, aisha):
        triggers.drop(using="default")
        names = sorted(trigger.name for trigger in triggers.expected(using="default"))

        answer = manage(COMMAND)

        assert answer.code == 1
        assert answer.out.endswith(
            "".join(
                f"BROKEN  triggers: {name} is missing; manage.py migrate puts it back\n"
                for name in names
            )
        )
        assert answer.err == (f"CommandError: 1 of {len(EVERY) + 1} invariants are broken.\n")

    @pytest.mark.parametrize("is_broken", [False, True], ids=["well", "broken"])
    def test_writes_nothing(self, manage, aisha, is_broken):
        if is_broken:
            overdraw(aisha)
        before = all_tables()

        manage(COMMAND)

        assert all_tables() == before

    def test_is_silent_with_v_0_and_tells_by_its_exit_code(self, manage, aisha):
        well = manage(COMMAND, "-v", "0")
        overdraw(aisha)
        broken = manage(COMMAND, "-v", "0")

        assert (well.code, well.out, well.err) == (0, "", "")
        assert (broken.code, broken.out) == (1, "")


class TestRebuild:
    def test_mends_the_balances_first(self, manage, aisha):
        overdraw(aisha)

        answer = manage(COMMAND, "--rebuild")

        assert answer.code == 0
        assert answer.out == f"Rebuilt 1 balances from the ledger.\n{ALL_WELL}"
        assert CreditBalance.objects.get().free_credits == 5

    def test_says_so_where_there_is_nothing_to_mend(self, manage, aisha):
        assert manage(COMMAND, "--rebuild").out == (
            f"Rebuilt 0 balances from the ledger.\n{ALL_WELL}"
        )


class TestJson:
    def test_is_one_document_where_all_is_well(self, manage, aisha):
        answer = manage(COMMAND, "--json")

        assert json.loads(answer.out) == {
            "version": 1,
            "rebuilt": None,
            "invariants": [
                {"name": name, "offenders": 0, "shown": []}
                for name in [*(invariant.name for invariant in EVERY), "triggers"]
            ],
        }
        assert (answer.code, answer.err) == (0, "")

    def test_is_one_document_where_something_is_broken(self, manage, aisha):
        overdraw(aisha)
        triggers.drop(using="default")

        answer = manage(COMMAND, "--json")

        broken = [
            invariant
            for invariant in json.loads(answer.out)["invariants"]
            if invariant["offenders"]
        ]
        assert answer.code == 1
        assert [invariant["name"] for invariant in broken] == ["balances", "triggers"]
        assert broken[0]["offenders"] == len(broken[0]["shown"]) == 1
        assert broken[1]["shown"] == triggers.missing(using="default")

    def test_counts_what_was_rebuilt(self, manage, aisha):
        overdraw(aisha)

        assert json.loads(manage(COMMAND, "--json", "--rebuild").out)["rebuilt"] == 1


class TestDatabaseWithoutTables:
    @pytest.mark.parametrize("words", [["--rebuild"], ["--json"]], ids=" ".join)
    def test_is_one_sentence_that_names_migrate_and_exit_1(self, real_manage, words):
        answer = real_manage(COMMAND, *words)

        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith("CommandError: The database refused: ")
        assert answer.err.endswith(" Is it up, and has manage.py migrate been run?\n")
        assert answer.err.count("\n") == 1
