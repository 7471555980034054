"""credits.monitoring.checks: what is wrong with the channels, without their secrets."""

import pytest
from django.core import checks

from credits.monitoring.checks import (
    check_chats,
    check_heartbeats,
    check_metrics,
    check_sentry,
)

ALL = (check_chats, check_heartbeats, check_sentry, check_metrics)


@pytest.fixture
def without(monkeypatch):
    """Act as though no extra was installed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


class TestChecks:
    def test_are_content_with_the_project(self):
        assert [message for check in ALL for message in check()] == []

    def test_are_content_with_what_works(self, credits):
        credits(
            CHAT_SECRET_URLS=["json://127.0.0.1/x", f"discord://{'1' * 18}/{'t' * 64}"],
            HEARTBEAT_SECRET_URLS=["https://hc/key", "run_due_credit_jobs=https://hc/1"],
            METRICS_TOKEN="0123456789abcdefghij",
        )

        assert [message for check in ALL for message in check()] == []

    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ({"CHAT_SECRET_URLS": ["json://h/x", "hunter2://x"]}, "credits.E011"),
            ({"CHAT_SECRET_URLS": ["slack://hunter2"]}, "credits.E011"),
            ({"HEARTBEAT_SECRET_URLS": ["expire=https://h/hunter2"]}, "credits.E012"),
            ({"HEARTBEAT_SECRET_URLS": ["hc/hunter2"]}, "credits.E012"),
            ({"HEARTBEAT_SECRET_URLS": ["https://h/hunter2?create=1"]}, "credits.E012"),
            ({"SENTRY_CRONS": True}, "credits.W010"),
            ({"METRICS_TOKEN": "hunter2"}, "credits.W011"),
        ],
    )
    def test_say_what_is_wrong_and_what_to_write(self, credits, caplog, keys, expected):
        credits(**keys)

        (message,) = [message for check in ALL for message in check()]

        assert (message.id, bool(message.hint)) == (expected, True)
        assert "hunter2" not in f"{message}{caplog.text}"

    @pytest.mark.parametrize(
        ("keys", "expected", "extra"),
        [
            ({"CHAT_SECRET_URLS": ["json://h/x"]}, "credits.E010", "chat"),
            ({"SENTRY_CRONS": True}, "credits.E013", "sentry"),
            ({"METRICS_TOKEN": "0123456789abcdefghij"}, "credits.E014", "metrics"),
        ],
    )
    def test_name_the_extra_that_is_missing(self, credits, without, keys, expected, extra):
        credits(**keys)

        (message,) = [message for check in ALL for message in check()]

        assert message.id == expected
        assert message.hint == f'pip install "django-credits-ledger[{extra}]"'

    def test_leave_malformed_settings_to_the_check_of_settings(self, credits):
        credits(CHAT_SECRET_URLS="slack://hunter2")

        assert [message for check in ALL for message in check()] == []

    def test_are_registered(self):
        assert set(ALL) <= set(checks.registry.registry.get_checks())
