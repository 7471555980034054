"""The months of the books: what there was, what moved, what there is, in credits and in money."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from credits.engine.database import ledger_database
from credits.engine.totals import Total, monthly_totals
from credits.models import CreditType, TransactionType
from credits.periods import add_months, period_of, start_of

MOVEMENTS = (
    TransactionType.PURCHASE,
    TransactionType.BONUS,
    TransactionType.MONTHLY_RESET,
    TransactionType.SPEND,
    TransactionType.REFUND,
    TransactionType.EXPIRY,
    TransactionType.ADJUSTMENT,
)
"""The ways in which a balance moves, in the order of the report's columns."""

Number = int | Decimal


@dataclass(frozen=True)
class Line:
    """One month of one account: opening and movements make the closing."""

    period: str
    opening: Number
    movements: dict[str, Number]
    """Signed, by the type of transaction: every type has one."""

    @property
    def closing(self) -> Number:
        """What there was at the month's end, or is now."""
        return self.opening + sum(self.movements.values())


@dataclass(frozen=True)
class Account:
    """The months of one pool in credits, or of the lots' worth in one currency; oldest first."""

    lines: list[Line] = field(default_factory=list)

    @property
    def closing(self) -> Number:
        """What there is after the last month."""
        return self.lines[-1].closing if self.lines else 0


@dataclass(frozen=True)
class MonthlyReport:
    """Every month since the first transaction, also those in which nothing happened."""

    total: Account
    """Free and paid credits together."""

    free: Account
    paid: Account
    money: dict[str, Account]
    """What was paid for the credits that are left, by currency."""

    @property
    def periods(self) -> list[str]:
        """The months, oldest first."""
        return [line.period for line in self.total.lines]


def monthly_report(*, as_of: datetime) -> MonthlyReport:
    """
    Return the report up to the month of ``as_of``, or of the last transaction if that is later.

    Two statements, which do not read the ledger but for what came after the last run.
    """
    totals = monthly_totals(using=ledger_database())
    if not totals:
        return MonthlyReport(Account(), Account(), Account(), {})
    last = max(totals[-1].period, period_of(as_of))
    months = list(_months(totals[0].period, last))
    of_pool = {pool: [row for row in totals if row.credit_type == pool] for pool in CreditType}
    currencies = sorted({row.currency for row in totals if row.currency})
    return MonthlyReport(
        total=_in_credits(months, totals),
        free=_in_credits(months, of_pool[CreditType.FREE]),
        paid=_in_credits(months, of_pool[CreditType.PAID]),
        money={
            currency: _account(
                months,
                (
                    (row.period, row.transaction_type, row.price)
                    for row in totals
                    if row.currency == currency
                ),
                nothing=Decimal("0.00"),
            )
            for currency in currencies
        },
    )


def _in_credits(months: list[str], totals: Iterable[Total]) -> Account:
    moves = ((row.period, row.transaction_type, row.amount) for row in totals)
    return _account(months, moves, nothing=0)


def _account(
    months: list[str], moves: Iterable[tuple[str, str, Number]], *, nothing: Number
) -> Account:
    by_month: dict[str, dict[str, Number]] = {
        month: {kind.value: nothing for kind in MOVEMENTS} for month in months
    }
    for period, kind, amount in moves:
        by_month[period][kind] += amount
    lines: list[Line] = []
    opening = nothing
    for month in months:
        lines.append(Line(month, opening, by_month[month]))
        opening = lines[-1].closing
    return Account(lines)


def _months(first: str, last: str) -> Iterator[str]:
    month = first
    while month <= last:
        yield month
        month = period_of(add_months(start_of(month), 1))
