"""manage.py pause_credit_job and resume_credit_job: what they print, and their exit codes."""

import json

import pytest
from django.core import mail

from credits.models import JobPause, JobRun
from tests.factories import MARCH, make_professional, make_user, promise

pytestmark = pytest.mark.django_db

PAUSE = ("pause_credit_job", "expire_credits", "--by", "aisha@example.com", "--reason", "Dates")


@pytest.fixture(autouse=True)
def aisha(clock):
    clock(MARCH)
    return make_user(email="aisha@example.com")


class TestPause:
    def test_says_how_it_goes_on(self, manage, aisha):
        answer = manage(*PAUSE)

        pause = JobPause.objects.get()
        assert (answer.code, answer.err) == (0, "")
        assert answer.out == (
            "expire_credits is paused. Go on with: manage.py resume_credit_job expire_credits\n"
        )
        assert (pause.job, pause.reason, pause.paused_by) == ("expire_credits", "Dates", aisha)
        assert pause.paused_at == MARCH

    def test_is_a_document_for_a_machine(self, manage):
        answer = manage(*PAUSE, "--json", "-v0")

        assert json.loads(answer.out) == {
            "version": 1,
            "job": "expire_credits",
            "paused_at": "2026-03-01T00:01:00+00:00",
            "reason": "Dates",
            "exit_code": 0,
        }

    def test_of_a_paused_job_is_refused(self, manage):
        manage(*PAUSE)

        answer = manage(*PAUSE[:-1], "Mine")

        assert (answer.code, answer.out) == (1, "")
        assert "has been paused already, by aisha@example.com" in answer.err

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["expire_credit"], "“expire_credit” is not a job that can be paused; did you mean"),
            (["everything"], "known: reset_monthly_credits, expire_credits, send_credit_notices."),
            (["expire_credits", "--by", "nobody@example.com"], "--by: there is no user"),
            (["expire_credits", "--reason", "  "], "--reason: write 1 to 500 characters, not 0."),
            (["expire_credits", "--reason", "x" * 501], "characters, not 501."),
        ],
        ids=["a slip", "no job", "nobody", "no reason", "too much"],
    )
    def test_of_something_else_is_one_sentence_and_exit_2(self, manage, words, sentence):
        given = {"--by": "aisha@example.com", "--reason": "Dates"}
        given |= dict(zip(words[1::2], words[2::2], strict=True))

        answer = manage("pause_credit_job", words[0], *(w for pair in given.items() for w in pair))

        assert (answer.code, answer.out) == (2, "")
        assert sentence in answer.err
        assert answer.err.count("\n") == 1
        assert not JobPause.objects.exists()


class TestResume:
    def test_says_what_it_ended(self, manage, aisha):
        manage(*PAUSE)

        answer = manage("resume_credit_job", "expire_credits", "--by", "aisha@example.com")

        assert (answer.code, answer.err) == (0, "")
        assert answer.out == (
            "expire_credits is resumed; it was paused since 2026-03-01 00:01 UTC (“Dates”).\n"
        )
        assert JobPause.objects.get().resumed_by == aisha

    def test_has_nothing_to_do_where_nothing_is_paused(self, manage):
        answer = manage("resume_credit_job", "expire_credits", "--json")

        assert (answer.code, answer.err) == (0, "expire_credits was not paused.\n")
        assert json.loads(answer.out)["was_paused"] is False

    def test_of_something_else_is_exit_2(self, manage):
        assert manage("resume_credit_job", "everything").code == 2


@pytest.mark.django_db(transaction=True)
class TestAPausedJob:
    @pytest.mark.parametrize("job", JobPause.Job.values)
    def test_is_refused_with_exit_5_unless_told_otherwise(self, manage, job):
        promise(make_professional())
        manage("pause_credit_job", job, *PAUSE[2:])

        answer = manage(job, "--json", "-v0")

        assert answer.code == 5
        assert json.loads(answer.out)["exit_code"] == 5
        assert f"{job} is paused by aisha@example.com since 2026-03-01 00:01 UTC" in answer.err
        assert not JobRun.objects.exists()
        assert mail.outbox == []
        assert manage(job, "--even-if-paused").code == 0
        assert manage(job, "--dry-run").code == 0
