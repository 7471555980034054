"""credits.notices.unsubscribing: the link that stops notices of one kind."""

import uuid
from typing import Any

import pytest
from django.core import signing

from credits.notices.unsubscribing import Subscription, make_token, read_token, unsubscribe_url

SITE = "https://homezy.example"


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.CREDITS = settings.CREDITS | {"SITE_URL": f"{SITE}/"}


class TestUnsubscribeUrl:
    @pytest.mark.parametrize("kind", ["reset", "expiry_warning"])
    def test_is_absolute_and_always_the_same(self, kind: str):
        url = unsubscribe_url(professional_id=7, kind=kind)

        assert url.startswith(f"{SITE}/credits/unsubscribe/")
        assert url == unsubscribe_url(professional_id=7, kind=kind)
        assert len(url) < 200
        # It stands between angle brackets in a header, in one line.
        assert url.isascii()
        assert url.isprintable()
        assert not set(url) & set(' <>",')

    @pytest.mark.parametrize(
        "kind", ["expiry_receipt", "run_summary", "run_failure", "run_late", "run_recovered"]
    )
    def test_is_none_for_what_cannot_be_declined(self, kind: str):
        assert unsubscribe_url(professional_id=7, kind=kind) == ""

    def test_is_none_without_a_site(self, settings: Any):
        settings.CREDITS = settings.CREDITS | {"SITE_URL": ""}

        assert unsubscribe_url(professional_id=7, kind="reset") == ""

    @pytest.mark.urls("django.contrib.auth.urls")
    def test_is_none_where_the_host_leaves_the_page_out(self):
        assert unsubscribe_url(professional_id=7, kind="reset") == ""


class TestToken:
    @pytest.mark.parametrize("key", [7, "7", uuid.UUID(int=7)])
    def test_says_who_declines_what(self, key: Any):
        assert read_token(make_token(key, "reset")) == Subscription(str(key), "reset")

    @pytest.mark.parametrize(
        "change",
        [
            lambda token: token[:-1],
            lambda token: token[1:],
            lambda token: f"{token}A",
            lambda token: token.replace(":", ""),
            lambda token: token.swapcase(),
            lambda token: "",
            lambda token: "x" * 10_000,
            lambda token: "a:b:\x00",
            lambda token: "é:ü",
        ],
    )
    def test_a_broken_one_says_nothing(self, change: Any):
        assert read_token(change(make_token(7, "reset"))) is None

    @pytest.mark.parametrize(
        "token",
        [
            pytest.param(signing.dumps(["7", "reset"]), id="other salt"),
            pytest.param(
                signing.Signer(key="other", salt="credits.notices.unsubscribing").sign_object(
                    ["7", "reset"]
                ),
                id="other key",
            ),
        ],
    )
    def test_a_forged_one_says_nothing(self, token: str):
        assert read_token(token) is None

    @pytest.mark.parametrize("kind", ["expiry_receipt", "run_summary", "colour"])
    def test_what_cannot_be_declined_is_not_read_either(self, kind: str):
        assert read_token(make_token(7, kind)) is None

    def test_outlives_a_change_of_the_secret_key(self, settings: Any):
        token = make_token(7, "reset")

        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a new key, because the old one was seen by somebody"

        assert read_token(token) == Subscription("7", "reset")
