"""
The whole app against a model of it that shares no code with it, thousands of steps long.

The machine is that of ``tests/credits/test_model.py``, which runs some hundred steps of it each
time the tests run. In the control the spend is the original's.
"""

import time
from datetime import datetime
from typing import Any
from unittest import mock

import hypothesis
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from credits.models import CreditBalance, CreditTransaction, CreditType, TransactionType
from proof.findings import Finding
from proof.stage import clear
from tests.credits import test_model
from tests.credits.test_model import Life

STEPS_TO_AN_EXAMPLE = 20


def model(*, steps: int, seed: int) -> Finding:
    """Take about ``steps`` steps; whatever the app does otherwise than its model is a complaint."""
    begun = time.monotonic()
    clear()
    complaint = _live(steps, seed)
    with mock.patch.object(test_model, "spend", _naive_spend):
        control = _live(STEPS_TO_AN_EXAMPLE * 5, seed)
    return Finding(
        experiment="model",
        engine=connection.vendor,
        trials=steps,
        trial="steps",
        complaints=(complaint,) if complaint else (),
        control_trials=1,
        control_bad=int(bool(control)),
        seconds=time.monotonic() - begun,
    )


def _live(steps: int, seed: int) -> str:
    machine = hypothesis.seed(seed)(type("SeededLife", (Life,), {}))
    try:
        # As a test's transaction is: the jobs open durable ones inside it.
        around = transaction.atomic()
        around._from_testcase = True  # noqa: SLF001  Django's own tests have no other way
        with around:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=steps // STEPS_TO_AN_EXAMPLE,
                    stateful_step_count=STEPS_TO_AN_EXAMPLE,
                    phases=[Phase.generate],
                    database=None,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            transaction.set_rollback(True)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def _naive_spend(
    *, professional_id: Any, amount: int, at: datetime, idempotency_key: str
) -> list[CreditTransaction]:
    """Take it from the balance, whatever lots there are."""
    balance = CreditBalance.objects.get(pk=professional_id)
    before = balance.total
    balance.free_credits -= amount
    balance.lifetime_spent += amount
    balance.save()
    return [
        CreditTransaction.objects.create(
            professional_id=professional_id,
            transaction_type=TransactionType.SPEND,
            credit_type=CreditType.FREE,
            amount=-amount,
            balance_before=before,
            balance_after=before - amount,
            idempotency_key=idempotency_key,
            created_at=at,
        )
    ]
