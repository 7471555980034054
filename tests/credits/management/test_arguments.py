"""credits.management.arguments: a value, or one sentence that says what to type instead."""

from datetime import UTC, datetime

import pytest
from django.core.management.base import CommandError

from credits.management import arguments
from homezy.models import User
from tests.factories import make_user


def refusal_of(read, *words):
    """Return the sentence and the exit code with which something typed is refused."""
    with pytest.raises(CommandError) as refused:
        read(*words)
    return str(refused.value), refused.value.returncode


class TestRefuseLost:
    @pytest.mark.parametrize(
        ("options", "name"),
        [
            ({"limit": []}, "--limit"),
            ({"chunk_size": []}, "--chunk-size"),
            ({"who": [[]]}, "--who"),
        ],
        ids=["option", "words", "repeated"],
    )
    def test_refuses_the_empty_list_that_argparse_makes_of_a_dash(self, options, name):
        assert refusal_of(arguments.refuse_lost, options) == (f"{name}: “--” is no value.", 2)

    def test_lets_pass_what_was_given_and_what_was_not(self):
        arguments.refuse_lost({"limit": None, "json": False, "professional": ["1", ""], "v": 0})


class TestMoment:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2026-11-01", (2026, 11, 1)),
            ("2026-1-2", (2026, 1, 2)),
            ("2026-11-01T00:01Z", (2026, 11, 1, 0, 1)),
            ("2026-11-01 00:01", (2026, 11, 1, 0, 1)),
            ("2026-11-01T00:01:02.000003", (2026, 11, 1, 0, 1, 2, 3)),
            ("2026-11-01T00:01+04:00", (2026, 10, 31, 20, 1)),
            ("2028-02-29", (2028, 2, 29)),
        ],
    )
    def test_is_in_utc_unless_it_says_otherwise(self, text, moment):
        read = arguments.moment(text)

        assert read == datetime(*moment, tzinfo=UTC)
        assert read.tzinfo == UTC

    @pytest.mark.parametrize(
        "text",
        ["", "tomorrow", "2026-11", "2026-13-01", "2026-02-30", "2026-11-01T25:00", "01.11.2026"],
    )
    def test_is_refused_when_it_is_none(self, text):
        assert refusal_of(arguments.moment, text) == (
            f"--as-of: “{text}” is not a moment; write 2026-11-01 or 2026-11-01T00:01Z.",
            2,
        )

    @pytest.mark.parametrize("text", ["9999-12-31T23:00-12:00", "0001-01-01T00:00+04:00"])
    def test_is_refused_outside_the_calendar(self, text):
        assert refusal_of(arguments.moment, text) == (
            f"--as-of: “{text}” lies outside the calendar.",
            2,
        )


class TestPeriod:
    def test_is_a_calendar_month(self):
        assert arguments.period("2026-11") == "2026-11"

    @pytest.mark.parametrize("text", ["2026-13", "november", "2026-11-01"])
    def test_is_refused_when_it_is_none(self, text):
        assert refusal_of(arguments.period, text) == (
            f"--period: “{text}” is not a month; write it as 2026-11.",
            2,
        )


class TestWholeNumber:
    @pytest.mark.parametrize(("text", "number"), [("1", 1), ("5000", 5000), ("007", 7)])
    def test_is_at_least_one(self, text, number):
        assert arguments.whole_number("--limit", text) == number

    @pytest.mark.parametrize(
        "text", ["", "0", "-1", "+1", "1.5", "1e3", "1_000", "many", "٥", " 5", "9" * 19]
    )
    def test_is_refused_when_it_is_none(self, text):
        assert refusal_of(arguments.whole_number, "--limit", text) == (
            f"--limit: “{text}” is not a whole number of at least 1.",
            2,
        )


@pytest.mark.django_db
class TestProfessionals:
    def test_are_found_by_address_and_by_id_in_the_order_given(self):
        aisha, omar = make_user(email="aisha@example.com"), make_user()

        assert arguments.professionals([str(omar.pk), "aisha@example.com"]) == (omar.pk, aisha.pk)

    def test_are_found_by_an_address_in_capitals(self):
        aisha = make_user(email="aisha@example.com")

        assert arguments.professionals(["Aisha@Example.COM"]) == (aisha.pk,)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0",
            "-1",
            "405",
            "9" * 30,
            "aisha",
            "omar@example.com",
            "1.5",
            "%@%",
            "@\udc80",
            "\udc80",
        ],
    )
    def test_are_refused_when_unknown(self, text):
        make_user(email="aisha@example.com")

        assert refusal_of(arguments.professionals, [text]) == (
            f"--professional: there is no user “{text}”; give the e-mail address or the id of one.",
            2,
        )

    def test_are_asked_for_by_id_where_users_have_no_address(self, monkeypatch):
        monkeypatch.setattr(User, "EMAIL_FIELD", "no_such_field")

        assert refusal_of(arguments.professionals, ["aisha@example.com"]) == (
            "--professional: users have no e-mail here; give an id.",
            2,
        )
