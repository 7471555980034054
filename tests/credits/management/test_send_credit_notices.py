"""manage.py send_credit_notices: what it prints, and with which exit code it ends."""

import json
import os
import re
import signal
from io import StringIO

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import CommandError, call_command
from django.utils import timezone

from credits.models import JobRun, Notice
from tests.factories import make_professional, make_run, promise

pytestmark = pytest.mark.django_db


class Refusing(BaseEmailBackend):
    def send_messages(self, messages):
        raise ValueError("no such box")


def broken_recipient(user):
    raise KeyError(f"no profile of {user.email}")


class Interrupting(BaseEmailBackend):
    def send_messages(self, messages):
        os.kill(os.getpid(), signal.SIGTERM)
        return 1


@pytest.fixture(autouse=True)
def at_any_hour(settings):
    settings.CREDITS = {
        **settings.CREDITS,
        "SEND_WINDOW": ["00:00", "23:59:59.999999"],
        "NOTICES_PER_SECOND": 100_000,
    }
    now = timezone.now()
    make_run(job=JobRun.Job.RESET, period=f"{now:%Y-%m}", as_of=now)
    make_run(job=JobRun.Job.EXPIRY, as_of=now)


def run(*words):
    """Return exit code, standard output and the error's sentence."""
    output = StringIO()
    try:
        call_command("send_credit_notices", *words, stdout=output, stderr=StringIO())
    except CommandError as error:
        return error.returncode, output.getvalue(), str(error)
    return 0, output.getvalue(), ""


class TestSend:
    def test_says_what_it_did(self):
        promise(make_professional())

        code, output, _ = run()

        assert code == 0
        assert re.sub(r"\(.* s\)", "(0.0 s)", output) == (
            "Notices that are due: 1\n"
            "Credit notices: promised 0, sent 1, merged 0, suppressed 0, postponed 0, retried 0,"
            " parked 0, failed 0 (0.0 s)\n"
        )

    def test_says_why_the_last_one_did_not_leave_and_names_nobody(self, settings):
        settings.CREDITS = {**settings.CREDITS, "RECIPIENT": f"{__name__}.broken_recipient"}
        promise(make_professional())

        code, output, _ = run()

        assert code == 0
        assert "retried 1," in output
        assert output.endswith("\nThe last that did not leave: KeyError: 'no profile of …'\n")

    def test_has_nothing_to_do_and_ends_well(self):
        code, output, _ = run("-v0")

        assert (code, output) == (0, "")

    def test_json_is_one_document(self):
        promise(make_professional())

        code, output, _ = run("--json")

        document = json.loads(output)
        assert code == 0
        assert document.pop("seconds") >= 0
        assert document == {
            "version": 1,
            "job": "send_credit_notices",
            "dry_run": False,
            "warned": 0,
            "late": 0,
            "merged": 0,
            "sent": 1,
            "suppressed": 0,
            "postponed": 0,
            "retried": 0,
            "parked": 0,
            "failed": 0,
            "was_stopped": False,
            "given_up": "",
            "last_problem": "",
            "message": "",
            "exit_code": 0,
        }

    def test_limit_leaves_the_rest(self):
        for _ in range(3):
            promise(make_professional())

        run("--limit", "2")

        assert len(mail.outbox) == 2

    def test_a_dry_run_sends_nothing(self):
        promise(make_professional())

        code, output, _ = run("--dry-run")

        assert (code, mail.outbox) == (0, [])
        assert output == (
            "Would promise: expiry warnings 0, words about late runs 0; then try: notices 1"
            " (dry run, nothing sent)\n  reset: 1\n"
        )

    def test_a_dry_run_in_json(self):
        _, output, _ = run("--dry-run", "--json")

        assert json.loads(output) == {
            "version": 1,
            "job": "send_credit_notices",
            "dry_run": True,
            "warned": 0,
            "late": 0,
            "due": {},
            "exit_code": 0,
        }


class TestExitCodes:
    @pytest.mark.parametrize("limit", ["", "0", "-1", "ten", "1.5"])
    def test_2_for_a_bad_limit(self, limit):
        code, _, sentence = run(f"--limit={limit}")

        assert code == 2
        assert sentence == f"--limit: “{limit}” is not a whole number of at least 1."

    def test_3_when_one_failed(self, settings):
        settings.EMAIL_BACKEND = f"{__name__}.Refusing"
        promise(make_professional())

        code, _, sentence = run()

        assert code == 3
        assert sentence.startswith("Notices that failed: 1; parked: 0.")

    def test_1_in_one_sentence_when_the_settings_are_wrong(self, settings):
        settings.EMAIL_BACKEND = "anymail.backends.mailgun.EmailBackend"
        settings.ANYMAIL = {}
        notice = promise(make_professional())

        code, output, sentence = run("--json")

        notice.refresh_from_db()
        assert code == 1
        assert sentence.startswith("The mail settings do not work: AnymailConfigurationError: ")
        assert "\n" not in sentence
        assert json.loads(output)["error"] == sentence
        assert (notice.status, notice.attempts) == (Notice.Status.PENDING, 0)

    def test_1_when_the_service_is_down(self, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        for _ in range(12):
            promise(make_professional())

        code, _, sentence = run()

        assert code == 1
        assert sentence.startswith("Gave up: 10 notices in a row could not be sent; the last:")

    def test_130_when_interrupted_and_the_notice_at_hand_is_finished(self, settings):
        settings.EMAIL_BACKEND = f"{__name__}.Interrupting"
        first, second = promise(make_professional()), promise(make_professional())

        code, output, sentence = run()

        first.refresh_from_db()
        second.refresh_from_db()
        assert code == 130
        assert "Finishing this notice, then stopping." in output
        assert sentence.endswith("Go on with: manage.py send_credit_notices")
        assert (first.status, second.status) == (Notice.Status.SENT, Notice.Status.PENDING)
        assert second.next_attempt_at <= timezone.now()
