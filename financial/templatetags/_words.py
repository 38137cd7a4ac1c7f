"""The words, tones and icons of every state, and the icons themselves: data, no code."""

from __future__ import annotations

from typing import NamedTuple


class Status(NamedTuple):
    """How a state is shown: text, tone (ok, info, warn, bad, muted) and icon; never by colour alone."""

    text: str
    tone: str
    icon: str


# Keyed by the model's name, then by Stripe's status (or our own state). `failed`, `refunded`, `partly_refunded` and
# `disputed` of a payment are ours: Stripe says them on the charge.
STATUSES: dict[str, dict[str, Status]] = {
    "stripepaymentintent": {
        "succeeded": Status("Succeeded", "ok", "check"),
        "processing": Status("Processing", "info", "clock"),
        "requires_payment_method": Status("Incomplete", "muted", "dash"),
        "requires_confirmation": Status("Incomplete", "muted", "dash"),
        "requires_action": Status("Needs the customer", "warn", "alert"),
        "requires_capture": Status("Uncaptured", "warn", "clock"),
        "canceled": Status("Canceled", "muted", "cross"),
        "failed": Status("Failed", "bad", "cross"),
        "refunded": Status("Refunded", "info", "back"),
        "partly_refunded": Status("Partly refunded", "info", "back"),
        "disputed": Status("Disputed", "bad", "alert"),
    },
    "stripesubscription": {
        "trialing": Status("Trial", "info", "clock"),
        "active": Status("Active", "ok", "check"),
        "past_due": Status("Past due", "warn", "alert"),
        "unpaid": Status("Unpaid", "bad", "cross"),
        "canceled": Status("Canceled", "muted", "cross"),
        "incomplete": Status("Incomplete", "warn", "alert"),
        "incomplete_expired": Status("Expired", "muted", "cross"),
        "paused": Status("Paused", "muted", "dash"),
        "canceling": Status("Canceling", "warn", "clock"),
    },
    "stripecharge": {
        "succeeded": Status("Succeeded", "ok", "check"),
        "pending": Status("Pending", "info", "clock"),
        "failed": Status("Failed", "bad", "cross"),
    },
    "striperefund": {
        "succeeded": Status("Refunded", "ok", "check"),
        "pending": Status("Pending", "info", "clock"),
        "requires_action": Status("Needs action", "warn", "alert"),
        "failed": Status("Failed", "bad", "cross"),
        "canceled": Status("Canceled", "muted", "cross"),
    },
    "stripedispute": {
        "warning_needs_response": Status("Inquiry, answer it", "warn", "alert"),
        "warning_under_review": Status("Inquiry, under review", "info", "clock"),
        "warning_closed": Status("Inquiry closed", "muted", "check"),
        "needs_response": Status("Needs an answer", "bad", "alert"),
        "under_review": Status("Under review", "info", "clock"),
        "won": Status("Won", "ok", "check"),
        "lost": Status("Lost", "bad", "cross"),
        "prevented": Status("Prevented", "ok", "check"),
    },
    "stripeinvoice": {
        "draft": Status("Draft", "muted", "dash"),
        "open": Status("Open", "info", "clock"),
        "paid": Status("Paid", "ok", "check"),
        "uncollectible": Status("Uncollectible", "bad", "cross"),
        "void": Status("Void", "muted", "cross"),
    },
    "stripepayout": {
        "pending": Status("Pending", "info", "clock"),
        "in_transit": Status("In transit", "info", "clock"),
        "paid": Status("Paid", "ok", "check"),
        "failed": Status("Failed", "bad", "cross"),
        "canceled": Status("Canceled", "muted", "cross"),
    },
    "customer": {  # ours: what somebody is by subscriptions and payments
        "past_due": Status("Past due", "warn", "alert"),
        "active": Status("Active", "ok", "check"),
        "trial": Status("Trial", "info", "clock"),
        "churned": Status("Churned", "muted", "cross"),
        "one_off": Status("One-off", "info", "check"),
        "none": Status("Never paid", "muted", "dash"),
        "deleted": Status("Deleted in Stripe", "bad", "cross"),
    },
    "reckoned": {  # ours: do a payout's rows sum up to it
        "agrees": Status("Sums up", "ok", "check"),
        "differs": Status("≠ Does not sum up", "bad", "alert"),
        "unread": Status("Rows not read yet", "warn", "clock"),
        "waiting": Status("Stripe is not done", "info", "clock"),
        "manual": Status("Not itemisable", "muted", "dash"),
    },
    "transaction": {
        "estimated": Status("Estimated", "warn", "approx"),
        "settled": Status("Settled", "ok", "check"),
    },
    "standing": {  # how the books of one currency stand to Stripe's balance
        "equal": Status("Equal", "ok", "check"),
        "differs": Status("Differs", "bad", "alert"),
        "moving": Status("Was moving", "warn", "clock"),
        "unread": Status("Not compared", "warn", "dash"),
    },
    "active": {  # products, prices: pass the word `active` or `archived`
        "active": Status("Active", "ok", "check"),
        "archived": Status("Archived", "muted", "dash"),
        "deleted": Status("Deleted in Stripe", "bad", "cross"),
    },
    "syncrun": {
        "waiting": Status("Waiting", "info", "clock"),
        "running": Status("Running", "info", "sync"),
        "done": Status("Done", "ok", "check"),
        "failed": Status("Failed", "bad", "cross"),
    },
    "stripewebhookevent": {
        "waiting": Status("Waiting", "info", "clock"),
        "done": Status("Done", "ok", "check"),
        "ignored": Status("Of no interest", "muted", "dash"),
        "misrouted": Status("Other account", "warn", "alert"),
        "quarantined": Status("Unreadable", "warn", "alert"),
        "dead": Status("Needs attention", "bad", "cross"),
    },
}
STATUSES["syncstep"] = STATUSES["syncrun"]
STATUSES["payment"] = STATUSES["stripepaymentintent"]
STATUSES["subscription"] = STATUSES["stripesubscription"]

