from credits.models.allocations import CreditAllocation
from credits.models.balances import CreditBalance
from credits.models.control import JobClaim, JobPause
from credits.models.notices import Notice, NoticeEvent, NoticeOptOut, SuppressedAddress
from credits.models.runs import JobFailure, JobRun
from credits.models.starts import JobStart
from credits.models.totals import MonthlyTotal, TotalsMark
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
    "JobClaim",
    "JobFailure",
    "JobPause",
    "JobRun",
    "JobStart",
    "MonthlyTotal",
    "Notice",
    "NoticeEvent",
    "NoticeOptOut",
    "SuppressedAddress",
    "TotalsMark",
    "TransactionReason",
    "TransactionType",
]
