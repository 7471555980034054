"""
How else the works are done: rows fetched, changed in Python and written in bulk, or one by one.

The loops are the original's, with the lock and the transaction that it lacked. Both do the first
``most`` only: what they take grows with the rows, and a million would take hours.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import transaction

from credits.models import CreditAllocation, CreditBalance, CreditTransaction, Notice
from homezy.eligibility import verified_professionals

CHUNK = 1_000
"""Rows written at once in bulk: more of them make bulk_update slower for each."""


def _reset(balance: CreditBalance, as_of: datetime) -> tuple[CreditTransaction, Notice]:
    """Change a balance as the reset does; return the rows to write besides."""
    before, total = balance.free_credits, balance.total
    balance.free_before_reset, balance.free_credits = before, 100
    balance.lifetime_earned += max(100 - before, 0)
    balance.lifetime_expired += max(before - 100, 0)
    balance.last_reset_period, balance.last_reset_date = "2026-11", as_of
    row = CreditTransaction(
        professional_id=balance.pk,
        transaction_type="monthly_reset",
        credit_type="free",
        amount=100 - before,
        balance_before=total,
        balance_after=total + 100 - before,
        description="Monthly free credits reset to 100",
        metadata={"previous_free_credits": before},
        idempotency_key=f"reset:2026-11:{balance.pk}",
        run_id=1,
        created_at=as_of,
    )
    context = {"before": before, "after": 100, "period": "2026-11"}
    return row, _notice("reset", f"reset:2026-11:{balance.pk}", balance.pk, context, as_of)


_RESET_FIELDS = (
    "free_before_reset",
    "free_credits",
    "lifetime_earned",
    "lifetime_expired",
    "last_reset_period",
    "last_reset_date",
)


def _expire(
    balance: CreditBalance, lot: CreditTransaction, as_of: datetime
) -> tuple[CreditTransaction, CreditAllocation, Notice]:
    """Change a balance and a lot as the expiry does; return the rows to write besides."""
    left, worth, total = lot.remaining_amount, lot.remaining_price, balance.total
    balance.paid_credits -= left
    balance.lifetime_expired += left
    lot.remaining_amount, lot.remaining_price = 0, worth and worth * 0
    row = CreditTransaction(
        professional_id=balance.pk,
        transaction_type="expiry",
        credit_type="paid",
        amount=-left,
        balance_before=total,
        balance_after=total - left,
        description="Credits expired",
        metadata={"lot": lot.pk},
        origin=lot,
        run_id=1,
        created_at=as_of,
    )
    allocation = CreditAllocation(lot=lot, transaction=row, amount=-left, price=worth and -worth)
    about = f"expiry_receipt:1:{balance.pk}"
    context = {"credits": left, "lots": 1}
    return row, allocation, _notice("expiry_receipt", about, balance.pk, context, as_of)


def _notice(kind: str, key: str, owner: int, context: dict[str, Any], as_of: datetime) -> Notice:
    return Notice(
        kind=kind,
        key=key,
        professional_id=owner,
        run_id=None if kind == "expiry_warning" else 1,
        context=context,
        next_attempt_at=as_of,
        created_at=as_of,
    )


def _eligible(most: int) -> list[int]:
    keys = verified_professionals().order_by("pk").values_list("pk", flat=True)[:most]
    return list(keys)


def _due(as_of: datetime, most: int) -> list[CreditTransaction]:
    return list(CreditTransaction.objects.due(as_of).order_by("pk")[:most])


def _warnings(as_of: datetime, most: int) -> Iterator[Notice]:
    losing = CreditTransaction.objects.spendable(as_of).filter(
        expires_at__lt=as_of + timedelta(days=7)
    )
    for lot in losing.order_by("pk")[:most].iterator():
        day = f"{lot.expires_at:%Y-%m-%d}"
        key = f"expiry_warning:{day}:7:{lot.professional_id}"
        context = {"day": day, "lead": 7, "credits": lot.remaining_amount}
        yield _notice("expiry_warning", key, lot.professional_id, context, as_of)


def _reset_notices(as_of: datetime, most: int) -> Iterator[Notice]:
    changed = CreditBalance.objects.filter(claimed_by=1).order_by("pk")[:most]
    for balance in changed.iterator():
        key = f"reset:2026-10:{balance.pk}"
        context = {
            "before": balance.free_before_reset,
            "after": balance.free_credits,
            "period": "2026-10",
        }
        yield _notice("reset", key, balance.pk, context, as_of)


def bulk_reset(as_of: datetime, most: int) -> int:
    """Reset a thousand at a time, by bulk_update and bulk_create."""
    keys = iter(_eligible(most))
    done = 0
    while piece := list(islice(keys, CHUNK)):
        with transaction.atomic():
            balances = list(CreditBalance.objects.select_for_update().filter(pk__in=piece))
            rows = [_reset(balance, as_of) for balance in balances]
            CreditBalance.objects.bulk_update(balances, _RESET_FIELDS)
            CreditTransaction.objects.bulk_create(row for row, _ in rows)
            Notice.objects.bulk_create(notice for _, notice in rows)
        done += len(rows)
    return done


def loop_reset(as_of: datetime, most: int) -> int:
    """Reset one after the other."""
    done = 0
    for key in _eligible(most):
        with transaction.atomic():
            balance = CreditBalance.objects.select_for_update().get(pk=key)
            row, notice = _reset(balance, as_of)
            balance.save()
            row.save()
            notice.save()
        done += 1
    return done


def bulk_expiry(as_of: datetime, most: int) -> int:
    """Expire a thousand lots at a time, by bulk_update and bulk_create."""
    due = iter(_due(as_of, most))
    done = 0
    while lots := list(islice(due, CHUNK)):
        with transaction.atomic():
            owners = [lot.professional_id for lot in lots]
            balances = CreditBalance.objects.select_for_update().in_bulk(owners)
            rows = [_expire(balances[lot.professional_id], lot, as_of) for lot in lots]
            CreditBalance.objects.bulk_update(
                balances.values(), ["paid_credits", "lifetime_expired"]
            )
            CreditTransaction.objects.bulk_update(lots, ["remaining_amount", "remaining_price"])
            CreditTransaction.objects.bulk_create(row for row, _, _ in rows)
            CreditAllocation.objects.bulk_create(allocation for _, allocation, _ in rows)
            Notice.objects.bulk_create(notice for _, _, notice in rows)
        done += len(lots)
    return done


def loop_expiry(as_of: datetime, most: int) -> int:
    """Expire one lot after the other."""
    lots = _due(as_of, most)
    for lot in lots:
        with transaction.atomic():
            balance = CreditBalance.objects.select_for_update().get(pk=lot.professional_id)
            row, allocation, notice = _expire(balance, lot, as_of)
            balance.save()
            lot.save(update_fields=["remaining_amount", "remaining_price"])
            row.save()
            allocation.save()
            notice.save()
    return len(lots)


def _staged(source: Callable[[datetime, int], Iterator[Notice]]) -> tuple[Any, Any]:
    def bulk(as_of: datetime, most: int) -> int:
        notices = source(as_of, most)
        done = 0
        while piece := list(islice(notices, CHUNK)):
            Notice.objects.bulk_create(piece, ignore_conflicts=True)
            done += len(piece)
        return done

    def loop(as_of: datetime, most: int) -> int:
        done = 0
        for notice in source(as_of, most):
            with transaction.atomic():
                if not Notice.objects.filter(key=notice.key).exists():
                    notice.save()
            done += 1
        return done

    return bulk, loop


bulk_warnings, loop_warnings = _staged(_warnings)
bulk_reset_notices, loop_reset_notices = _staged(_reset_notices)

WAYS: dict[tuple[str, str], Callable[[datetime, int], int]] = {
    ("bulk", "reset"): bulk_reset,
    ("loop", "reset"): loop_reset,
    ("bulk", "expiry-5"): bulk_expiry,
    ("loop", "expiry-5"): loop_expiry,
    ("bulk", "warnings"): bulk_warnings,
    ("loop", "warnings"): loop_warnings,
    ("bulk", "reset-notices"): bulk_reset_notices,
    ("loop", "reset-notices"): loop_reset_notices,
}
