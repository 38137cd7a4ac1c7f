"""Read-only questions about the mirror and the books, answered as frozen rows; never writes, knows no HTTP.

Amounts are minor units and never added across currencies. Days are cut in the account's time zone.
"""

from __future__ import annotations

from financial.reports.account import (
    Activity,
    Attention,
    Recent,
    ResourceCount,
    Stock,
    attention,
    recent,
    resource_counts,
)
from financial.reports.books import Basis, Books, Delta, Figures, ReportRow, books, delta
from financial.reports.health import Health, Proof, health, latest_proof, sync_runs
from financial.reports.inbox import (
    ATTENTION_STATES,
    Inbox,
    InboxHealth,
    Touched,
    changed,
    event_counts,
    events_of_object,
    forget_inbox_health,
    inbox,
    inbox_health,
    touched,
)
from financial.reports.ledger import (
    FIGURES,
    AccountRow,
    LedgerSum,
    Suspended,
    account_balances,
    account_rows,
    differences,
    sums_from_totals,
    sums_of,
    suspended,
)
from financial.reports.periods import GROUPS, PERIODS, Group, Period, period_of

__all__ = [
    "account_balances",
    "health",
    "ReportRow",
    "resource_counts",
    "Books",
    "latest_proof",
    "Period",
    "suspended",
    "Attention",
    "Activity",
    "Touched",
    "inbox",
    "GROUPS",
    "books",
    "FIGURES",
    "forget_inbox_health",
    "delta",
    "Suspended",
    "Basis",
    "attention",
    "Health",
    "recent",
    "account_rows",
    "sync_runs",
    "AccountRow",
    "Delta",
    "sums_of",
    "Figures",
    "differences",
    "sums_from_totals",
    "event_counts",
    "inbox_health",
    "events_of_object",
    "InboxHealth",
    "period_of",
    "Recent",
    "changed",
    "PERIODS",
    "ATTENTION_STATES",
    "Stock",
    "ResourceCount",
    "Group",
    "touched",
    "Inbox",
    "LedgerSum",
    "Proof",
]
