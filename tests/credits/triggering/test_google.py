"""credits.triggering.google: the tokens of Google Cloud Scheduler."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.oauth2 import id_token

from credits.triggering import google
from credits.triggering.google import is_from_google
from tests.google_issuer import ACCOUNT, AUDIENCE, Issuer, google_issuer, new_signer


@pytest.fixture(scope="module")
def server() -> Iterator[Issuer]:
    with google_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(server: Issuer, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Issuer:
    settings.CREDITS = settings.CREDITS | {
        "TRIGGER_GOOGLE_AUDIENCE": AUDIENCE,
        "TRIGGER_GOOGLE_ACCOUNT": ACCOUNT,
    }
    monkeypatch.setattr(id_token, "_GOOGLE_OAUTH2_CERTS_URL", server.certificates_url)
    monkeypatch.setattr(google, "_certificates", {})
    server.asked, server.status = 0, 200
    return server


def unsigned(token: str, algorithm: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "key-1"}).encode())
    return ".".join([header.decode().rstrip("="), token.split(".")[1], ""])


class TestIsFromGoogle:
    @pytest.mark.parametrize("name", ["accounts.google.com", "https://accounts.google.com"])
    def test_takes_the_token_of_our_account_for_us(self, issuer: Issuer, name: str):
        assert is_from_google(issuer.token(iss=name))

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://accounts.example.com"},
            {"iss": None},
            {"aud": f"{AUDIENCE}/"},
            {"aud": [AUDIENCE, "https://elsewhere.example"]},
            {"aud": None},
            {"email": "somebody@homezy.iam.gserviceaccount.com"},
            {"email": None},
            {"email_verified": False},
            {"email_verified": "true"},
            {"email_verified": None},
        ],
        ids=str,
    )
    def test_refuses_that_of_others_and_asks_google_nothing(
        self, issuer: Issuer, claims: dict[str, Any]
    ):
        assert not is_from_google(issuer.token(**claims))
        assert issuer.asked == 0

    @pytest.mark.parametrize(
        "times",
        [{"exp": 1_700_000_000, "iat": 1_699_999_000}, {"iat": 4_000_000_000}, {"exp": None}],
        ids=["run out", "not yet good", "good for ever"],
    )
    def test_refuses_one_out_of_its_time(self, issuer: Issuer, times: dict[str, Any]):
        assert not is_from_google(issuer.token(**times))

    def test_refuses_one_that_somebody_else_signed(self, issuer: Issuer):
        assert not is_from_google(issuer.token(signer=new_signer("forger")))

    @pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256"])
    def test_refuses_one_that_nobody_signed(self, issuer: Issuer, algorithm: str):
        assert not is_from_google(unsigned(issuer.token(), algorithm))

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "ä.ö.ü", "e30.e30.e30", "1.2.3" * 900])
    def test_refuses_what_is_no_token(self, issuer: Issuer, token: str):
        assert not is_from_google(token)
        assert issuer.asked == 0

    def test_asks_for_the_certificates_once(self, issuer: Issuer):
        assert [is_from_google(issuer.token()) for _ in range(3)] == [True] * 3
        assert issuer.asked == 1

    def test_takes_none_while_the_certificates_cannot_be_had(
        self, issuer: Issuer, caplog: pytest.LogCaptureFixture
    ):
        issuer.status = 503
        token = issuer.token()

        assert not is_from_google(token)
        assert caplog.messages == ["google certificates unreachable"]
        assert token not in caplog.text
        issuer.status = 200
        assert is_from_google(token)

    @pytest.mark.parametrize("missing", ["TRIGGER_GOOGLE_AUDIENCE", "TRIGGER_GOOGLE_ACCOUNT"])
    def test_takes_none_where_one_of_the_two_settings_is_missing(
        self, issuer: Issuer, settings: Any, missing: str
    ):
        settings.CREDITS = settings.CREDITS | {missing: ""}

        assert not is_from_google(issuer.token())

    def test_takes_none_without_google_auth(self, issuer: Issuer, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(google, "find_spec", lambda name: None)

        assert not is_from_google(issuer.token())
