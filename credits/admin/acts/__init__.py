"""What an operator may do with credits: grant, adjust, refund, extend; all of it in the ledger."""

from credits.admin.acts.flow import Act
from credits.admin.acts.pages import GrantAndAdjust, RefundAndExtend

__all__ = ["Act", "GrantAndAdjust", "RefundAndExtend"]
