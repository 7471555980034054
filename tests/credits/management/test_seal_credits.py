"""manage.py seal_credits and manage.py verify_credits --seals."""

import json
from datetime import timedelta

import pytest

from credits.engine.audit import invariants
from credits.models import CreditTransaction, DaySeal
from tests.factories import make_professional
from tests.sealing import CLOSING, count_all
from tests.tampering import guards_down

COMMAND = "seal_credits"

ASKED = len(invariants(using="default")) + 2


@pytest.fixture(autouse=True)
def today(clock):
    clock(CLOSING)


@pytest.fixture
def ledger(db):
    make_professional(free=5)
    count_all()


@pytest.fixture
def keyless(settings):
    settings.CREDITS = settings.CREDITS | {"SEAL_KEY": ""}


@pytest.mark.usefixtures("ledger")
class TestSealing:
    def test_says_what_it_sealed_and_that_it_did_so_already(self, manage, caplog):
        caplog.set_level("INFO", "credits.seals")

        first, second = manage(COMMAND), manage(COMMAND)

        seal = DaySeal.objects.get()
        assert (first.code, first.err) == (0, "")
        assert first.out == (
            f"Sealed 2026-03-01: seal 1, 1 transactions through {seal.through}, code {seal.code}\n"
        )
        assert (second.code, second.out) == (0, "Sealed already: nothing to do.\n")
        # A log kept elsewhere is a witness.
        assert [record.getMessage() for record in caplog.records] == [
            f"ledger sealed day=2026-03-01 seal=1 transactions=1 through={seal.through}"
            f" code={seal.code}"
        ]

    def test_is_one_document_for_a_machine(self, manage):
        first, second = manage(COMMAND, "--json"), manage(COMMAND, "--json")

        head = {"version": 1, "job": COMMAND, "exit_code": 0}
        seal = DaySeal.objects.get()
        assert json.loads(first.out) == head | {
            "sealed": True,
            "day": "2026-03-01",
            "number": 1,
            "transaction_count": 1,
            "through": seal.through,
            "code": seal.code,
        }
        assert json.loads(second.out) == head | {"sealed": False}

    def test_says_in_one_sentence_that_there_is_no_key(self, manage, keyless):
        said, document = manage(COMMAND), manage(COMMAND, "--json")

        assert (said.code, said.out) == (1, "")
        assert said.err.startswith('CommandError: CREDITS["SEAL_KEY"] is not set: ')
        assert json.loads(document.out)["exit_code"] == 1

    def test_puts_nothing_over_a_seal_that_is_lost(self, manage, clock):
        manage(COMMAND)
        with guards_down():
            DaySeal.objects.all().delete()
        clock(CLOSING + timedelta(days=1))

        answer = manage(COMMAND)

        assert answer.code == 1
        assert answer.err == (
            "CommandError: Nothing was sealed: the last seal written was 1, the last one there is"
            " 0. Look with: manage.py verify_credits --seals\n"
        )


@pytest.mark.usefixtures("ledger")
class TestVerifying:
    def test_says_that_the_seals_hold(self, manage):
        manage(COMMAND)
        make_professional(free=1)
        count_all()

        answer = manage("verify_credits", "--seals")

        assert answer.code == 0
        assert answer.out.endswith(
            "ok      seals: 1 seals over 1 transactions; 1 newer ones wait for theirs\n"
            f"All {ASKED} invariants hold.\n"
        )

    def test_names_the_day_and_what_differs(self, manage):
        manage(COMMAND)
        with guards_down():
            CreditTransaction.objects.update(description="Another story")

        said = manage("verify_credits", "--seals")
        document = json.loads(manage("verify_credits", "--seals", "--json").out)

        told = "2026-03-01: seal 1 does not fit the rows: the digest differs"
        assert said.code == 1
        assert "BROKEN  (1) seals: 1 seals over 1 transactions" in said.out
        assert said.out.endswith(f"          {told}\n")
        assert said.err == f"CommandError: 1 of {ASKED} invariants are broken.\n"
        assert document["seals"] == {
            "seals": 1,
            "transactions": 1,
            "unsealed": 0,
            "breaches": 1,
            "shown": [told],
        }
        assert manage("verify_credits", "--seals", "--since", "2026-03-02").code == 0

    def test_looks_for_a_code_that_somebody_wrote_down(self, manage):
        manage(COMMAND)
        code = DaySeal.objects.get().code

        assert manage("verify_credits", "--seals", "--known", code).code == 0
        assert (
            "no seal has the code abc" in manage("verify_credits", "--seals", "--known", "abc").out
        )

    def test_shows_twenty_breaches_and_counts_the_rest(self, manage, clock):
        for day in range(22):
            clock(CLOSING + timedelta(days=day))
            manage(COMMAND)
        with guards_down():
            DaySeal.objects.update(free_amount=1)

        answer = manage("verify_credits", "--seals", "--since", "2027-01-01")

        assert "BROKEN  (22) seals: " in answer.out
        assert answer.out.endswith("          and 2 more\n")

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("--since", "2026-03-01"), "--since goes with --seals."),
            (("--known", "abc"), "--known goes with --seals."),
            (("--seals", "--known", "\udc80"), "--known: “\udc80” is no code of a seal."),
            (
                ("--seals", "--since", "May"),
                "--since: “May” is not a day; write one like 2026-11-01.",
            ),
            (
                ("--seals", "--since", "2026-02-30"),
                "--since: “2026-02-30” is not a day; write one like 2026-11-01.",
            ),
        ],
    )
    def test_refuses_what_was_typed_wrong(self, manage, words, sentence):
        answer = manage("verify_credits", *words)

        assert (answer.code, answer.out, answer.err) == (2, "", f"CommandError: {sentence}\n")

    def test_says_in_one_sentence_that_there_is_no_key(self, manage, keyless):
        answer = manage("verify_credits", "--seals")

        assert answer.code == 1
        assert answer.err.startswith('CommandError: CREDITS["SEAL_KEY"] is not set: ')
