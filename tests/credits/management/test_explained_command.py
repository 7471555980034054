"""credits.management.explained_command: what every command has."""

import os
import pty
import subprocess
import sys

import pytest
import stamina
from django.conf import settings
from django.db import connection

from credits.management.commands.verify_credits import Command
from tests.faults import Outage


@pytest.mark.engine("postgresql")  # One terminal is as good as two.
class TestColour:
    @pytest.mark.parametrize(
        ("variables", "is_red"),
        [
            pytest.param({}, True, id="as usual"),
            pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR"),
            pytest.param({"NO_COLOR": ""}, True, id="a blank NO_COLOR"),
        ],
    )
    def test_is_for_errors_at_a_terminal_unless_it_is_unwanted(self, variables, is_red):
        ours, theirs = pty.openpty()
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"NO_COLOR", "DJANGO_COLORS"}
        }
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            subprocess.run(
                [sys.executable, settings.BASE_DIR / "manage.py", "expire_credits", "--limit", "0"],
                env={**environment, **variables},
                stdout=theirs,
                stderr=theirs,
                check=False,
            )
            os.close(theirs)
            said = terminal.read(1000).decode()

        assert "--limit: “0” is not a whole number of at least 1." in said
        assert ("\x1b[" in said) == is_red


class TestCtrlC:
    def test_is_one_sentence_and_130(self, monkeypatch, capsys):
        def press(self, *args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(Command, "handle", press)

        with pytest.raises(SystemExit) as left:
            Command().run_from_argv(["manage.py", "verify_credits", "--skip-checks"])

        assert left.value.code == 130
        assert capsys.readouterr() == ("", "Interrupted; what was committed stays.\n")


@pytest.mark.django_db
class TestDatabaseThatIsDown:
    @pytest.mark.parametrize(
        "words",
        [
            ["create_credit_groups"],
            ["credit_jobs_status"],
            ["credit_metrics"],
            ["erase_professional", "aisha@example.com", "--yes"],
            ["expire_credits"],
            ["preview_credit_notice", "reset", "--professional", "aisha@example.com"],
            ["prune_credit_history"],
            ["reset_monthly_credits", "--dry-run"],
            ["run_due_credit_jobs", "--dry-run"],
            ["seal_credits"],
            ["send_credit_notices"],
            ["verify_credits"],
        ],
        ids=lambda words: words[0],
    )
    def test_is_one_sentence_and_exit_1(self, manage, settings, words):
        settings.CREDITS = settings.CREDITS | {"SEAL_KEY": "a key that is long enough to keep"}
        outage = Outage()
        outage.is_on = True

        # No pauses: for a moment as for good it would be asked again.
        with stamina.set_testing(True), connection.execute_wrapper(outage):
            answer = manage(*words)

        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith("CommandError: The database refused: ")
        assert answer.err.endswith(" Is it up, and has manage.py migrate been run?\n")
        assert answer.err.count("\n") == 1
