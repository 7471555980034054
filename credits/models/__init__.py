from credits.models.alerts import JobAlert
from credits.models.allocations import CreditAllocation
from credits.models.balances import CreditBalance
from credits.models.control import JobClaim, JobPause
from credits.models.notices import Notice, NoticeEvent, NoticeOptOut, SuppressedAddress
from credits.models.runs import JobFailure, JobRun, JobShard
from credits.models.seals import DaySeal, SealMark
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
    "DaySeal",
    "JobAlert",
    "JobClaim",
    "JobFailure",
    "JobPause",
    "JobRun",
    "JobShard",
    "JobStart",
    "MonthlyTotal",
    "Notice",
    "NoticeEvent",
    "NoticeOptOut",
    "SealMark",
    "SuppressedAddress",
    "TotalsMark",
    "TransactionReason",
    "TransactionType",
]
