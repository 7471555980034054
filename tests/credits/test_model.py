"""
The whole app against a model of it: any acts in any order, at moments that advance.

The model is plain Python, written from the rules (DESIGN.md), and shares no code with the app.
After each step balances and lots must be the model's, and every invariant of the books must hold.
"""

import calendar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from credits.exceptions import (
    CreditsError,
    IdempotencyKeyReused,
    InsufficientCredits,
    LotNotOpen,
    NotAnExtension,
    RefundExceedsSpend,
)
from credits.jobs.expiry import expire_credits, forecast_expiry
from credits.jobs.reset import forecast_reset, reset_monthly_credits
from credits.ledger import (
    Balance,
    adjust,
    balance_at,
    balance_of,
    extend,
    grant_bonus,
    lots_of,
    purchase,
    refund,
    spend,
    spendable_at,
)
from credits.models import CreditBalance, CreditTransaction
from credits.reports.monthly import monthly_report
from tests.books import broken_invariants
from tests.factories import MOMENT, make_user

BEGIN = datetime(2026, 8, 31, 9, tzinfo=UTC)
"""A day from which six months are clamped."""

MONTHLY = 100
GRACE = timedelta(days=30)


@dataclass
class Lot:
    """Paid credits that came in together and expire together."""

    key: int
    left: int
    expires_at: datetime
    created_at: datetime
    is_written_off: bool = False
    extension: "Lot | None" = None

    def is_open(self, at: datetime) -> bool:
        return not self.is_written_off and self.extension is None and self.expires_at > at

    @property
    def promised_until(self) -> datetime:
        return self.extension.promised_until if self.extension else self.expires_at


@dataclass
class Spend:
    """What one spend took, and how much of it has come back."""

    key: str
    from_free: int
    draws: list[tuple[Lot, int]]
    free_back: int = 0
    paid_back: int = 0

    @property
    def refundable(self) -> int:
        taken = self.from_free + sum(amount for _, amount in self.draws)
        return taken - self.free_back - self.paid_back


class Refused(Exception):
    """The rules forbid it; says with which error."""

    def __init__(self, error: type[CreditsError]) -> None:
        super().__init__(error.__name__)
        self.error = error


