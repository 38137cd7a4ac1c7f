"""Subscriptions as the API sees them: create, change, cancel, resume.

What time does to them is in `cycle`.
Stripe: https://docs.stripe.com/billing/subscriptions/overview
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import coupons, customers, cycle, invoices, prorations
from .coupons import DISCOUNTS
from .errors import StripeError, bad_request, missing_parameter
from .events import emit
from .operation import Params, metadata
from .payment_methods import card_of
from .pricing import line_amount
from .settings import DAY, HOUR
from .store import Object

if TYPE_CHECKING:
    from .world import World

PAYMENT_BEHAVIOR = "allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete"
PRORATION = "proration_behavior:always_invoice|create_prorations|none"
ITEM = "price:str quantity:int metadata?:map"
_TRIAL = "{end_behavior!:{missing_payment_method!:cancel|create_invoice|pause}}"
_PAY = "{payment_method_types?:[str] save_default_payment_method:off|on_subscription}"
COMMON = (
    "cancel_at?:int|max_period_end|min_period_end cancel_at_period_end:bool"
    " collection_method:charge_automatically|send_invoice days_until_due:int"
    f" default_payment_method:str description?:str discounts?:{DISCOUNTS} metadata?:map off_session:bool"
    f" payment_behavior:{PAYMENT_BEHAVIOR} payment_settings:{_PAY} {PRORATION} trial_end:int|now trial_settings:{_TRIAL}"
    " automatic_tax:{enabled!:bool} coupon<?:str promotion_code<?:str"
)


def create(world: World, params: Params) -> Object:
    """Create a subscription with its first invoice and, if it can, its first payment."""
    customer = world.get("customer", params["customer"], "customer", status=400)
    prices = prices_of(world, params["items"], params.get("currency"))
    method = own_method(world, params, customer)
    behavior = params.get("payment_behavior", "allow_incomplete")
    trial_end = _trial_end(world, params)
    _check_payable(world, params, customer, method, prices, trial_end, behavior)
    id = world.ids.new("sub_")
    now, wishes = world.now, params.get("payment_settings", {})
    subscription: Object = {
        "id": id, "object": "subscription", "application": None, "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": trial_end or now, "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {}, "type": "flexible"}, "billing_schedules": [], "billing_thresholds": None,
        "cancel_at": params.get("cancel_at") or None, "cancel_at_period_end": False, "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "feedback_option": None, "reason": None},
        "collection_method": params.get("collection_method", "charge_automatically"), "created": now,
        "currency": prices[0][1], "customer": customer["id"], "customer_account": None,
        "days_until_due": params.get("days_until_due"), "default_payment_method": method["id"] if method else None,
        "default_source": None, "default_tax_rates": [], "description": params.get("description") or None,
        "discounts": [], "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "custom_fields": None, "description": None, "footer": None,
                             "issuer": {"type": "self"}},
        "items": [], "latest_invoice": None, "livemode": False, "managed_payments": None,
        "metadata": metadata({}, params.get("metadata")), "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None, "pause_collection": None,
        "payment_settings": {"payment_method_options": None, "payment_method_types": None,
                             "save_default_payment_method": wishes.get("save_default_payment_method", "off")},
        "pending_invoice_item_interval": None, "pending_setup_intent": None, "pending_update": None,
        "schedule": None, "start_date": now, "status": "trialing" if trial_end else "incomplete",
        "test_clock": customer["test_clock"], "transfer_data": None, "trial_end": trial_end,
        "trial_settings": params.get("trial_settings", {"end_behavior": {"missing_payment_method": "create_invoice"}}),
        "trial_start": now if trial_end else None, "_number": 0,
    }  # fmt: skip
    subscription["trial_settings"]["end_behavior"].setdefault("billing_cycle_anchor", None)
    first = prices[0][0]["recurring"]
    end = trial_end or cycle.boundary(subscription["billing_cycle_anchor"], first, 1)
    subscription["items"] = [
        new_item(world, id, price, entry, (now, end)) for (price, _), entry in zip(prices, params["items"], strict=True)
    ]
    if isinstance(subscription["cancel_at"], str):
        subscription["cancel_at"] = end
    if params.get("cancel_at_period_end"):
        subscription |= {"cancel_at_period_end": True, "cancel_at": end, "canceled_at": now}
    if customer["currency"] is None:
        world.change(customer, "customer.updated", currency=subscription["currency"])
    world.insert(subscription)
    subscription["discounts"] = coupons.redeem(world, discounts_of(params), customer["id"], subscription=id)
    _start(world, subscription, customer, behavior)
    return subscription


def _start(world: World, subscription: Object, customer: Object, behavior: str) -> None:
    """Make the first invoice, tell of the subscription, and collect."""
    trial = subscription["status"] == "trialing"
    invoice = cycle.bill(world, subscription, customer, "subscription_create", subscription["items"], trial=trial)
    subscription["latest_invoice"] = invoice["id"]
    subscription["items"] = prorations.billed(subscription["items"], invoice)
    sent = subscription["collection_method"] == "send_invoice"
    if sent and not trial:
        subscription["status"] = "active"
    emit(world, "customer.subscription.created", subscription)
    cycle.plan(world, subscription)
    if sent:
        invoices.plan(world, invoice)
        return
    invoices.finalize(world, invoice)
    if invoice["status"] == "open" and behavior != "default_incomplete":
        invoices.attempt(world, invoice, off_session=False)
    if subscription["status"] == "incomplete":
        world.schedule(world.settings.incomplete_hours * HOUR, "expire_incomplete", subscription["id"])


def new_item(world: World, subscription_id: str, price: Object, entry: Params, period: tuple[int, int]) -> Object:
    """Return a new subscription item."""
    item: Object = {
        "id": world.ids.new("si_"), "object": "subscription_item", "billing_thresholds": None, "created": world.now,
        "current_period_end": period[1], "current_period_start": period[0], "current_trial": None, "discounts": [],
        "metadata": metadata({}, entry.get("metadata")), "plan": None, "price": price["id"],
        "subscription": subscription_id, "tax_rates": [], "_billed": None,
    }  # fmt: skip
    if price["recurring"]["usage_type"] == "licensed":
        item["quantity"] = entry.get("quantity", 1)
    return item


def prices_of(world: World, items: list[Params], currency: str | None) -> list[tuple[Object, str]]:
    """Return the price and currency of each item, all recurring in the same rhythm."""
    if not items:
        raise missing_parameter("items")
    found = []
    for place, entry in enumerate(items):
        if "price" not in entry:
            raise missing_parameter(f"items[{place}][price]")
        price = world.get("price", entry["price"], f"items[{place}][price]", status=400)
        if price["recurring"] is None:
            raise bad_request("The price specified is set to `type=one_time` but this field only accepts prices with"
                              " `type=recurring`.", param=f"items[{place}][price]")  # fmt: skip
        if not price["active"]:
            raise bad_request(
                "The price specified is inactive. This field only accepts active prices.",
                param=f"items[{place}][price]",
            )  # noqa: F541
        found.append((price, price["currency"]))
    check_rhythm([price for price, _ in found])
    if currency and currency.lower() != found[0][1]:
        raise bad_request(f"The price specified only supports `{found[0][1]}`.", param="currency")
    return found


def check_rhythm(prices: list[Object]) -> None:
    """Refuse prices that differ in interval or currency."""
    rhythms = {(p["recurring"]["interval"], p["recurring"]["interval_count"]) for p in prices}
    if len(rhythms) > 1 or len({p["currency"] for p in prices}) > 1:
        raise bad_request(
            "Currency and interval fields must match across all prices on this subscription.", param="items"
        )


def discounts_of(params: Params) -> list[Params]:
    entries: list[Params] = list(params.get("discounts") or [])
    return entries + [{name: params[name]} for name in ("coupon", "promotion_code") if params.get(name)]


def own_method(world: World, params: Params, customer: Object) -> Object | None:
    if "default_payment_method" not in params:
        return None
    method = world.get("payment_method", params["default_payment_method"], "default_payment_method", status=400)
    if method["customer"] != customer["id"]:
        raise bad_request(f"The customer does not have a payment method with the ID {method['id']}. The payment method"
                          " must be attached to the customer.", code="resource_missing",
                          param="default_payment_method")  # fmt: skip
    return method


def _trial_end(world: World, params: Params) -> int | None:
    if params.get("trial_end") == "now":
        return None
    if "trial_end" in params:
        return int(params["trial_end"])
    days = params.get("trial_period_days", 0)
    return world.now + days * DAY if days else None


def _check_payable(world: World, params: Params, customer: Object, method: Object | None,
                   prices: list[tuple[Object, str]], trial_end: int | None, behavior: str) -> None:  # fmt: skip
    """Refuse a subscription that nobody can pay, before anything is written."""
    method = method or customers.default_method(world, customer)
    cost = sum(line_amount(p, e.get("quantity", 1)) for (p, _), e in zip(prices, params["items"], strict=True))
    automatic = params.get("collection_method", "charge_automatically") == "charge_automatically"
    if not automatic and "days_until_due" not in params:
        raise missing_parameter("days_until_due")
    if not automatic or trial_end or not cost or behavior == "default_incomplete":
        return
    if method is None:
        raise bad_request("This customer has no attached payment source or default payment method. Please consider"
                          " adding a default payment method. For more information, visit"
                          " https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
                          code="resource_missing")  # fmt: skip
    card = card_of(method)
    if behavior == "error_if_incomplete" and (card.decline or card.three_d == "always"):
        code, text = (
            card.error_code if card.decline else "subscription_payment_intent_requires_action",
            "Your card was declined.",
        )
        raise StripeError(402, card.message if card.decline else text, code, type="card_error",
                          decline_code=card.decline or None)  # fmt: skip


# ---- what invoices tell


def on_invoice_paid(world: World, subscription: Object, invoice: Object) -> None:
    """Activate a subscription whose invoice has been paid."""
    if subscription["status"] in ("incomplete", "past_due", "unpaid") and subscription["latest_invoice"] in (
        None,
        invoice["id"],
    ):
        values: dict[str, Any] = {"status": "active"}
        intent = world.find("payment_intent", invoice["_payment_intent"])
        if subscription["payment_settings"]["save_default_payment_method"] == "on_subscription" and intent:
            values["default_payment_method"] = intent["payment_method"]
        world.change(subscription, "customer.subscription.updated", **values)
    _delinquent(world, subscription, False)


def on_payment_failed(world: World, subscription: Object, *, exhausted: bool) -> None:
    """Note that an invoice was not paid; after the last retry the settings decide."""
    _delinquent(world, subscription, True)
    if exhausted and subscription["status"] in ("active", "past_due", "trialing"):
        outcome = world.settings.after_retries
        if outcome == "canceled":
            cancel_now(world, subscription, "payment_failed")
            return
        world.change(subscription, "customer.subscription.updated", status=outcome)
    elif subscription["status"] in ("active", "trialing"):
        world.change(subscription, "customer.subscription.updated", status="past_due")


def _delinquent(world: World, subscription: Object, late: bool) -> None:
    customer = world.raw("customer", subscription["customer"])
    if not customer.get("deleted"):
        world.change(customer, "customer.updated", delinquent=late)


def cancel_now(
    world: World, subscription: Object, reason: str = "cancellation_requested", comment: Params | None = None
) -> None:
    """End a subscription at once."""
    details = subscription["cancellation_details"] | {"reason": reason} | (comment or {})
    world.change(subscription, status="canceled", canceled_at=subscription["canceled_at"] or world.now,
                 ended_at=world.now, cancellation_details=details)  # fmt: skip
    emit(world, "customer.subscription.deleted", subscription)
