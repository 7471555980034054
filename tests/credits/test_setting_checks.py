"""credits.setting_checks: what is wrong with CREDITS, and what to type instead."""

import pytest

from credits.setting_checks import check_rules, check_settings
from homezy.eligibility import verified_professionals

RULE = "homezy.eligibility.verified_professionals"


def ids_of(messages):
    return [message.id for message in messages]


class TestCheckSettings:
    def test_is_content_with_the_project(self):
        assert check_settings() == []

    def test_names_each_thing_that_is_wrong(self, settings):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": RULE, "CHUNK_SIZE": 0, "COLOUR": "blue"}

        messages = check_settings()

        assert ids_of(messages) == ["credits.E001", "credits.E001"]
        assert messages[0].msg == 'CREDITS["CHUNK_SIZE"] must be at least 1, not 0.'
        assert messages[0].hint == (
            'Type another value, or leave it out: by default CREDITS["CHUNK_SIZE"] = 5000.'
        )
        assert messages[1].hint.startswith("Take it out, or write its name")

    @pytest.mark.parametrize(
        "path",
        [
            pytest.param("", id="none"),
            pytest.param("homezy.eligibility.nobody", id="no such function"),
            pytest.param("no_such_package.rules.everyone", id="no such module"),
            pytest.param("everyone", id="not dotted"),
            pytest.param("homezy.eligibility.VERIFIED", id="not a function"),
        ],
    )
    def test_asks_for_a_rule_that_can_be_called(self, settings, path):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": path}

        (message,) = check_settings()

        assert message.id == "credits.E002"
        assert message.msg == (
            f'CREDITS["ELIGIBLE_PROFESSIONALS"] is {path!r}, which names no function.'
        )
        assert RULE in message.hint

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [
            ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("from homezy import nobody", "ImportError: cannot import name 'nobody' from 'homezy'"),
            ("def (:", "SyntaxError: invalid syntax"),
            ("verified = VERIFIED", "NameError: name 'VERIFIED' is not defined"),
        ],
        ids=["another module", "another name", "typing", "running"],
    )
    def test_says_what_keeps_a_rule_from_being_imported(
        self, settings, monkeypatch, tmp_path, text, wrong
    ):
        (tmp_path / "broken_rules.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": "broken_rules.everyone"}

        (message,) = check_settings()

        assert message.id == "credits.E002"
        assert f", but broken_rules cannot be imported: {wrong}" in message.msg

    def test_asks_for_a_rule_where_nothing_is_set(self, settings):
        settings.CREDITS = {}

        assert ids_of(check_settings()) == ["credits.E002"]

    def test_asks_for_the_path_where_the_function_itself_is_given(self, settings):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": verified_professionals}

        assert ids_of(check_settings()) == ["credits.E001", "credits.E002"]

    def test_asks_for_a_dict(self, settings):
        settings.CREDITS = ["ELIGIBLE_PROFESSIONALS"]

        messages = check_settings()

        assert ids_of(messages) == ["credits.E001", "credits.E002"]
        assert messages[0].msg == "CREDITS must be a dict, not list."

    @pytest.mark.parametrize(
        ("key", "path"),
        [
            ("MONTHLY_FREE_CREDITS", "shop.plans.credits"),
            ("MONTHLY_FREE_CREDITS", "100"),
            ("RECIPIENT", ""),
            ("RECIPIENT", "homezy.eligibility.VERIFIED"),
            ("ERASE_PROFESSIONAL", "homezy.erase"),
        ],
    )
    def test_asks_for_functions_that_are_there(self, settings, key, path):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": RULE, key: path}

        (message,) = check_settings()

        assert message.id == "credits.E020"
        assert message.msg == f'CREDITS["{key}"] is {path!r}, which names no function.'


class TestCheckRules:
    @pytest.mark.parametrize(
        "amount", [0, "tests.plans.forty", "tests.plans.by_verification", "tests.plans.by_chance"]
    )
    def test_is_content_with(self, settings, amount):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": RULE, "MONTHLY_FREE_CREDITS": amount}

        assert check_rules() == []

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("tests.plans.forty", "returned int, not a queryset of users"),
            ("tests.plans.of_balances", "returned QuerySet, not a queryset of users"),
            ("tests.plans.make_all", "raised TypeError: make_all() missing 1 required positional"),
        ],
    )
    def test_names_a_rule_that_is_none(self, settings, path, said):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": path}

        (message,) = check_rules()

        assert message.id == "credits.E021"
        assert message.msg.startswith(f'CREDITS["ELIGIBLE_PROFESSIONALS"]: {path} {said}')

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("tests.plans.many", "returned 'many'."),
            (
                "tests.plans.from_a_field_that_is_not_there",
                "raised FieldError: Cannot resolve keyword 'plan' into field.",
            ),
        ],
    )
    def test_names_an_amount_that_is_none(self, settings, path, said):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": RULE, "MONTHLY_FREE_CREDITS": path}

        (message,) = check_rules()

        assert message.id == "credits.E022"
        assert message.msg.startswith(f'CREDITS["MONTHLY_FREE_CREDITS"]: {path} {said}')
        assert "default=100" in message.hint

    def test_passes_over_what_the_database_cannot_answer_yet(self, settings):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": "tests.plans.before_the_first_migrate"}

        assert check_rules() == []

    def test_leaves_to_the_other_check_what_is_no_function(self, settings):
        settings.CREDITS = {"ELIGIBLE_PROFESSIONALS": "nobody", "MONTHLY_FREE_CREDITS": "nothing"}

        assert check_rules() == []
