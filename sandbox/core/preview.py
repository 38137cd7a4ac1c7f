"""Invoices that do not exist yet: what would be billed next, found by letting it happen and undoing it.

Stripe: https://docs.stripe.com/api/invoices/create_preview
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import (
    coupons,
    customers,
    cycle,
    invoice_items,
    invoice_ops,
    subscription_changes,
    subscription_ops,
    subscriptions,
)
from .coupons import DISCOUNTS
from .errors import StripeError, bad_request, missing_parameter
from .expand import ENDED
from .operation import Params, Plain, op
from .rehearsal import Rehearsal, rehearsing
from .settings import OLD
from .store import Object
from .subscriptions import ITEM
from .views import live_view

if TYPE_CHECKING:
    from .world import World

_NO_PAYMENT = {"payment_behavior": "default_incomplete"}


def upcoming(world: World, subscription: Object) -> Object | None:
    """Return the next invoice of a subscription as it would be, if there is one; nothing is written."""
    with rehearsing(world) as tried:
        cycle.roll(world, subscription)
        made = tried.heard("invoice.created")
        return _as_preview(world, made[0]) if made else None


def _as_preview(world: World, invoice: Object) -> Object:
    waits = world.settings.draft_seconds if invoice["billing_reason"] == "subscription_cycle" else 0
    return invoice | {"id": f"upcoming_{invoice['id']}", "billing_reason": "upcoming",
                      "next_payment_attempt": invoice["created"] + waits}  # fmt: skip


def _preview(world: World, params: Params) -> Plain:
    """Show the invoice that a change would cause, or else the next one."""
    with rehearsing(world) as tried:
        invoice = _found(world, params, tried)
        shown = live_view(world, _as_preview(world, invoice), world.version)
    if world.version == OLD:
        del shown["id"]
    return Plain(shown)


def _found(world: World, params: Params, tried: Rehearsal) -> Object:
    details: Params = dict(params.get("subscription_details", {}))
    _add_items(world, params)
    if "subscription" in params:
        subscription = _changed(world, params, details)
    elif details.get("items"):
        subscription = _begun(world, params, details)
    elif "customer" in params:
        return _of_customer(world, params)
    else:
        raise missing_parameter("customer")
    made = tried.heard("invoice.created")
    if made and params.get("preview_mode") != "recurring":
        return made[0]
    if subscription["status"] == "incomplete":  # what comes after a first invoice that is paid
        world.change(subscription, status="active")
    cycle.roll(world, subscription, alone=params.get("preview_mode") == "recurring")
    later = tried.heard("invoice.created")[len(made) :]
    if not later:
        raise StripeError(
            404, f"No upcoming invoices for customer: {subscription['customer']}", "invoice_upcoming_none"
        )
    return later[0]


def _changed(world: World, params: Params, details: Params) -> Object:
    """Do to a subscription what the parameters describe."""
    subscription = world.get("subscription", params["subscription"], "subscription", status=400)
    if params.get("customer", subscription["customer"]) != subscription["customer"]:
        raise bad_request("The subscription does not belong to the customer.", param="subscription")
    if subscription["status"] in ENDED:
        raise StripeError(
            404, f"No upcoming invoices for customer: {subscription['customer']}", "invoice_upcoming_none"
        )
    if details.pop("cancel_now", False):
        prorate = details.get("proration_behavior", "create_prorations") != "none"
        at = details.get("proration_date")
        subscription_changes.end(world, subscription, {}, prorate=prorate, invoice_now=True, at=at)
        return subscription
    resumed = details.pop("resume_at", None)
    if resumed:
        subscription_ops.resume(world, {}, subscription["id"])
    if "discounts" in params:
        made = coupons.redeem(
            world, params["discounts"] or [], subscription["customer"], subscription=subscription["id"]
        )
        world.change(subscription, discounts=made)
    if params.get("preview_mode") == "recurring":
        details["proration_behavior"] = "none"
    if details:
        subscription_ops.update(world, details, subscription["id"])
    return subscription


def _begun(world: World, params: Params, details: Params) -> Object:
    """Begin the subscription that the parameters describe, for a new customer if none is given."""
    names = ("trial_end", "cancel_at", "cancel_at_period_end", "metadata", "items")
    wishes: dict[str, Any] = {name: details[name] for name in names if name in details}
    for place, entry in enumerate(details["items"]):
        if "id" in entry or "deleted" in entry:
            raise bad_request(
                "A new subscription has no items to change.", param=f"subscription_details[items][{place}]"
            )
    customer = params.get("customer") or customers.create(world, {})["id"]
    given = {name: params[name] for name in ("currency", "discounts") if params.get(name)}
    return subscriptions.create(world, _NO_PAYMENT | wishes | given | {"customer": customer})


def _add_items(world: World, params: Params) -> None:
    """Let the invoice items wait that the parameters describe."""
    for entry in params.get("invoice_items", []):
        owner = params.get("customer")
        if owner is None and "subscription" in params:
            owner = world.get("subscription", params["subscription"], "subscription", status=400)["customer"]
        if owner is None:
            raise missing_parameter("customer")
        price = {"pricing": {"price": entry["price"]}} if "price" in entry else {}
        known = {name: value for name, value in entry.items() if name != "price"}
        invoice_items.create(world, known | price | {"customer": owner})


def _of_customer(world: World, params: Params) -> Object:
    """Bill what waits for a customer without a subscription."""
    given = {name: params[name] for name in ("customer", "currency", "discounts") if name in params}
    invoice = invoice_ops.create(world, given | {"pending_invoice_items_behavior": "include"})
    if not invoice["lines"]:
        raise StripeError(404, f"No upcoming invoices for customer: {params['customer']}", "invoice_upcoming_none")
    return invoice


_ITEMS = f"[{{id:str deleted:bool {ITEM}}}]"
_DETAILS = (
    f"{{items:{_ITEMS} proration_behavior:always_invoice|create_prorations|none proration_date:int cancel_now:bool"
    " cancel_at?:int cancel_at_period_end:bool trial_end:int|now resume_at:now metadata?:map"
    " billing_cycle_anchor>:{type!:now|unchanged} billing_cycle_anchor<:now|unchanged}"
)
_INVOICE_ITEMS = "[{amount:int currency:str description:str discountable:bool price:str quantity:int metadata?:map}]"
_FIELDS = (
    f"customer:str currency:str discounts?:{DISCOUNTS} subscription_details:{_DETAILS}"
    f" invoice_items:{_INVOICE_ITEMS} preview_mode:next|recurring"
)
OPERATIONS = [
    op("POST", "/v1/invoices/create_preview", _preview, f"subscription:str {_FIELDS}"),
    op("GET", "/v1/invoices/upcoming", _preview, f"subscription:str {_FIELDS}"),
]
