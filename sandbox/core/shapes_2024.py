"""How API version 2024-06-20 shows the same objects: fields that moved, by kind.

Each function changes a fresh top-level view in place; nested values are replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .embeds import coupon_view, plan_view, price_view
from .settings import OLD
from .views import live_view

if TYPE_CHECKING:
    from .store import Object
    from .world import World

View = dict[str, Any]

# Top-level fields that the old version does not have, by kind.
NEWER: dict[str, tuple[str, ...]] = {
    "balance_transaction": ("balance_type",),
    "charge": ("presentment_details",),
    "checkout.session": (
        "adaptive_pricing", "allowed_payment_method_types", "collected_information", "customer_account",
        "discounts", "integration_identifier", "managed_payments", "origin_context", "permissions",
        "wallet_options",
    ),
    "credit_note": (
        "customer_account", "post_payment_amount", "pre_payment_amount", "pretax_credit_amounts",
        "refunds", "total_taxes",
    ),
    "customer": ("business_name", "customer_account", "individual_name"),
    "discount": ("customer_account", "source"),
    "dispute": ("enhanced_eligibility_types", "intended_submission_method"),
    "invoice": (
        "amount_overpaid", "automatically_finalizes_at", "customer_account", "parent", "status_details",
        "total_pretax_credit_amounts", "total_taxes",
    ),
    "invoiceitem": ("customer_account", "net_amount", "parent", "pricing", "quantity_decimal"),
    "line_item": ("parent", "pretax_credit_amounts", "pricing", "quantity_decimal", "subtotal", "taxes"),
    "payment_intent": (
        "allowed_payment_method_types", "customer_account", "excluded_payment_method_types",
        "managed_payments", "payment_record",
    ),
    "payment_link": ("managed_payments", "payment_method_options"),
    "payment_method": ("customer_account",),
    "payout": ("payout_method", "trace_id"),
    "product": ("tax_details",),
    "promotion_code": ("customer_account", "promotion"),
    "refund": ("customer", "customer_account", "payment_method", "pending_reason"),
    "setup_intent": (
        "allowed_payment_method_types", "customer_account", "excluded_payment_method_types", "managed_payments",
    ),
    "subscription": ("billing_mode", "billing_schedules", "customer_account", "managed_payments", "status_details"),
    "tax_rate": ("flat_amount", "rate_type"),
    "test_helpers.test_clock": ("status_details",),
}  # fmt: skip


def _without(view: View | None, *names: str) -> View | None:
    return None if view is None else {k: v for k, v in view.items() if k not in names}


def _price(world: World, obj: Object, view: View) -> None:
    if view["recurring"] is not None:
        view["recurring"] = view["recurring"] | {"aggregate_usage": None}


def _payment_method(world: World, obj: Object, view: View) -> None:
    view["billing_details"] = _without(view["billing_details"], "tax_id")
    view["card"] = _without(view["card"], "regulated_status")


def _charge(world: World, obj: Object, view: View) -> None:
    view["invoice"] = obj["_invoice"]
    view["billing_details"] = _without(view["billing_details"], "tax_id")
    view["outcome"] = _without(view["outcome"], "advice_code", "network_advice_code", "network_decline_code")
    newer = (
        "authorization_code", "electronic_commerce_indicator", "network_transaction_id",
        "regulated_status", "transaction_link_id",
    )  # fmt: skip
    details = view["payment_method_details"]
    view["payment_method_details"] = details | {"card": _without(details["card"], *newer)}


def _payment_intent(world: World, obj: Object, view: View) -> None:
    view["invoice"] = obj["_invoice"]
    view["transfer_data"] = None
    view["amount_details"] = _without(view["amount_details"], "tax")


def _dispute(world: World, obj: Object, view: View) -> None:
    view["evidence"] = _without(view["evidence"], "enhanced_evidence", "appeal")
    view["evidence_details"] = _without(view["evidence_details"], "enhanced_eligibility", "submission_method")
    details = view["payment_method_details"]
    view["payment_method_details"] = details | {"card": _without(details["card"], "case_type", "network")}


def _invoice(world: World, obj: Object, view: View) -> None:
    view["subscription"] = obj["_subscription"]
    parent = obj["parent"] or {}
    details = parent.get("subscription_details")
    view["subscription_details"] = {"metadata": details["metadata"]} if details else {"metadata": None}
    view["payment_intent"], view["charge"] = obj["_payment_intent"], obj["_charge"]
    view["paid"] = obj["status"] == "paid"
    view["paid_out_of_band"] = obj["_paid_out_of_band"]
    view["discount"] = _first_discount(world, obj["discounts"])
    view |= {"application_fee_amount": None, "quote": None, "tax": None, "total_tax_amounts": [], "transfer_data": None}
    view["automatic_tax"] = _without(view["automatic_tax"], "disabled_reason", "provider")


def _line_item(world: World, obj: Object, view: View) -> None:
    price = obj["_price"]
    view["price"] = price_view(world, price, OLD) if price else None
    view["plan"] = plan_view(world, price, OLD) if price else None
    parent = obj["parent"] or {}
    details = parent.get("invoice_item_details") or parent["subscription_item_details"]
    view["type"] = "invoiceitem" if details["invoice_item"] else "subscription"
    if details["invoice_item"]:
        view["invoice_item"] = details["invoice_item"]
    if "subscription_item" in details:
        view["subscription_item"] = details["subscription_item"]
    view |= {
        "amount_excluding_tax": obj["amount"], "proration": details["proration"],
        "proration_details": details["proration_details"],
        "unit_amount_excluding_tax": (obj["pricing"] or {}).get("unit_amount_decimal"),
        "tax_amounts": [], "tax_rates": [],
    }  # fmt: skip


def _invoiceitem(world: World, obj: Object, view: View) -> None:
    price = obj["_price"]
    view["price"] = price_view(world, price, OLD) if price else None
    view["plan"] = plan_view(world, price, OLD) if price else None
    unit = (obj["pricing"] or {}).get("unit_amount_decimal")
    whole = int(unit) if unit and "." not in unit else None
    view |= {"subscription": obj["_subscription"], "unit_amount": whole, "unit_amount_decimal": unit}
    if obj["_subscription_item"]:
        view["subscription_item"] = obj["_subscription_item"]


def _subscription(world: World, obj: Object, view: View) -> None:
    items = obj["items"]
    view["current_period_start"] = min(item["current_period_start"] for item in items)
    view["current_period_end"] = max(item["current_period_end"] for item in items)
    view["discount"] = _first_discount(world, obj["discounts"])
    view["automatic_tax"] = _without(view["automatic_tax"], "disabled_reason")
    view["cancellation_details"] = _without(view["cancellation_details"], "feedback_option")
    view["invoice_settings"] = _without(view["invoice_settings"], "custom_fields", "description", "footer")
    trial = view["trial_settings"]
    if trial:
        behavior = {k: v for k, v in trial["end_behavior"].items() if k != "billing_cycle_anchor"}
        view["trial_settings"] = {"end_behavior": behavior}


def _first_discount(world: World, ids: list[str]) -> View | None:
    found = world.find("discount", ids[0]) if ids else None
    return live_view(world, found, OLD) if found else None


def _discount(world: World, obj: Object, view: View) -> None:
    view["coupon"] = coupon_view(world, obj["source"]["coupon"], OLD)


def _promotion_code(world: World, obj: Object, view: View) -> None:
    view["coupon"] = coupon_view(world, obj["_coupon"], OLD)


def _credit_note(world: World, obj: Object, view: View) -> None:
    view |= {"refund": obj["_refund"], "tax_amounts": []}
    older: View = {"amount_excluding_tax": None, "tax_amounts": [], "unit_amount_excluding_tax": None}
    view["lines"] = view["lines"] | {"data": [older | line for line in view["lines"]["data"]]}


def _session(world: World, obj: Object, view: View) -> None:
    view["shipping_details"] = None
    view["automatic_tax"] = _without(view["automatic_tax"], "provider")
    view["customer_details"] = _without(view["customer_details"], "business_name", "individual_name")
    view["ui_mode"] = "hosted"


_MOVED: dict[str, Callable[[World, Object, View], None]] = {
    "price": _price,
    "payment_method": _payment_method,
    "charge": _charge,
    "payment_intent": _payment_intent,
    "dispute": _dispute,
    "invoice": _invoice,
    "line_item": _line_item,
    "invoiceitem": _invoiceitem,
    "subscription": _subscription,
    "discount": _discount,
    "promotion_code": _promotion_code,
    "credit_note": _credit_note,
    "checkout.session": _session,
}


def _shape(kind: str) -> Callable[[World, Object, View], None]:
    moved, newer = _MOVED.get(kind), NEWER.get(kind, ())

    def shape(world: World, obj: Object, view: View) -> None:
        for name in newer:
            view.pop(name, None)
        if moved is not None:
            moved(world, obj, view)

    return shape


SHAPES = {kind: _shape(kind) for kind in NEWER.keys() | _MOVED.keys()}
