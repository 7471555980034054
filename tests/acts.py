"""Every ledger function as a call that may be made again: the key in it is its own."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from credits.ledger import adjust, extend, grant_bonus, lots_of, purchase, refund, spend
from credits.models import CreditTransaction, CreditType
from tests.factories import (
    AUGUST,
    MARCH,
    make_professional,
    make_professionals,
    make_user,
    new_key,
    use,
)

ACTS = ["purchase", "first touch", "bonus", "spend", "refund", "adjust", "extend"]


def prepare(name: str) -> Callable[[], list[CreditTransaction]]:
    """Set the scene for one of ``ACTS`` and return it; it returns the rows that it wrote."""
    aisha = make_professional(free=10, paid=50)
    (new,) = make_professionals(1)
    # Of both pools, as the refund and the next spend then are.
    spent = use(aisha, 20)
    at = {"at": MARCH, "idempotency_key": new_key("again")}
    by_clerk = {"reason": "A miscount.", "actor_id": make_user().pk, **at}
    paid = {"price": Decimal(35), "currency": "AED", "payment_reference": new_key("payment")}
    calls: dict[str, Callable[[], Any]] = {
        "purchase": partial(purchase, professional_id=aisha.pk, amount=7, at=MARCH, **paid),
        "first touch": partial(purchase, professional_id=new.pk, amount=7, at=MARCH, **paid),
        "bonus": partial(grant_bonus, professional_id=aisha.pk, amount=7, **at),
        "spend": partial(spend, professional_id=aisha.pk, amount=7, **at),
        "refund": partial(refund, spend_key=str(spent[0].idempotency_key), **at),
        "adjust": partial(
            adjust,
            professional_id=aisha.pk,
            amount=-7,
            credit_type=CreditType.PAID,
            **by_clerk,
        ),
        "extend": partial(extend, lot_id=lots_of(aisha.pk).get().pk, expires_at=AUGUST, **by_clerk),
    }
    call = calls[name]

    def act() -> list[CreditTransaction]:
        written = call()
        return written if isinstance(written, list) else [written]

    return act
