"""credits.exceptions: one base; each error says what was refused and carries the numbers."""

import inspect

import pytest

from credits import exceptions
from credits.exceptions import CreditsError
from tests.factories import AUGUST, MARCH

ERRORS = [
    pytest.param(
        "NoSealKey",
        (),
        {},
        'CREDITS["SEAL_KEY"] is not set: give a secret of 32 characters or more that is kept'
        ' outside the database; python -c "import secrets; print(secrets.token_urlsafe(32))"'
        " makes one.",
        id="NoSealKey",
    ),
    pytest.param(
        "SealsBroken",
        ("the last is gone",),
        {},
        "Nothing was sealed: the last is gone. Look with: manage.py verify_credits --seals",
        id="SealsBroken",
    ),
    pytest.param(
        "InvalidArgument",
        ("amount", "must be more."),
        {},
        "amount: must be more.",
        id="InvalidArgument",
    ),
    pytest.param(
        "InvalidAllowance",
        (),
        {"path": "shop.plans.amount", "found": -1},
        'CREDITS["MONTHLY_FREE_CREDITS"]: shop.plans.amount returned -1; it must return a whole'
        " number of at least 0, or an expression over users.",
        id="InvalidAllowance",
    ),
    pytest.param(
        "UnknownProfessional",
        (),
        {"professional_id": 7},
        "There is no professional 7.",
        id="UnknownProfessional",
    ),
    pytest.param(
        "InsufficientCredits",
        (),
        {"professional_id": 7, "requested": 5, "available": 3},
        "Professional 7 has 3 credits; 5 were asked for.",
        id="InsufficientCredits",
    ),
    pytest.param(
        "IdempotencyKeyReused",
        (),
        {"idempotency_key": "lead-1", "argument": "amount", "first": 5, "now": 6},
        "The key “lead-1” was first used with amount 5; this call says 6.",
        id="IdempotencyKeyReused",
    ),
    pytest.param(
        "UnknownSpend",
        (),
        {"spend_key": "lead-1"},
        "There is no spend with the key “lead-1”.",
        id="UnknownSpend",
    ),
    pytest.param(
        "RefundExceedsSpend",
        (),
        {"spend_key": "lead-1", "requested": 5, "refundable": 3},
        "Of the spend “lead-1” 3 credits can still be refunded; 5 were asked for.",
        id="RefundExceedsSpend",
    ),
    pytest.param(
        "TemplateUnusable",
        (),
        {"kind": "reset", "error": ValueError("nonsense")},
        "A template of credits/notices/reset.* cannot be used: ValueError: nonsense",
        id="TemplateUnusable",
    ),
    pytest.param("UnknownLot", (), {"lot_id": 9}, "There is no lot 9.", id="UnknownLot"),
    pytest.param(
        "LotNotOpen",
        (),
        {"lot_id": 9, "remaining": 0, "expires_at": MARCH},
        "Lot 9 has 0 credits left and expires 2026-03-01 00:01:00+00:00.",
        id="LotNotOpen",
    ),
    pytest.param(
        "NotAnExtension",
        (),
        {"lot_id": 9, "expires_at": AUGUST, "requested": MARCH},
        "Lot 9 expires 2026-08-01 02:00; 2026-03-01 00:01 is not later.",
        id="NotAnExtension",
    ),
    pytest.param(
        "NoEligibilityRule",
        (),
        {},
        'CREDITS["ELIGIBLE_PROFESSIONALS"] is not set: name a function that returns the queryset'
        " of users whose free credits are reset.",
        id="NoEligibilityRule",
    ),
    pytest.param(
        "RunAlreadyActive",
        (),
        {"job": "expire_credits", "run_id": 4, "host": "web-1", "heartbeat_at": MARCH},
        "Run 4 of expire_credits is active on web-1 (last sign of life 2026-03-01 00:01:00 UTC).",
        id="RunAlreadyActive",
    ),
    pytest.param(
        "JobPaused",
        (),
        {"job": "expire_credits", "by": "a@example.com", "since": MARCH, "reason": "Wrong dates"},
        "expire_credits is paused by a@example.com since 2026-03-01 00:01 UTC (“Wrong dates”);"
        " go on with: manage.py resume_credit_job expire_credits",
        id="JobPaused",
    ),
    pytest.param(
        "AlreadyPaused",
        (),
        {"job": "expire_credits", "by": "a@example.com", "since": MARCH, "reason": "Wrong dates"},
        "expire_credits has been paused already, by a@example.com since 2026-03-01 00:01 UTC"
        " (“Wrong dates”).",
        id="AlreadyPaused",
    ),
    pytest.param(
        "NotDue", (), {"job": "expire_credits"}, "expire_credits is not due any more.", id="NotDue"
    ),
    pytest.param(
        "LeaseLost",
        (),
        {"run_id": 4},
        "Run 4 was taken over by another process; it wrote nothing more.",
        id="LeaseLost",
    ),
    pytest.param(
        "ShardFailed",
        (),
        {"run_id": 4, "number": 2, "error": "no such table"},
        "Shard 2 of run 4 stopped: no such table",
        id="ShardFailed",
    ),
    pytest.param(
        "TooManyFailures",
        (),
        {"failures": 100, "last": "no such column"},
        "The first 100 professionals all failed; the last with: no such column",
        id="TooManyFailures",
    ),
    pytest.param(
        "RunFailed",
        (),
        {"job": "expire_credits", "run_id": 4, "error": "disk full"},
        "Run 4 of expire_credits failed: disk full",
        id="RunFailed",
    ),
    pytest.param("NothingToSay", (), {"reason": "100% spent"}, "100% spent", id="NothingToSay"),
    pytest.param(
        "MailMisconfigured", ("No password.",), {}, "No password.", id="MailMisconfigured"
    ),
]


class TestEveryError:
    @pytest.mark.parametrize(("name", "args", "numbers", "sentence"), ERRORS)
    def test_says_what_was_refused_and_carries_its_numbers(self, name, args, numbers, sentence):
        error = getattr(exceptions, name)(*args, **numbers)

        assert isinstance(error, CreditsError)
        assert str(error) == sentence
        assert {key: getattr(error, key) for key in numbers} == numbers

    def test_stands_in_the_table_above(self):
        defined = {
            name
            for name, value in inspect.getmembers(exceptions, inspect.isclass)
            if issubclass(value, CreditsError) and value is not CreditsError
        }

        assert {case.values[0] for case in ERRORS} == defined

    def test_of_an_argument_is_a_value_error_too(self):
        assert issubclass(exceptions.InvalidArgument, ValueError)