@dataclass
class Account:
    """A professional's credits, as the rules have them."""

    is_verified: bool
    free: int = 0
    lots: list[Lot] = field(default_factory=list)
    spends: list[Spend] = field(default_factory=list)
    last_reset: str = ""
    moves: list[tuple[datetime, int, int]] = field(default_factory=list)
    """When the free and the paid credits changed, and by how much."""

    @property
    def paid(self) -> int:
        return sum(lot.left for lot in self.lots)

    def open_lots(self) -> list[Lot]:
        """What is left, in the order in which it is spent."""
        left = [lot for lot in self.lots if lot.left]
        return sorted(left, key=lambda lot: (lot.expires_at, lot.created_at, lot.key))

    def spendable_lots(self, at: datetime) -> list[Lot]:
        return [lot for lot in self.open_lots() if lot.expires_at > at]

    def spendable_paid(self, at: datetime) -> int:
        return sum(lot.left for lot in self.spendable_lots(at))

    def change_free(self, amount: int, at: datetime) -> None:
        self.free += amount
        self.moves.append((at, amount, 0))

    def add_lot(self, key: int, amount: int, expires_at: datetime, at: datetime) -> Lot:
        lot = Lot(key, amount, expires_at, at)
        self.lots.append(lot)
        self.moves.append((at, 0, amount))
        return lot

    def take_paid(self, amount: int, at: datetime) -> list[tuple[Lot, int]]:
        draws = []
        for lot in self.spendable_lots(at):
            if taken := min(lot.left, amount):
                lot.left -= taken
                amount -= taken
                draws.append((lot, taken))
                self.moves.append((at, 0, -taken))
        return draws

    def spend(self, key: str, amount: int, at: datetime) -> tuple[int, int]:
        """Take credits; return how many from either pool."""
        if amount > self.free + self.spendable_paid(at):
            raise Refused(InsufficientCredits)
        from_free = min(self.free, amount)
        self.change_free(-from_free, at)
        draws = self.take_paid(amount - from_free, at)
        self.spends.append(Spend(key, from_free, draws))
        return from_free, amount - from_free

    def refund(
        self, spent: Spend, amount: int | None, at: datetime
    ) -> tuple[int, int, int, datetime]:
        """Give credits back; return how many to either pool, and the new lot if there is one."""
        amount = spent.refundable if amount is None else amount
        if not 1 <= amount <= spent.refundable:
            raise Refused(RefundExceedsSpend)
        drawn = sum(taken for _, taken in spent.draws)
        to_lots = min(amount, drawn - spent.paid_back)
        new, expires_at = 0, at + GRACE
        # One credit at a time, the last one drawn first: slow, and plain to see.
        backwards = [lot for lot, taken in reversed(spent.draws) for _ in range(taken)]
        for lot in backwards[spent.paid_back : spent.paid_back + to_lots]:
            if lot.is_open(at):
                lot.left += 1
            else:
                new += 1
                expires_at = max(expires_at, lot.promised_until)
        self.moves.append((at, 0, to_lots - new))
        self.change_free(amount - to_lots, at)
        spent.paid_back += to_lots
        spent.free_back += amount - to_lots
        return amount - to_lots, to_lots, new, expires_at

    def adjust_down(self, amount: int, pool: str, at: datetime) -> None:
        if amount > (self.free if pool == "free" else self.spendable_paid(at)):
            raise Refused(InsufficientCredits)
        if pool == "free":
            self.change_free(-amount, at)
        else:
            self.take_paid(amount, at)

    def check_extension(self, lot: Lot, expires_at: datetime, at: datetime) -> None:
        if lot.left == 0 or lot.expires_at <= at:
            raise Refused(LotNotOpen)
        if expires_at <= lot.expires_at:
            raise Refused(NotAnExtension)

    def extend(self, lot: Lot, key: int, expires_at: datetime, at: datetime) -> None:
        lot.extension = Lot(key, lot.left, expires_at, at)
        lot.left = 0
        self.lots.append(lot.extension)

    def reset(self, period: str, at: datetime) -> int | None:
        """Return by how much the free credits change; nothing if it is not their turn."""
        if not self.is_verified or self.last_reset >= period:
            return None
        self.last_reset = period
        change = MONTHLY - self.free
        self.change_free(change, at)
        return change

    def expire(self, at: datetime) -> list[int]:
        """Return what was left in each lot that is written off."""
        lost = []
        for lot in self.lots:
            if lot.left and lot.expires_at <= at:
                lost.append(lot.left)
                self.moves.append((at, 0, -lot.left))
                lot.left, lot.is_written_off = 0, True
        return lost

    def balance_at(self, moment: datetime) -> tuple[int, int]:
        past = [move for move in self.moves if move[0] <= moment]
        return sum(free for _, free, _ in past), sum(paid for _, _, paid in past)


def six_months_after(moment: datetime) -> datetime:
    months = moment.month + 5
    year, month = moment.year + months // 12, months % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)


def end_of_month(moment: datetime) -> datetime:
    """Return the last second of the month in which the next second lies."""
    moment += timedelta(seconds=1)
    last_day = calendar.monthrange(moment.year, moment.month)[1]
    return moment.replace(day=last_day, hour=23, minute=59, second=59, microsecond=0)


# Mostly one of them, so that much happens to her.
whos = st.sampled_from([0, 0, 0, 1, 2])
amounts = st.integers(1, 60)
shares = st.sampled_from(["some", "some", "all", "too many"])
pools = st.sampled_from(["free", "paid", "paid"])
# Clocks differ: some acts carry a moment before the last act's.
lags = st.sampled_from([timedelta(0), timedelta(0), MOMENT, timedelta(minutes=5)])
# Of things that happened, mostly the last one.
places = st.just(0) | st.integers(0, 1_000)
sizes = st.sampled_from([1, 2, 1_000])