# Drawn here on a 16 × 16 grid; stroked in the colour of the text.
ICONS = {
    "dot": '<circle cx="8" cy="8" r="2.5" fill="currentColor" stroke="none"/>',
    "check": '<path d="M3.5 8.5l3 3 6-7"/>',
    "cross": '<path d="M4.5 4.5l7 7m0-7l-7 7"/>',
    "dash": '<path d="M4 8h8"/>',
    "clock": '<circle cx="8" cy="8" r="5.75"/><path d="M8 4.75V8l2.25 1.5"/>',
    "alert": '<path d="M8 2.5L14 13H2z"/><path d="M8 6.5v3m0 1.6v.3"/>',
    "back": '<path d="M6 3.5L2.75 6.75 6 10"/><path d="M3 6.75h6.5a3.25 3.25 0 010 6.5H7"/>',
    "approx": '<path d="M3 6.5q2.5-2.5 5 0t5 0M3 10.5q2.5-2.5 5 0t5 0"/>',
    "sync": '<path d="M13 6.5A5.25 5.25 0 003.6 5M3 9.5a5.25 5.25 0 009.4 1.5"/>'
    '<path d="M3.25 2.5v2.75H6m6.75 8.25v-2.75H10"/>',
    "payouts": '<path d="M2.5 6.25 8 2.75l5.5 3.5M3.5 13.25h9M4.75 8v3.25M8 8v3.25M11.25 8v3.25"/>',
    "exports": '<path d="M8 2.5v7.25M5 7l3 3 3-3"/><path d="M2.75 10.5v3h10.5v-3"/>',
    "overview": '<path d="M2.5 13.5h11M4 11V7.5M8 11V3m4 8V5.5"/>',
    "ledger": '<path d="M3.5 2.25h9v11.5h-9zM6 2.5v11M8 5.5h2.5M8 8h2.5"/>',
    "revenue": '<path d="M2.25 12.5l3.5-4 3 2.25 5-6.25M10.5 4.5h3.25v3.25"/>',
    "stripe": '<rect x="2.25" y="2.25" width="11.5" height="11.5" rx="3"/>'
    '<path d="M10 6c-.6-.8-3.8-1-3.8.6 0 1.7 3.7.9 3.7 2.7 0 1.5-3.1 1.5-4 .4"/>',
    "payments": '<rect x="1.75" y="3.25" width="12.5" height="9.5" rx="1.75"/><path d="M2 6.5h12M4.5 10h2.5"/>',
    "subscriptions": '<path d="M13.5 8a5.5 5.5 0 11-1.7-4"/><path d="M13.5 1.75V4.25H11"/>',
    "metrics": '<path d="M2.5 13.5h11"/><path d="M4 13.5V9m4 4.5V5.5m4 8V2.5"/>',
    "customers": '<circle cx="8" cy="5.25" r="2.75"/>'
    '<path d="M2.75 13.75c.5-3 2.7-4.25 5.25-4.25s4.75 1.25 5.25 4.25"/>',
    "products": '<path d="M8 1.75l5.75 3v6.5L8 14.25l-5.75-3v-6.5z"/><path d="M2.5 5L8 7.75 13.5 5M8 7.75V14"/>',
    "menu": '<path d="M2.5 4h11M2.5 8h11M2.5 12h11"/>',
    "invoices": '<path d="M3.75 1.75h8.5v12.5l-2.1-1.4-2.15 1.4-2.15-1.4-2.1 1.4z"/><path d="M6 5.5h4M6 8.5h4"/>',
    "plus": '<path d="M8 3v10M3 8h10"/>',
    "download": '<path d="M8 2.5v7.5m-3-3l3 3 3-3M3 13.5h10"/>',
    "right": '<path d="M6 3.5L10.5 8 6 12.5"/>',
    "left": '<path d="M10 3.5L5.5 8l4.5 4.5"/>',
    "up": '<path d="M8 13V3.5M4 7.25l4-4 4 4"/>',
    "down": '<path d="M8 3v9.5m-4-3.75l4 4 4-4"/>',
    "search": '<circle cx="7" cy="7" r="4.25"/><path d="M10.25 10.25l3.5 3.5"/>',
    "external": '<path d="M9.5 2.75h3.75V6.5M13 3L7.5 8.5M6.5 4H3.25v8.75H12V9.5"/>',
    "info": '<circle cx="8" cy="8" r="5.75"/><path d="M8 7.25v3.5M8 5v.3"/>',
    "webhook": '<path d="M2.5 8h3l1.5-4 2.5 8 1.5-4h2.5"/>',
    "key": '<circle cx="5" cy="8" r="2.75"/><path d="M7.75 8h6v2.5M11.25 8v2"/>',
}
