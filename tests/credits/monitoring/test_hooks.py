"""credits.monitoring.hooks: what may hang does not hang us, and nothing secret is said."""

import logging
import time
from threading import Event

import pytest

from credits.monitoring import hooks
from credits.monitoring.hooks import Answer, Hook, HookFailed, call_all


class TestCallAll:
    def test_waits_ten_seconds_at_most(self):
        assert 0 < hooks.LONGEST <= 10

    def test_does_not_wait_for_who_hangs(self):
        released = Event()
        hanging = Hook("hanging", lambda: released.wait(30) and None)
        began = time.monotonic()

        answers = call_all([hanging, hanging, Hook("quick", lambda: None)], seconds=0.2)

        assert time.monotonic() - began < 2
        assert [(it.name, it.problem) for it in answers] == [
            ("hanging", "no answer in time"),
            ("hanging", "no answer in time"),
            ("quick", None),
        ]
        released.set()

    @pytest.mark.parametrize(
        ("error", "shown"),
        [
            pytest.param(HookFailed("HTTP 500"), "HTTP 500", id="what a hook says"),
            pytest.param(ValueError("https://x/SECRET"), "ValueError", id="what a library says"),
            pytest.param(SystemExit(3), "SystemExit", id="even this"),
        ],
    )
    def test_says_why_without_a_secret(self, error, shown):
        def fail() -> None:
            raise error

        assert call_all([Hook("rude", fail)]) == [Answer("rude", shown)]


class TestDiscretion:
    @pytest.mark.parametrize("name", ["apprise", "urllib3.connectionpool"])
    def test_keeps_what_a_library_says_in_a_hook_out_of_the_log(self, name, caplog):
        caplog.set_level(logging.DEBUG)
        library = logging.getLogger(name)

        call_all([Hook("talkative", lambda: library.debug("POST /SECRET"))])
        library.warning("of the host itself")

        assert [record.getMessage() for record in caplog.records] == ["of the host itself"]
