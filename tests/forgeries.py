"""Changes behind the guards after which the books still add up: only a seal can tell."""

from collections.abc import Callable
from datetime import datetime

from django.db.models import F

from credits.models import CreditAllocation, CreditBalance, CreditTransaction
from homezy.models import User
from tests.factories import JANUARY, give, make_professional, undo, use
from tests.sealing import A_DAY, CLOSING, close_day
from tests.tampering import guards_down

Forgery = Callable[[User, User], None]

ROWS = CreditTransaction.objects


def two_sealed_days(*, first: datetime = CLOSING) -> tuple[User, User]:
    """
    Seal a day on which people got credits and one on which they used them.

    Returns:
        Aisha, who buys, spends and is refunded, and Badr, who was given free credits: whom
        forgeries are about.
    """
    aisha, badr = make_professional(paid=40), make_professional(free=30)
    for name in ("celine", "nobody", "dana"):
        row = give(make_professional(), 5)
        with guards_down():
            ROWS.filter(pk=row.pk).update(idempotency_key=name)
    with guards_down():
        # A key that is left out, as each transaction that is rolled back leaves one.
        gone = ROWS.filter(idempotency_key="nobody")
        CreditBalance.objects.filter(professional__in=gone.values("professional")).delete()
        gone.delete()
    close_day(since=first)
    undo(use(aisha, 15), 5)
    use(badr, 10)
    close_day(1, since=first)
    return aisha, badr


def another_amount(aisha: User, badr: User) -> None:
    """Give Badr 5 free credits more from the start, in his bonus, his spend and his balance."""
    bonus = ROWS.get(professional=badr, transaction_type="bonus")
    ROWS.filter(pk=bonus.pk).update(amount=35, balance_after=35)
    ROWS.filter(professional=badr, pk__gt=bonus.pk).update(
        balance_before=F("balance_before") + 5, balance_after=F("balance_after") + 5
    )
    CreditBalance.objects.filter(professional=badr).update(
        free_credits=F("free_credits") + 5, lifetime_earned=F("lifetime_earned") + 5
    )


def another_moment(aisha: User, badr: User) -> None:
    ROWS.filter(professional=badr, transaction_type="bonus").update(created_at=JANUARY + A_DAY / 24)


def another_story(aisha: User, badr: User) -> None:
    ROWS.filter(professional=badr, transaction_type="bonus").update(description="A present")


def nothing_for_empty(aisha: User, badr: User) -> None:
    ROWS.filter(professional=badr, transaction_type="bonus").update(idempotency_key=None)


def other_metadata(aisha: User, badr: User) -> None:
    ROWS.filter(professional=badr, transaction_type="bonus").update(metadata={"campaign": "x"})


def other_owners(aisha: User, badr: User) -> None:
    """Let Aisha's bonus be Badr's and his hers: two equal rows of people who hold the same."""
    celine, dana = ROWS.filter(idempotency_key__in=["celine", "dana"]).order_by("pk")
    ROWS.filter(pk=celine.pk).update(professional=dana.professional_id)
    ROWS.filter(pk=dana.pk).update(professional=celine.professional_id)


def nobody(aisha: User, badr: User) -> None:
    """Let Badr never have been there."""
    ROWS.filter(professional=badr).delete()
    CreditBalance.objects.filter(professional=badr).delete()


def another_price_drawn(aisha: User, badr: User) -> None:
    """Let a spend take a dirham less of what the lot is worth, and the lot be worth it more."""
    drawn = CreditAllocation.objects.filter(amount__lt=0).first()
    CreditAllocation.objects.filter(pk=drawn.pk).update(price=F("price") + 1)
    ROWS.filter(pk=drawn.lot_id).update(remaining_price=F("remaining_price") + 1)


def one_more(aisha: User, badr: User) -> None:
    """Put a row where a key was left out, as no trigger refuses."""
    keys = set(ROWS.values_list("pk", flat=True))
    # One at least: on MariaDB a statement may leave more.
    free = min(set(range(min(keys), max(keys))) - keys)
    newcomer = make_professional()
    CreditBalance.objects.create(professional=newcomer)
    ROWS.create(
        pk=free,
        professional=newcomer,
        transaction_type="adjustment",
        credit_type="free",
        amount=0,
        balance_before=0,
        balance_after=0,
        created_at=JANUARY,
    )


FORGERIES: tuple[Forgery, ...] = (
    another_amount,
    another_moment,
    another_story,
    nothing_for_empty,
    other_metadata,
    other_owners,
    another_price_drawn,
    nobody,
    one_more,
)
