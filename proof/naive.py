"""
The controls: the jobs as the original did them, one professional at a time and without a key.

Read the balance, set it, insert the row; no database transaction around the three, no lock, and
what was done is told from the balance alone. They do what they should as long as nothing happens.
"""

from datetime import datetime, timedelta
from uuid import uuid4

from django.core.mail import send_mail

from credits.models import (
    CreditAllocation,
    CreditBalance,
    CreditTransaction,
    CreditType,
    Notice,
    TransactionType,
)
from homezy.eligibility import verified_professionals


def reset(*, as_of: datetime, period: str, is_keyed: bool = True) -> None:
    """
    Set free credits to 100 where the balance does not name the period yet.

    Args:
        is_keyed: whether rows carry the key that unharmed books have; nothing here asks for it.
    """
    for user in verified_professionals().order_by("pk"):
        balance, _ = CreditBalance.objects.get_or_create(professional=user)
        if balance.last_reset_period == period:
            continue
        change = 100 - balance.free_credits
        before = balance.free_credits + balance.paid_credits
        balance.free_credits = 100
        balance.last_reset_period = period
        balance.lifetime_earned += max(change, 0)
        balance.lifetime_expired += max(-change, 0)
        balance.save()
        CreditTransaction.objects.create(
            professional=user,
            transaction_type=TransactionType.MONTHLY_RESET,
            credit_type=CreditType.FREE,
            amount=change,
            balance_before=before,
            balance_after=before + change,
            idempotency_key=f"reset:{period}:{user.pk}" if is_keyed else None,
            created_at=as_of,
        )


def expire(*, as_of: datetime) -> None:
    """Write off open lots that have expired."""
    due = CreditTransaction.objects.filter(remaining_amount__gt=0, expires_at__lte=as_of)
    for lot in due.order_by("pk"):
        balance = CreditBalance.objects.get(pk=lot.professional_id)
        left, worth = lot.remaining_amount, lot.remaining_price
        before = balance.free_credits + balance.paid_credits
        balance.paid_credits -= left
        balance.lifetime_expired += left
        balance.save()
        lot.remaining_amount = 0
        lot.remaining_price = worth and worth - worth
        lot.save(update_fields=["remaining_amount", "remaining_price"])
        row = CreditTransaction.objects.create(
            professional_id=lot.professional_id,
            transaction_type=TransactionType.EXPIRY,
            credit_type=CreditType.PAID,
            amount=-left,
            balance_before=before,
            balance_after=before - left,
            origin=lot,
            created_at=as_of,
        )
        CreditAllocation.objects.create(
            lot=lot, transaction=row, amount=-left, price=worth and -worth
        )


def warn(*, as_of: datetime, lead: timedelta) -> None:
    """Warn whoever loses credits within ``lead``, unless somebody was warned today."""
    if Notice.objects.filter(kind=Notice.Kind.EXPIRY_WARNING, created_at=as_of).exists():
        return
    losing = CreditTransaction.objects.filter(
        remaining_amount__gt=0, expires_at__gt=as_of, expires_at__lte=as_of + lead
    )
    for lot in losing.order_by("pk"):
        Notice.objects.create(
            kind=Notice.Kind.EXPIRY_WARNING,
            key=str(uuid4()),
            professional_id=lot.professional_id,
            context={},
            next_attempt_at=as_of,
            created_at=as_of,
        )


def send() -> None:
    """Send what is pending, then mark it."""
    pending = Notice.objects.filter(status=Notice.Status.PENDING).order_by("pk")
    told = []
    for notice in pending.select_related("professional"):
        assert notice.professional is not None
        send_mail("Credits", "Your credits.", None, [notice.professional.email])
        told.append(notice.pk)
    Notice.objects.filter(pk__in=told).update(status=Notice.Status.SENT)
