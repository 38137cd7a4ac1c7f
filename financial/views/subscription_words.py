"""Subscriptions in sentences: what they bring, what may be done with them and why not, what an action will do.

Reads rows and values that were handed in; asks neither Stripe nor the database.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from django.utils.formats import date_format

from financial import conf, money
from financial.models import StripePrice, StripeSubscription
from financial.stripe_services import Offer, Reduction, Terms

ENDED = ("canceled", "incomplete_expired")
CHANGEABLE = (*StripeSubscription.ACTIVE_STATUSES, "unpaid")
PAUSE_WORDS = {
    "keep_as_draft": "invoices are kept as drafts and can be billed later",
    "void": "invoices are voided: the time is free",
    "mark_uncollectible": "invoices are written off as uncollectible",
}


def day(moment: dt.datetime | None) -> str:
    """Return a day as sentences have it, in the zone of the studio: `23 December 2026`."""
    return date_format(moment.astimezone(conf.time_zone()), "j F Y") if moment else "a day Stripe has not set"


def amount(amount_minor: int, currency: str) -> str:
    text, code = money.display(amount_minor, currency), currency.upper()
    return text if code in text else f"{text} {code}"


def whose(row: StripeSubscription) -> str:
    return str(row.customer or row.customer_stripe_id or "the customer")


def plan(row: StripeSubscription) -> str:
    product = row.price.product if row.price else None
    return str(product or row.price_stripe_id or row.stripe_id)


def each(price: StripePrice) -> str:
    """Return how often a price is billed, as sentences have it: `each month`, `every 3 months`."""
    count = price.interval_count or 1
    return f"each {price.interval}" if count == 1 else f"every {count} {price.interval}s"


def reduction(one: Offer | Reduction) -> str:
    """Return what a discount takes off, and of which invoices: `25 % off every invoice`."""
    off = f"{_share(one)} off"
    if one.duration == "once":
        return f"{off} one invoice"
    if one.duration == "forever":
        return f"{off} every invoice"
    if isinstance(one, Reduction):
        return f"{off} each invoice until {day(one.ends_at)}"
    months = one.months or 1
    return f"{off} each invoice for {months} month{'' if months == 1 else 's'}"


def _share(one: Offer | Reduction) -> str:
    return amount(one.amount_minor or 0, one.currency) if one.percent is None else f"{one.percent:f} %"


# What may be done, and what stands in the way.


def _paused(row: StripeSubscription, terms: Terms) -> str:
    if terms.pause or row.status == "paused":
        return "Collection is paused already."
    return "" if row.status in CHANGEABLE else "Nothing is collected before the first payment is through."


def _resumed(row: StripeSubscription, terms: Terms) -> str:
    return "" if terms.pause or row.status == "paused" else "Nothing is paused."


def _canceled_later(row: StripeSubscription, terms: Terms) -> str:
    if row.cancel_at_period_end or row.cancel_at:
        return "Its end is set already. It can be kept, or canceled now."
    return "" if row.status in CHANGEABLE else "No period is paid that it could end with. It can be canceled now."


def _canceled_now(row: StripeSubscription, terms: Terms) -> str:
    return ""


def _kept(row: StripeSubscription, terms: Terms) -> str:
    return "" if row.cancel_at_period_end or row.cancel_at else "No end is set: it goes on by itself."


_HINDRANCES: Mapping[str, Callable[[StripeSubscription, Terms], str]] = {
    "pause": _paused,
    "resume": _resumed,
    "keep": _kept,
    "cancel": _canceled_later,
    "cancel-now": _canceled_now,
}
LABELS = {
    "pause": "Pause collection",
    "resume": "Resume",
    "keep": "Keep it",
    "cancel": "Cancel at period end",
    "cancel-now": "Cancel now",
}
DANGEROUS = ("cancel", "cancel-now")


def hindrance(verb: str, row: StripeSubscription, terms: Terms) -> str:
    """Return why something cannot be done with a subscription now, in words; empty where it can."""
    if row.status in ENDED:
        return "This subscription has ended. Create a new one to bill the customer again."
    return _HINDRANCES[verb](row, terms)


def possible(row: StripeSubscription, terms: Terms) -> list[tuple[str, str, bool]]:
    """Return what may be done: the name of its address, its label, and whether it takes something away."""
    verbs = [verb for verb in LABELS if not hindrance(verb, row, terms)]
    return [(f"financial:subscription-{verb}", LABELS[verb], verb in DANGEROUS) for verb in verbs]