class Life(RuleBasedStateMachine):
    """Three professionals, one of them not verified, and everything that can happen to them."""

    @initialize(amount=amounts)
    def begin(self, amount):
        # The connection's own: Django 6.1 calls transaction's by another name.
        self.savepoint = connection.savepoint()
        self.now = BEGIN
        self.keys = (f"key-{number}" for number in count(1))
        self.admin = make_user(role="admin")
        self.accounts = {}
        self.calls = []
        for who, verification in enumerate(("basic", "comprehensive", "pending")):
            user = make_user(role="pro", verification=verification)
            self.accounts[user.pk] = Account(is_verified=verification != "pending")
            self.receive(who, "paid bonus", amount, timedelta(0))
            self.receive(who, "purchase", 2 * amount, timedelta(0))
            self.use(who, 2 * amount, "some", beyond_free=False, lag=timedelta(0))

    def teardown(self):
        # An error may have broken the transaction; only a sound one can go back to a savepoint.
        transaction.set_rollback(False)
        connection.savepoint_rollback(self.savepoint)

    def account(self, who):
        key = list(self.accounts)[who]
        return key, self.accounts[key]

    def lots(self):
        return [(account, lot) for account in self.accounts.values() for lot in account.lots]

    def spends(self):
        return [(account, spent) for account in self.accounts.values() for spent in account.spends]

    def call(self, function, **arguments):
        """Do an act of the app and remember it, to be done again."""
        result = function(**arguments)
        self.calls.append((function, arguments, result))
        return result

    def refused(self, error, function, **arguments):
        with pytest.raises(error):
            function(**arguments)

    @rule(
        step=st.sampled_from(["an hour", "a day", "a month", "next month", "an expiry"]),
        offset=st.sampled_from([-MOMENT, timedelta(0), MOMENT]),
        place=places,
    )
    def time_passes(self, step, offset, place):
        if step == "an expiry":
            ends = [lot.expires_at for _, lot in self.lots() if lot.left]
            if ends:
                self.now = max(self.now, latest(sorted(ends, reverse=True), place) + offset)
        elif step == "next month":
            year, month = divmod(self.now.year * 12 + self.now.month, 12)
            self.now = datetime(year, month + 1, 1, 0, 1, tzinfo=UTC)
        else:
            self.now += timedelta({"an hour": 1 / 24, "a day": 1, "a month": 31}[step])

    @rule(
        who=whos,
        kind=st.sampled_from(["purchase", "free bonus", "paid bonus"]),
        amount=amounts,
        lag=lags,
    )
    def receive(self, who, kind, amount, lag):
        key, account = self.account(who)
        at = self.now - lag
        arguments = {"professional_id": key, "amount": amount, "at": at}
        if kind == "purchase":
            expires_at = six_months_after(at)
            # Nothing that divides: every draw is rounded.
            price = Decimal(5 * amount) - Decimal("0.01")
            arguments |= {"price": price, "currency": "AED"}
            row = self.call(purchase, **arguments, payment_reference=next(self.keys))
        else:
            # Many expire together: at the end of a month.
            expires_at = end_of_month(at)
            if kind == "paid bonus":
                arguments |= {"credit_type": "paid", "expires_at": expires_at}
            row = self.call(grant_bonus, **arguments, idempotency_key=next(self.keys))
        if kind == "free bonus":
            account.change_free(amount, at)
        else:
            account.add_lot(row.pk, amount, expires_at, at)

    @rule(who=whos, amount=amounts, share=shares, beyond_free=st.booleans(), lag=lags)
    def use(self, who, amount, share, beyond_free, lag):
        key, account = self.account(who)
        at = self.now - lag
        amount += account.free if beyond_free else 0
        arguments = {
            "professional_id": key,
            "amount": share_of(account.free + account.spendable_paid(at), share, amount),
            "at": at,
            "idempotency_key": next(self.keys),
        }
        try:
            parts = account.spend(arguments["idempotency_key"], arguments["amount"], at)
        except Refused as refused:
            self.refused(refused.error, spend, **arguments)
        else:
            rows = self.call(spend, **arguments)
            assert amounts_by_pool(rows) == {"free": -parts[0], "paid": -parts[1]}

    @rule(
        place=places,
        amount=amounts,
        share=shares | st.just("what is left"),
        lag=lags,
        just_before=st.sampled_from(["nothing", "an expiry", "an extension"]),
    )
    def undo(self, place, amount, share, lag, just_before):
        if just_before == "an expiry":
            self.lots_expire(1_000, at_an_expiry=True, place=place)
        elif just_before == "an extension":
            self.prolong(place, 40, timedelta(0))
        account, spent = latest(self.spends(), place)
        at = self.now - lag
        wanted = None
        if share != "what is left":
            wanted = share_of(spent.refundable, share, amount)
        arguments = {
            "spend_key": spent.key,
            "amount": wanted,
            "at": at,
            "idempotency_key": next(self.keys),
        }
        try:
            to_free, to_lots, new, expires_at = account.refund(spent, wanted, at)
        except Refused as refused:
            self.refused(refused.error, refund, **arguments)
        else:
            rows = self.call(refund, **arguments)
            assert amounts_by_pool(rows) == {"free": to_free, "paid": to_lots}
            assert sum(row.granted_amount for row in rows) == new
            if new:
                account.add_lot(rows[-1].pk, new, expires_at, at)

    @rule(who=whos, amount=amounts, pool=pools, share=shares, up=st.booleans(), lag=lags)
    def correct(self, who, amount, pool, share, up, lag):
        key, account = self.account(who)
        at = self.now - lag
        if not up:
            available = account.free if pool == "free" else account.spendable_paid(at)
            amount = share_of(available, share, amount)
        arguments = {
            "professional_id": key,
            "amount": amount if up else -amount,
            "credit_type": pool,
            "reason": "A miscount.",
            "actor_id": self.admin.pk,
            "at": at,
            "idempotency_key": next(self.keys),
        }
        if up:
            row = self.call(adjust, **arguments)
            if pool == "free":
                account.change_free(amount, at)
            else:
                account.add_lot(row.pk, amount, six_months_after(at), at)
            return
        try:
            account.adjust_down(amount, pool, at)
        except Refused as refused:
            self.refused(refused.error, adjust, **arguments)
        else:
            self.call(adjust, **arguments)

    @rule(place=places, days=st.sampled_from([-1, 0, 1, 40, 40]), lag=lags)
    def prolong(self, place, days, lag):
        account, lot = latest(self.lots(), place)
        at, expires_at = self.now - lag, lot.expires_at + timedelta(days)
        arguments = {
            "lot_id": lot.key,
            "expires_at": expires_at,
            "reason": "A long illness.",
            "actor_id": self.admin.pk,
            "at": at,
            "idempotency_key": next(self.keys),
        }
        try:
            account.check_extension(lot, expires_at, at)
        except Refused as refused:
            self.refused(refused.error, extend, **arguments)
        else:
            row = self.call(extend, **arguments)
            assert (row.amount, row.granted_amount) == (0, lot.left)
            account.extend(lot, row.pk, expires_at, at)

    @rule(place=places, is_other=st.booleans())
    def ask_again(self, place, is_other):
        function, arguments, result = latest(self.calls, place)
        if not is_other:
            assert function(**arguments | {"at": self.now}) == result
        else:
            self.refused(IdempotencyKeyReused, function, **arguments | another(arguments))

    @rule(size=sizes)
    def the_month_is_reset(self, size):
        period = f"{self.now.year}-{self.now.month:02d}"
        changes = [account.reset(period, self.now) for account in self.accounts.values()]
        done = [change for change in changes if change is not None]
        foreseen = forecast_reset(as_of=self.now)

        run = reset_monthly_credits(as_of=self.now, chunk_size=size)

        assert run.success_count == foreseen.tally.succeeded == len(done)
        assert run.credits_granted == foreseen.tally.granted == sum(c for c in done if c > 0)
        assert run.credits_expired == foreseen.tally.expired == -sum(c for c in done if c < 0)

    @rule(size=sizes, at_an_expiry=st.booleans(), place=places)
    def lots_expire(self, size, at_an_expiry, place):
        if at_an_expiry:
            self.time_passes("an expiry", timedelta(0), place)
        lost = [amount for a in self.accounts.values() for amount in a.expire(self.now)]
        foreseen = forecast_expiry(as_of=self.now)

        run = expire_credits(as_of=self.now, chunk_size=size)

        assert run.success_count == foreseen.tally.succeeded == len(lost)
        assert run.credits_expired == foreseen.tally.expired == sum(lost)
        assert run.status == "succeeded"

    @rule(who=whos, place=places, offset=st.sampled_from([-MOMENT, timedelta(0)]))
    def look_at_the_past_and_ahead(self, who, place, offset):
        key, account = self.account(who)
        past = latest([BEGIN, *(at for at, _, _ in account.moves)], place) + offset
        ahead = latest([self.now, *(lot.expires_at for lot in account.open_lots())], place) + offset

        assert pools_of(balance_at(key, past)) == account.balance_at(past)
        assert pools_of(spendable_at(key, ahead)) == (account.free, account.spendable_paid(ahead))
        assert [lot.pk for lot in lots_of(key)] == [lot.key for lot in account.open_lots()]

    @invariant()
    def balances_are_those_of_the_model(self):
        for key, account in self.accounts.items():
            assert pools_of(balance_of(key)) == (account.free, account.paid)

    @invariant()
    def lots_are_those_of_the_model(self):
        lots = CreditTransaction.objects.open_lots()
        assert set(lots.values_list("pk", "professional", "remaining_amount", "expires_at")) == {
            (lot.key, key, lot.left, lot.expires_at)
            for key, account in self.accounts.items()
            for lot in account.open_lots()
        }

    @invariant()
    def the_months_add_up(self):
        report = monthly_report(as_of=self.now)
        held = CreditBalance.objects.aggregate(free=Sum("free_credits"), paid=Sum("paid_credits"))
        worth = CreditTransaction.objects.aggregate(worth=Sum("remaining_price"))["worth"]

        assert report.free.closing == held["free"]
        assert report.paid.closing == held["paid"]
        assert report.total.closing == held["free"] + held["paid"]
        assert report.money["AED"].closing == worth
        for account in (report.free, report.paid, report.total, report.money["AED"]):
            for before, line in pairwise(account.lines):
                assert line.opening == before.closing

    @invariant()
    def the_books_are_in_order(self):
        assert broken_invariants() == {}


