from credits.admin.balances import CreditBalanceAdmin
from credits.admin.notices import NoticeAdmin, NoticeOptOutAdmin, SuppressedAddressAdmin
from credits.admin.report import MonthlyReportAdmin
from credits.admin.runs import JobRunAdmin
from credits.admin.transactions import CreditTransactionAdmin

__all__ = [
    "CreditBalanceAdmin",
    "CreditTransactionAdmin",
    "JobRunAdmin",
    "MonthlyReportAdmin",
    "NoticeAdmin",
    "NoticeOptOutAdmin",
    "SuppressedAddressAdmin",
]
