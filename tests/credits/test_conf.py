"""credits.conf: the CREDITS setting."""

import dataclasses

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from credits.conf import CreditsSettings, get_settings, problems


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
                'CREDITS["COLOUR"] is not a setting; known: ELIGIBLE_PROFESSIONALS,'
                " MONTHLY_FREE_CREDITS, PURCHASE_VALIDITY_MONTHS, REFUND_GRACE_DAYS, CHUNK_SIZE,"
                " LEASE_SECONDS, SHARDS, EXPIRY_WARNING_DAYS, MIN_CREDITS_TO_WARN,"
                " ADMIN_RECIPIENTS, NOTICES_PER_SECOND, SEND_WINDOW, RECIPIENT, SITE_URL,"
                " ACTION_URL.",
                id="like none",
            ),
            pytest.param(
                {5: 5},
                'CREDITS["5"] is not a setting; known: ELIGIBLE_PROFESSIONALS,'
                " MONTHLY_FREE_CREDITS, PURCHASE_VALIDITY_MONTHS, REFUND_GRACE_DAYS, CHUNK_SIZE,"
                " LEASE_SECONDS, SHARDS, EXPIRY_WARNING_DAYS, MIN_CREDITS_TO_WARN,"
                " ADMIN_RECIPIENTS, NOTICES_PER_SECOND, SEND_WINDOW, RECIPIENT, SITE_URL,"
                " ACTION_URL.",
                id="not even a name",
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
                {"LEASE_SECONDS": 0},
                'CREDITS["LEASE_SECONDS"] must be at least 1, not 0.',
                id="no lease",
            ),
        ],
    )
    def test_are_told_in_one_sentence(self, given, sentence):
        assert problems(given) == [sentence]

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
