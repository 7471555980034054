"""credits.conf: the CREDITS setting."""

import dataclasses

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.views.debug import SafeExceptionReporterFilter

from credits.conf import CreditsSettings, get_settings, problems

KNOWN = ", ".join(field.name.upper() for field in dataclasses.fields(CreditsSettings))

SHORT = "a short secret"


class TestProblems:
    def test_are_none_where_nothing_is_set(self):
        assert problems({}) == []

    def test_are_none_where_all_is_well(self):
        given = {
            "ELIGIBLE_PROFESSIONALS": "shop.rules.everyone",
            "MONTHLY_FREE_CREDITS": 0,
            "PURCHASE_VALIDITY_MONTHS": 1,
            "REFUND_GRACE_DAYS": 1,
            "CHUNK_SIZE": 1,
            "NICE_RATIO": 0,
            "LEASE_SECONDS": 1,
        }

        assert problems(given) == []

    def test_know_every_setting(self):
        fields = dataclasses.fields(CreditsSettings)

        assert problems({field.name.upper(): field.default for field in fields}) == []

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            pytest.param(
                {"CHUNKSIZE": 5},
                'CREDITS["CHUNKSIZE"] is not a setting; did you mean "CHUNK_SIZE"?',
                id="misspelt",
            ),
            pytest.param(
                {"chunk_size": 5},
                'CREDITS["chunk_size"] is not a setting; did you mean "CHUNK_SIZE"?',
                id="in small letters",
            ),
            pytest.param(
                {"COLOUR": "blue"},
                f'CREDITS["COLOUR"] is not a setting; known: {KNOWN}.',
                id="like none",
            ),
            pytest.param(
                {5: 5},
                f'CREDITS["5"] is not a setting; known: {KNOWN}.',
                id="not even a name",
            ),
            pytest.param(
                {"SEAL_KEY": SHORT},
                'CREDITS["SEAL_KEY"] must be a secret of 32 characters or more.',
                id="a short secret, which is not told",
            ),
            pytest.param(
                {"SEAL_OLD_KEYS": ["long enough a secret to be kept as one", SHORT]},
                'CREDITS["SEAL_OLD_KEYS"] must be secrets of 32 characters or more.',
                id="a short old secret",
            ),
            pytest.param(
                {"SEAL_OLD_KEYS": SHORT},
                'CREDITS["SEAL_OLD_KEYS"] must be a list of secrets.',
                id="no list of secrets",
            ),
            pytest.param(
                {"CHUNK_SIZE": "5"}, "CREDITS[\"CHUNK_SIZE\"] must be int, not '5'.", id="text"
            ),
            pytest.param(
                {"MONTHLY_FREE_CREDITS": True},
                'CREDITS["MONTHLY_FREE_CREDITS"] must be int, not True.',
                id="a bool",
            ),
            pytest.param(
                {"LEASE_SECONDS": 1.5}, 'CREDITS["LEASE_SECONDS"] must be int, not 1.5.', id="half"
            ),
            pytest.param(
                {"ELIGIBLE_PROFESSIONALS": None},
                'CREDITS["ELIGIBLE_PROFESSIONALS"] must be str, not None.',
                id="nothing",
            ),
            pytest.param(
                {"MONTHLY_FREE_CREDITS": -1},
                'CREDITS["MONTHLY_FREE_CREDITS"] must be at least 0, not -1.',
                id="below zero",
            ),
            pytest.param(
                {"CHUNK_SIZE": 0}, 'CREDITS["CHUNK_SIZE"] must be at least 1, not 0.', id="zero"
            ),
            pytest.param(
                {"PURCHASE_VALIDITY_MONTHS": 0},
                'CREDITS["PURCHASE_VALIDITY_MONTHS"] must be at least 1, not 0.',
                id="no validity",
            ),
            pytest.param(
                {"REFUND_GRACE_DAYS": 0},
                'CREDITS["REFUND_GRACE_DAYS"] must be at least 1, not 0.',
                id="no grace",
            ),
            pytest.param(
                {"MONTHLY_FREE_CREDITS": 2**31},
                'CREDITS["MONTHLY_FREE_CREDITS"] must be at most 2147483647, not 2147483648.',
                id="more than a column holds",
            ),
            pytest.param(
                {"PERIOD_TIME_ZONE": "Dubai"},
                'CREDITS["PERIOD_TIME_ZONE"] must be the name of a time zone, as "Asia/Dubai", not'
                " 'Dubai'.",
                id="no zone",
            ),
            pytest.param(
                {"PERIOD_TIME_ZONE": "../Dubai"},
                'CREDITS["PERIOD_TIME_ZONE"] must be the name of a time zone, as "Asia/Dubai", not'
                " '../Dubai'.",
                id="a path as a zone",
            ),
            pytest.param(
                {"SITE_URL": "homezy.example"},
                'CREDITS["SITE_URL"] must be an address as "https://homezy.example", not'
                " 'homezy.example'.",
                id="an address without its protocol",
            ),
            pytest.param(
                {"ADMIN_RECIPIENTS": ["ops@homezy.example", "ops"]},
                "CREDITS[\"ADMIN_RECIPIENTS\"] must hold e-mail addresses, not 'ops'.",
                id="no mail address",
            ),
            pytest.param(
                {"NICE_RATIO": -1},
                'CREDITS["NICE_RATIO"] must be at least 0, not -1.',
                id="less than no rest",
            ),
            pytest.param(
                {"LEASE_SECONDS": 0},
                'CREDITS["LEASE_SECONDS"] must be at least 1, not 0.',
                id="no lease",
            ),
        ],
    )
    def test_are_told_in_one_sentence(self, given, sentence):
        assert problems(given) == [sentence]

    @pytest.mark.parametrize("key", ["CHAT_SECRET_URLS", "HEARTBEAT_SECRET_URLS", "METRICS_TOKEN"])
    def test_do_not_show_what_is_secret(self, key):
        (sentence,) = problems({key: b"hunter2"})

        assert sentence.startswith(f'CREDITS["{key}"] must be ')
        assert "hunter2" not in sentence

    def test_are_told_all_at_once(self):
        assert len(problems({"CHUNK_SIZE": 0, "COLOUR": "blue", "LEASE_SECONDS": "5"})) == 3


