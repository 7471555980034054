from credits.admin.balances import CreditBalanceAdmin
from credits.admin.runs import JobRunAdmin
from credits.admin.transactions import CreditTransactionAdmin

__all__ = ["CreditBalanceAdmin", "CreditTransactionAdmin", "JobRunAdmin"]
