"""Pages of the books: the transactions and one of them, the chart of accounts, what is in suspense, reports, the proof."""

from __future__ import annotations

from financial.views.books.accounts import AccountDetail, AccountList, SuspensePage
from financial.views.books.fees import FeeAudit
from financial.views.books.proof import ProofPage
from financial.views.books.revenue import RevenueReport
from financial.views.books.transaction import TransactionCreate, TransactionDetail
from financial.views.books.transactions import HouseList, TransactionList

__all__ = [
    "AccountDetail",
    "AccountList",
    "FeeAudit",
    "HouseList",
    "ProofPage",
    "RevenueReport",
    "SuspensePage",
    "TransactionCreate",
    "TransactionDetail",
    "TransactionList",
]
