from credits.admin.balances import CreditBalanceAdmin
from credits.admin.notices import NoticeAdmin, NoticeOptOutAdmin, SuppressedAddressAdmin
from credits.admin.runs import JobRunAdmin
from credits.admin.transactions import CreditTransactionAdmin

__all__ = [
    "CreditBalanceAdmin",
    "CreditTransactionAdmin",
    "JobRunAdmin",
    "NoticeAdmin",
    "NoticeOptOutAdmin",
    "SuppressedAddressAdmin",
]