def latest(things, place):
    """Return one of the things that happened, counted from the last."""
    return things[-1 - place % len(things)]


def share_of(available, share, amount):
    """Return how much is asked for where so much is available."""
    return {"some": amount, "all": max(available, 1), "too many": available + 1}[share]


def another(arguments):
    """Return a change that makes these the arguments of another call."""
    if "lot_id" in arguments:
        return {"expires_at": arguments["expires_at"] + MOMENT}
    if arguments["amount"] is None:
        # How much it was is not said, so any amount but that one is another.
        return {"amount": 1_000_000}
    return {"amount": arguments["amount"] + (1 if arguments["amount"] > 0 else -1)}


def pools_of(balance: Balance) -> tuple[int, int]:
    return balance.free, balance.paid


def amounts_by_pool(rows) -> dict[str, int]:
    """Return what moved in either pool; there is no row for a pool in which nothing did."""
    assert all(row.amount for row in rows)
    moved = {"free": 0, "paid": 0}
    for row in rows:
        moved[row.credit_type] += row.amount
    return moved


@pytest.mark.django_db
class TestTheApp:
    def test_does_what_its_model_does(self):
        # Three hundred steps in the suite's profile. Shrinking takes minutes: whoever looks at a
        # failure may add Phase.shrink.
        run_state_machine_as_test(
            Life,
            settings=settings(
                max_examples=settings.default.max_examples * 3 // 20,
                stateful_step_count=20,
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
