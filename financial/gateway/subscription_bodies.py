"""What is sent to change a subscription, and how its object shows that it was done. Pure; times are aware datetimes.

Stripe: https://docs.stripe.com/api/subscriptions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from financial.gateway.bodies import Body

# How a change within a period is billed: with the next invoice, at once, or not at all.
PRORATIONS = ("create_prorations", "always_invoice", "none")
# What becomes of invoices while collection is paused.
PAUSES = ("keep_as_draft", "mark_uncollectible", "void")


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What an item of a subscription is to be; `quantity` is None for metered prices, no price keeps the one it is at.

    An archived price can be kept, but not chosen: Stripe refuses it where it is named.
    """

    item_stripe_id: str
    price_stripe_id: str
    quantity: int | None

    @property
    def body(self) -> Body:
        counted = {} if self.quantity is None else {"quantity": self.quantity}
        named = {"price": self.price_stripe_id} if self.price_stripe_id else {}
        return {"id": self.item_stripe_id, **named, **counted}


def change(items: Sequence[ItemChange], proration: str, prorated_at: datetime | None) -> Body:
    """Return an update of items. What is billed at once must be paid, or nothing is changed.

    Stripe: https://docs.stripe.com/billing/subscriptions/prorations
    """
    at_once = {"payment_behavior": "error_if_incomplete"} if proration == "always_invoice" else {}
    return {"items": [item.body for item in items], **_proration(proration, prorated_at), **at_once}


def _proration(proration: str, prorated_at: datetime | None) -> Body:
    if prorated_at is None or proration == "none":
        return {"proration_behavior": proration}
    return {"proration_behavior": proration, "proration_date": int(prorated_at.timestamp())}


def has_items(payload: Mapping[str, Any], items: Sequence[ItemChange]) -> bool:
    """Whether a subscription shows a change of its items."""
    found = {item["id"]: item for item in payload["items"]["data"]}
    return all(
        (shown := found.get(item.item_stripe_id)) is not None
        and item.price_stripe_id in ("", shown["price"]["id"])
        and item.quantity == shown.get("quantity")
        for item in items
    )


def pause(behavior: str, resumes_at: datetime | None) -> Body:
    """Return an update that stops collecting, until a day if one is given.

    Stripe: https://docs.stripe.com/billing/subscriptions/pause-payment
    """
    until = {"resumes_at": int(resumes_at.timestamp())} if resumes_at else {}
    return {"pause_collection": {"behavior": behavior, **until}}


def is_paused(payload: Mapping[str, Any], behavior: str) -> bool:
    return bool((payload.get("pause_collection") or {}).get("behavior") == behavior)


def collects(payload: Mapping[str, Any]) -> bool:
    return not payload.get("pause_collection")


def cancel_later(comment: str, feedback: str) -> Body:
    return {"cancel_at_period_end": True, **_details(comment, feedback)}


def cancel_now(comment: str, feedback: str, *, prorate: bool, invoice_now: bool) -> Body:
    return {"prorate": prorate, "invoice_now": invoice_now, **_details(comment, feedback)}


def _details(comment: str, feedback: str) -> Body:
    said = {name: text for name, text in (("comment", comment), ("feedback", feedback)) if text}
    return {"cancellation_details": said} if said else {}


def keep(payload: Mapping[str, Any]) -> Body:
    """Return an update that takes a set end back; which parameter does it depends on how the end was set."""
    return {"cancel_at_period_end": False} if payload.get("cancel_at_period_end") else {"cancel_at": ""}


def stays(payload: Mapping[str, Any]) -> bool:
    return not is_leaving(payload)


def is_canceled(payload: Mapping[str, Any]) -> bool:
    return payload.get("status") == "canceled"


def is_resumed(payload: Mapping[str, Any]) -> bool:
    return payload.get("status") != "paused"


def is_leaving(payload: Mapping[str, Any]) -> bool:
    return bool(payload.get("cancel_at_period_end") or payload.get("cancel_at"))


def preview_of_new(subscription: Mapping[str, Any]) -> Body:
    """Return what to ask to see the first invoice of a subscription that `bodies.subscription` would create."""
    details: Body = {"items": subscription["items"]}
    if trial_end := subscription.get("trial_end"):
        details["trial_end"] = trial_end
    asked: Body = {"customer": subscription["customer"], "subscription_details": details}
    return {**asked, **({"discounts": subscription["discounts"]} if "discounts" in subscription else {})}


def preview_of_change(
    subscription_id: str, items: Sequence[ItemChange], proration: str, prorated_at: datetime | None
) -> Body:
    details = {"items": [item.body for item in items], **_proration(proration, prorated_at)}
    return {"subscription": subscription_id, "subscription_details": details}


def preview_of_end(subscription_id: str, *, prorate: bool) -> Body:
    """Return what to ask to see the last invoice of a subscription that ends now."""
    behavior = "create_prorations" if prorate else "none"
    return {
        "subscription": subscription_id,
        "subscription_details": {"cancel_now": True, "proration_behavior": behavior},
    }
