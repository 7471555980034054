"""What migrations do to rows that are there."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from credits.engine import triggers
from credits.models import CreditAllocation, CreditTransaction
from tests.books import broken_invariants
from tests.factories import AUGUST, give_lot, make_professional, undo, use
from tests.tampering import guards_down

pytestmark = pytest.mark.django_db


def prices() -> list[tuple[object, ...]]:
    lots = CreditTransaction.objects.order_by("pk").values_list("pk", "price", "remaining_price")
    return [*lots, *CreditAllocation.objects.order_by("pk").values_list("pk", "price")]


class TestPriceLots:
    def test_works_out_what_the_ledger_would_have_written(self):
        aisha = make_professional(paid=7)
        give_lot(aisha, 5, expires_at=AUGUST)
        undo(use(aisha, 6), 2)
        make_professional(paid=3)
        before = prices()
        with guards_down():
            CreditTransaction.objects.update(remaining_price=None)
            CreditAllocation.objects.update(price=None)

        migration = import_module("credits.migrations.0003_admin")
        migration.price_lots(apps, SimpleNamespace(connection=connection))

        triggers.install(using="default")
        assert prices() == before
        assert broken_invariants() == {}
