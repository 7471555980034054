"""manage.py prune_credit_history and manage.py erase_professional."""

import json
from datetime import timedelta

import pytest

from credits.models import JobRun, Notice
from tests.factories import MARCH, make_notice, make_professional, make_run

PRUNE, ERASE = "prune_credit_history", "erase_professional"

NOW = MARCH + timedelta(days=1_000)


@pytest.fixture(autouse=True)
def today(clock):
    clock(NOW)


@pytest.fixture
def history(db):
    make_run()
    make_run(started_at=NOW)
    make_notice()


@pytest.mark.usefixtures("history")
class TestPruning:
    def test_says_what_would_go_and_what_went(self, manage):
        stays = "0 runs that the ledger refers to stay, without their words about failures.\n"

        rehearsed = manage(PRUNE, "--dry-run")
        kept = Notice.objects.count(), JobRun.objects.count()
        done, again = manage(PRUNE), manage(PRUNE)

        assert rehearsed.out == f"Would forget 1 notices and 1 runs; {stays}"
        assert kept == (1, 2)
        assert done.out == f"Forgot 1 notices and 1 runs; {stays}"
        assert again.out == f"Forgot 0 notices and 0 runs; {stays}"
        assert {answer.code for answer in (rehearsed, done, again)} == {0}

    def test_takes_other_numbers_of_days(self, manage):
        answer = manage(PRUNE, "--runs-older-than", "2000", "--notices-older-than", "30")

        assert answer.out.startswith("Forgot 1 notices and 0 runs;")

    def test_is_one_document_for_a_machine(self, manage):
        assert json.loads(manage(PRUNE, "--dry-run", "--json").out) == {
            "version": 1,
            "job": PRUNE,
            "dry_run": True,
            "notices": 1,
            "runs": 1,
            "emptied": 0,
        }

    @pytest.mark.parametrize("days", ["0", "-1", "many"])
    def test_refuses_what_is_no_number_of_days(self, manage, days):
        answer = manage(PRUNE, f"--runs-older-than={days}")

        assert answer.code == 2
        assert answer.err == (
            f"CommandError: --runs-older-than: “{days}” is not a whole number of at least 1.\n"
        )


@pytest.fixture
def aisha(db):
    return make_professional(email="aisha@example.com", first_name="Aisha")


class TestErasing:
    def test_says_what_went(self, manage, aisha):
        make_notice(aisha)

        answer = manage(ERASE, "aisha@example.com", "--yes")

        assert answer.code == 0
        assert answer.out == (
            f"Erased professional {aisha.pk}: 0 typed reasons, 1 notices, 0 opt-outs, 0 suppressed"
            " addresses, the words of 0 failures and 0 entries of the admin's log. The balance and"
            " the ledger stay.\n"
            "The account itself: homezy.erasure.erase_user.\n"
        )
        aisha.refresh_from_db()
        assert aisha.email == f"erased-{aisha.pk}@invalid"

    def test_says_what_would_go(self, manage, aisha):
        answer = manage(ERASE, str(aisha.pk), "--dry-run")

        aisha.refresh_from_db()
        assert answer.out.startswith(f"Would erase professional {aisha.pk}: ")
        assert aisha.first_name == "Aisha"

    def test_says_that_a_project_leaves_the_account_as_it_is(self, manage, aisha, settings):
        settings.CREDITS = settings.CREDITS | {"ERASE_PROFESSIONAL": ""}

        assert manage(ERASE, str(aisha.pk), "--yes").out.endswith(
            'The account itself stays as it is: CREDITS["ERASE_PROFESSIONAL"] is not set.\n'
        )

    @pytest.mark.parametrize(
        ("typed", "code", "name"), [("the id", 0, ""), ("yes", 2, "Aisha"), (None, 2, "Aisha")]
    )
    def test_asks_first(self, manage, aisha, monkeypatch, typed, code, name):
        def answer(question):
            if typed is None:
                raise EOFError
            return str(aisha.pk) if typed == "the id" else typed

        monkeypatch.setattr("builtins.input", answer)

        assert manage(ERASE, str(aisha.pk)).code == code

        aisha.refresh_from_db()
        assert aisha.first_name == name

    @pytest.mark.parametrize("word", ["0", "nobody@example.com", "Aisha"])
    def test_refuses_somebody_unknown(self, manage, db, word):
        answer = manage(ERASE, word, "--yes")

        assert (answer.code, answer.err) == (
            2,
            f"CommandError: EMAIL|ID: there is no user “{word}”; give the e-mail address or the id"
            " of one.\n",
        )
