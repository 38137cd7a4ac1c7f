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
from financial.reports.periods import GROUPS, PERIODS, Group, Period, period_of

__all__ = [
    "ATTENTION_STATES",
    "GROUPS",
    "PERIODS",
    "Activity",
    "Attention",
    "Basis",
    "Books",
    "Delta",
    "Figures",
    "Group",
    "Health",
    "Inbox",
    "InboxHealth",
    "Period",
    "Proof",
    "Recent",
    "ReportRow",
    "ResourceCount",
    "Stock",
    "Touched",
    "attention",
    "books",
    "changed",
    "delta",
    "event_counts",
    "events_of_object",
    "forget_inbox_health",
    "health",
    "inbox",
    "inbox_health",
    "latest_proof",
    "period_of",
    "recent",
    "resource_counts",
    "sync_runs",
    "touched",
]
