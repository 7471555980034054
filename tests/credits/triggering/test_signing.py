"""credits.triggering.signing: the token of a request that starts a job."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from credits.triggering.signing import is_signed, make_token, secrets

SECRET = "correct-horse-battery-staple-0123456789"
EARLIER = "an-earlier-secret-that-somebody-still-has"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
JOB = "expire_credits"

# printf '1793534400\nPOST\nexpire_credits' | openssl dgst -sha256 -hmac "$SECRET" -hex
BY_OPENSSL = "1793534400.6f59b9a7ca364a5416917e2ae258b188edc212af1a92e3ea06e15e51475ed2aa"


@pytest.fixture(autouse=True)
def secret(settings: Any) -> Any:
    settings.CREDITS = settings.CREDITS | {
        "TRIGGER_SECRET": SECRET,
        "TRIGGER_SECRET_FALLBACKS": [EARLIER],
    }
    return settings


class TestMakeToken:
    def test_is_what_a_shell_makes(self):
        assert make_token(SECRET, method="POST", job=JOB, at=NOON) == BY_OPENSSL


class TestIsSigned:
    @pytest.mark.parametrize("key", [SECRET, EARLIER], ids=["present", "earlier"])
    def test_takes_every_secret(self, key: str):
        token = make_token(key, method="POST", job=JOB, at=NOON)

        assert is_signed(token, method="POST", job=JOB, at=NOON)

    @pytest.mark.parametrize(
        ("change", "answer"),
        [
            pytest.param({"at": NOON + timedelta(seconds=300)}, True, id="five minutes late"),
            pytest.param({"at": NOON + timedelta(seconds=301)}, False, id="too late"),
            pytest.param({"at": NOON - timedelta(seconds=300)}, True, id="a clock behind"),
            pytest.param({"at": NOON - timedelta(seconds=301)}, False, id="too early"),
            pytest.param({"method": "GET"}, False, id="another method"),
            pytest.param({"job": "reset_monthly_credits"}, False, id="another job"),
        ],
    )
    def test_is_for_one_request_in_a_few_minutes(self, change: dict[str, Any], answer: bool):
        token = make_token(SECRET, method="POST", job=JOB, at=NOON)

        assert is_signed(token, **({"method": "POST", "job": JOB, "at": NOON} | change)) is answer

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            SECRET,
            BY_OPENSSL[:-1],
            BY_OPENSSL + "0",
            BY_OPENSSL.upper(),
            BY_OPENSSL.replace("1793534400", "1793534401"),
            BY_OPENSSL.replace("1793534400", "١٧٩٣٥٣٤٤٠٠"),
            BY_OPENSSL + "\n",
            "9" * 400 + "." + "0" * 64,
        ],
    )
    def test_refuses_what_nobody_signed(self, token: str):
        assert not is_signed(token, method="POST", job=JOB, at=NOON)

    def test_refuses_all_where_there_is_no_secret(self, settings: Any):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": "homezy.eligibility.verified_professionals"}
        token = make_token("", method="POST", job=JOB, at=NOON)

        assert not is_signed(token, method="POST", job=JOB, at=NOON)


class TestSecrets:
    def test_that_could_be_guessed_do_not_count(self, secret: Any):
        secret.CREDITS = secret.CREDITS | {
            "TRIGGER_SECRET": SECRET[:31],
            "TRIGGER_SECRET_FALLBACKS": ["", SECRET[:32]],
        }

        assert secrets() == [SECRET[:32]]
