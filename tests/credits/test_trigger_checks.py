"""credits.checks: whether requests that start jobs are guarded well."""

from typing import Any

import pytest
from django.core.checks import run_checks

from credits import checks
from credits.checks import check_triggering
from credits.setting_checks import check_settings

SECRET = "correct-horse-battery-staple-0123456789"


def given(settings: Any, **changes: Any) -> None:
    settings.CREDITS = settings.CREDITS | changes


class TestCheckTriggering:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"TRIGGER_SECRET": SECRET[:32], "TRIGGER_SECRET_FALLBACKS": [SECRET]},
            {"TRIGGER_JOBS": ["expire_credits"]},
            {"TRIGGER_GOOGLE_AUDIENCE": "us", "TRIGGER_GOOGLE_ACCOUNT": "scheduler@example.com"},
        ],
        ids=["off", "a secret", "a job", "Google"],
    )
    def test_is_content(self, settings: Any, changes: dict[str, Any]):
        given(settings, **changes)

        assert check_triggering() == []

    @pytest.mark.parametrize(
        ("changes", "number", "words"),
        [
            ({"TRIGGER_SECRET": SECRET[:31]}, "E006", 'CREDITS["TRIGGER_SECRET"] holds fewer'),
            (
                {"TRIGGER_SECRET_FALLBACKS": [SECRET, "short"]},
                "E006",
                'CREDITS["TRIGGER_SECRET_FALLBACKS"] holds fewer',
            ),
            ({"TRIGGER_JOBS": ["expire_credit"]}, "E007", "'expire_credit', which is no job"),
            ({"TRIGGER_GOOGLE_AUDIENCE": "us"}, "E008", "one is missing"),
            ({"TRIGGER_GOOGLE_ACCOUNT": "a@example.com"}, "E008", "one is missing"),
        ],
        ids=["short", "short fallback", "no job", "no account", "no audience"],
    )
    def test_says_what_is_wrong(
        self, settings: Any, changes: dict[str, Any], number: str, words: str
    ):
        given(settings, **changes)

        (message,) = check_triggering()

        assert message.id == f"credits.{number}"
        assert words in message.msg
        assert message.hint
        assert message in run_checks()

    def test_says_what_to_install_for_google(self, settings: Any, monkeypatch: pytest.MonkeyPatch):
        given(settings, TRIGGER_GOOGLE_AUDIENCE="us", TRIGGER_GOOGLE_ACCOUNT="a@example.com")
        monkeypatch.setattr(checks, "has_google_auth", lambda: False)

        (message,) = check_triggering()

        assert message.id == "credits.E009"

    @pytest.mark.parametrize("key", ["TRIGGER_SECRET", "TRIGGER_SECRET_FALLBACKS"])
    def test_shows_no_secret_that_has_the_wrong_kind(self, settings: Any, key: str):
        given(settings, **{key: {"new": SECRET}})

        assert check_triggering() == []
        (message,) = check_settings()
        assert f'CREDITS["{key}"] must be' in message.msg
        assert SECRET not in message.msg
