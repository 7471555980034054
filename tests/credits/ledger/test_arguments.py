"""credits.ledger.arguments: what can never be right is refused in one sentence that names it."""

from datetime import datetime
from decimal import Decimal

import pytest

from credits.exceptions import InvalidArgument, UnknownLot, UnknownProfessional
from credits.ledger import extend, grant_bonus, spend
from credits.ledger.arguments import (
    MAX_CREDITS,
    check_amount,
    check_description,
    check_key,
    check_moment,
    checked_metadata,
)
from credits.models import CreditTransaction
from tests.factories import JANUARY, MARCH, make_professional, make_user


class TestCheckAmount:
    @pytest.mark.parametrize("amount", [1, MAX_CREDITS])
    def test_takes_what_a_column_holds(self, amount):
        check_amount(amount)

    @pytest.mark.parametrize("amount", [0, -1, MAX_CREDITS + 1, 1.0, "1", True, None], ids=repr)
    def test_refuses_all_else_and_names_it(self, amount):
        with pytest.raises(InvalidArgument) as refused:
            check_amount(amount, argument="credits")

        assert refused.value.argument == "credits"
        assert str(refused.value) == (
            f"credits: must be a whole number of credits from 1 to 2,147,483,647, not {amount!r}."
        )


class TestCheckMoment:
    def test_takes_an_aware_moment(self):
        check_moment("at", MARCH)

    @pytest.mark.parametrize(
        "moment",
        [datetime(2026, 1, 1), MARCH.date(), "2026-01-01", None, 0],  # noqa: DTZ001
        ids=repr,
    )
    def test_refuses_all_else_and_names_it(self, moment):
        with pytest.raises(InvalidArgument, match="^at: must be an aware datetime, not"):
            check_moment("at", moment)


class TestCheckKey:
    @pytest.mark.parametrize("key", ["lead-1", "x" * 200, "ключ", "resets:1"])
    def test_takes_a_key(self, key):
        check_key(key)

    @pytest.mark.parametrize(
        ("key", "sentence"),
        [
            ("", "must not be blank."),
            (" \t", "must not be blank."),
            (None, "must not be blank."),
            (7, "must not be blank."),
            ("x" * 201, "must not be longer than 200 characters."),
            ("reset:2026-03:1", "must not begin with “reset:” or contain a NUL."),
            ("lead\x00", "must not begin with “reset:” or contain a NUL."),
        ],
        ids=["empty", "blank", "none", "number", "long", "a reset's", "NUL"],
    )
    def test_refuses_all_else_in_one_sentence(self, key, sentence):
        with pytest.raises(InvalidArgument) as refused:
            check_key(key)

        assert str(refused.value) == f"idempotency_key: {sentence}"

    @pytest.mark.django_db
    def test_keeps_anyone_from_taking_the_key_of_a_reset(self):
        aisha = make_user()

        with pytest.raises(InvalidArgument, match="reset:"):
            grant_bonus(
                professional_id=aisha.pk,
                amount=1,
                at=JANUARY,
                idempotency_key=f"reset:2026-03:{aisha.pk}",
            )


@pytest.mark.django_db
class TestAKeyThatNoRowCanHave:
    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"professional_id": "seven"}, "There is no professional seven."),
            ({"professional_id": None}, "There is no professional None."),
            ({"actor_id": "one"}, "actor_id: there is no user one."),
            ({"actor_id": 405}, "actor_id: there is no user 405."),
        ],
        ids=str,
    )
    def test_is_nobodys(self, changes, sentence):
        bonus = {"professional_id": make_user().pk, "amount": 1, "at": JANUARY}

        with pytest.raises(UnknownProfessional) as refused:
            grant_bonus(idempotency_key="referral-9", **bonus | changes)

        assert str(refused.value) == sentence

    def test_is_no_lots(self):
        with pytest.raises(UnknownLot, match=r"^There is no lot x\.$"):
            extend(
                lot_id="x",
                expires_at=JANUARY,
                reason="A long illness.",
                actor_id=make_user().pk,
                at=JANUARY,
                idempotency_key="extension",
            )


class TestCheckDescription:
    @pytest.mark.parametrize("description", ["", "x" * 200, "فتح عميل"])
    def test_takes_a_text(self, description):
        check_description(description)

    @pytest.mark.parametrize(
        ("description", "sentence"),
        [
            ("x" * 201, "must not be longer than 200 characters."),
            ("a\x00b", "must be a text without NUL, not 'a\\x00b'."),
            (None, "must be a text without NUL, not None."),
            (7, "must be a text without NUL, not 7."),
        ],
        ids=["long", "NUL", "none", "number"],
    )
    def test_refuses_all_else_in_one_sentence(self, description, sentence):
        with pytest.raises(InvalidArgument) as refused:
            check_description(description)

        assert str(refused.value) == f"description: {sentence}"


class TestCheckedMetadata:
    @pytest.mark.parametrize(
        ("metadata", "kept"),
        [
            (None, {}),
            ({}, {}),
            ({"lead": 7, "tags": ("a", "b")}, {"lead": 7, "tags": ["a", "b"]}),
            ({7: "دبي"}, {"7": "دبي"}),
            ({"path": r"C:\u0000"}, {"path": r"C:\u0000"}),
        ],
        ids=["none", "empty", "nested", "a number for a name", "a backslash"],
    )
    def test_is_what_json_keeps_of_it(self, metadata, kept):
        assert checked_metadata(metadata) == kept

    @pytest.mark.parametrize(
        ("metadata", "sentence"),
        [
            (
                {"price": Decimal(1)},
                "must be what JSON can say: Object of type Decimal is not JSON serializable.",
            ),
            ({"x": float("nan")}, "must be what JSON can say: "),
            ({"x": "\ud800"}, "must be what JSON can say: "),
            ({"x": ["a\x00b"]}, "must not contain a NUL."),
            ({"a\x00b": 1}, "must not contain a NUL."),
            (["lead", 7], "must be a mapping, not ['lead', 7]."),
            ("lead", "must be a mapping, not 'lead'."),
        ],
        ids=["a Decimal", "no number", "half a character", "NUL", "NUL in a name", "list", "text"],
    )
    def test_refuses_all_else_in_one_sentence(self, metadata, sentence):
        with pytest.raises(InvalidArgument) as refused:
            checked_metadata(metadata)

        assert str(refused.value).startswith(f"metadata: {sentence}")


@pytest.mark.django_db
@pytest.mark.parametrize("act", [spend, grant_bonus])
@pytest.mark.parametrize("wrong", [{"description": "x" * 201}, {"metadata": {"price": Decimal(1)}}])
def test_an_act_that_no_row_can_hold_writes_nothing(act, wrong):
    aisha = make_professional(free=5)
    before = CreditTransaction.objects.count()

    with pytest.raises(InvalidArgument, match=f"^{next(iter(wrong))}: "):
        act(professional_id=aisha.pk, amount=1, at=JANUARY, idempotency_key="lead-1", **wrong)

    assert CreditTransaction.objects.count() == before
