"""The reset as one would write it first: what a worker that is killed does to the books with it."""

from uuid import uuid4

from celery import shared_task

from credits.models import CreditBalance, CreditTransaction, JobRun


@shared_task(name="naive.reset", acks_late=True)
def reset(run_id: int, first: int, last: int) -> None:
    """Reset the professionals in a range of keys, one after the other."""
    run = JobRun.objects.get(pk=run_id)
    for balance in CreditBalance.objects.filter(pk__gte=first, pk__lte=last).order_by("pk"):
        before = balance.free_credits
        balance.free_credits = 100
        balance.lifetime_earned += max(100 - before, 0)
        balance.lifetime_expired += max(before - 100, 0)
        balance.save()
        CreditTransaction.objects.create(
            professional_id=balance.pk,
            transaction_type="monthly_reset",
            credit_type="free",
            amount=100 - before,
            granted_amount=0,
            remaining_amount=0,
            balance_before=before,
            balance_after=100,
            idempotency_key=f"reset:{run.period}:{balance.pk}:{uuid4()}",
            run=run,
            created_at=run.as_of,
        )
        run.chunk_count += 1
        run.save()
