from credits.models.allocations import CreditAllocation
from credits.models.balances import CreditBalance
from credits.models.runs import JobFailure, JobRun
from credits.models.transactions import (
    CreditTransaction,
    CreditType,
    TransactionReason,
    TransactionType,
)

__all__ = [
    "CreditAllocation",
    "CreditBalance",
    "CreditTransaction",
    "CreditType",
    "JobFailure",
    "JobRun",
    "TransactionReason",
    "TransactionType",
]
