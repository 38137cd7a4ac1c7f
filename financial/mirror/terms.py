"""What a mirrored subscription's payload says of its terms, and what it would bring a month on others.

Nothing here asks Stripe or writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from financial import recurring
from financial.mirror import billing, history
from financial.mirror.translate import at, find, reduce_to_id
from financial.models import StripeInvoice, StripePrice, StripeSubscription

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One item; `quantity` is None for metered prices."""

    stripe_id: str
    price_stripe_id: str
    quantity: int | None


@dataclass(frozen=True, slots=True)
class Reduction:
    """A discount that is redeemed: `percent` or `amount_minor` of `currency` off each invoice until it ends."""

    name: str
    percent: Decimal | None
    amount_minor: int | None
    currency: str
    duration: str
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Terms:
    """`pause` is the behaviour of a paused collection, else empty; `has_more_items` that Stripe named only some."""

    items: tuple[Item, ...]
    has_more_items: bool
    pause: str
    resumes_at: datetime | None
    discounts: tuple[Reduction, ...]
    is_scheduled: bool
    days_until_due: int | None
    trial_started_at: datetime | None


def terms_of(row: StripeSubscription) -> Terms:
    """Return the terms that a mirrored subscription shows, in whatever API version it came."""
    payload = row.payload
    resumes_at = find(payload, "pause_collection.resumes_at")
    trial_start = payload.get("trial_start")
    return Terms(
        items=tuple(_item(item) for item in find(payload, "items.data") or ()),
        has_more_items=bool(find(payload, "items.has_more")),
        pause=str(find(payload, "pause_collection.behavior") or ""),
        resumes_at=None if resumes_at is None else at(resumes_at),
        discounts=tuple(_reduction(one) for one in payload.get("discounts") or () if isinstance(one, dict)),
        is_scheduled=bool(payload.get("schedule")),
        days_until_due=payload.get("days_until_due"),
        trial_started_at=None if trial_start is None else at(trial_start),
    )


def _item(item: Payload) -> Item:
    price = item.get("price") or item.get("plan")
    return Item(str(item.get("id") or ""), reduce_to_id(price), item.get("quantity"))


def _reduction(discount: Payload) -> Reduction:
    coupon = find(discount, "source.coupon") or discount.get("coupon") or {}
    coupon = coupon if isinstance(coupon, dict) else {"id": coupon}
    percent, end = coupon.get("percent_off"), discount.get("end")
    return Reduction(
        name=str(coupon.get("name") or coupon.get("id") or ""),
        percent=None if percent is None else Decimal(str(percent)).normalize(),
        amount_minor=coupon.get("amount_off"),
        currency=str(coupon.get("currency") or ""),
        duration=str(coupon.get("duration") or ""),
        ends_at=None if end is None else at(end),
    )


def hosted_invoice_url(invoice: StripeInvoice) -> str:
    """Return where a customer pays an invoice without signing in; empty where there is no such page."""
    url = str((invoice.private or {}).get("hosted_invoice_url") or "")
    return url if url.startswith(("https://", "http://127.0.0.1", "http://localhost")) else ""


def monthly_minor(
    row: StripeSubscription, moment: datetime, changes: Mapping[str, tuple[StripePrice, int | None]] | None = None
) -> int:
    """Return what a subscription brings a month at a moment, in minor units of its currency, rounded once.

    By the rules of the history, but as if no trial held it up. `changes` gives items, by id, another price and quantity.
    One query at most.
    """
    items = [_changed(item, (changes or {}).get(item.get("id"))) for item in find(row.payload, "items.data") or ()]
    status = "active" if row.status == "trialing" else row.status
    facts = billing.facts({**row.payload, "status": status, "items": {"data": items}})
    prices = history.priced(row.credential, set(billing.named_prices(facts)))
    seen = billing.subscription(facts, billing.Knowledge(prices, billing.discounts(facts)))
    return recurring.rounded(sum(recurring.monthly(seen, history.policy(), moment).values(), Fraction(0)))


def _changed(item: dict[str, Any], to: tuple[StripePrice, int | None] | None) -> dict[str, Any]:
    return item if to is None else {**item, "price": to[0].payload, "quantity": to[1]}