class TestGetSettings:
    def test_has_the_defaults_of_the_rules(self, settings):
        settings.CREDITS = {}

        assert get_settings() == CreditsSettings(
            eligible_professionals="",
            monthly_free_credits=100,
            purchase_validity_months=6,
            refund_grace_days=30,
            chunk_size=5_000,
            nice_ratio=0,
            lease_seconds=300,
        )

    def test_is_what_the_project_says(self, settings):
        settings.CREDITS = {"MONTHLY_FREE_CREDITS": 40}

        assert get_settings().monthly_free_credits == 40

    def test_follows_an_override_and_its_end(self):
        with override_settings(CREDITS={"CHUNK_SIZE": 7}):
            during = get_settings().chunk_size

        assert (during, get_settings().chunk_size) == (7, 5_000)

    def test_is_read_once(self):
        assert get_settings() is get_settings()

    def test_is_forgotten_for_its_own_setting_alone(self, settings):
        before = get_settings()
        settings.LANGUAGE_CODE = "ar"

        assert get_settings() is before

    def test_refuses_what_is_wrong_by_name(self, settings):
        settings.CREDITS = {"CHUNK_SIZE": 0, "COLOUR": "blue"}

        with pytest.raises(ImproperlyConfigured, match='CHUNK_SIZE".*COLOUR"'):
            get_settings()

    def test_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            get_settings().chunk_size = 1


class TestSecrets:
    KEYS = {
        "CHAT_SECRET_URLS": ["slack://hunter2"],
        "HEARTBEAT_SECRET_URLS": ["https://hc/hunter2"],
        "METRICS_TOKEN": "hunter2",
    }

    def test_are_not_in_the_settings_repr(self, settings):
        settings.CREDITS = {**settings.CREDITS, **self.KEYS}

        assert "hunter2" not in repr(get_settings())

    def test_are_left_out_of_djangos_error_pages(self, settings):
        settings.CREDITS = {**settings.CREDITS, **self.KEYS}

        shown = SafeExceptionReporterFilter().get_safe_settings()["CREDITS"]

        assert "hunter2" not in str(shown)
        assert shown["SITE_URL"] == "https://homezy.example"
