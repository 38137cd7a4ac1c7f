"""What an object shows of others: prices in items, lines in invoices, lists on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .settings import OLD
from .views import embedded_list, live_view

if TYPE_CHECKING:
    from .store import Object
    from .world import World

View = dict[str, Any]
_RECURRING_OLD = {"aggregate_usage": None}


def price_view(world: World, id: str, version: str) -> View:
    """Return the price with `id` as it is embedded elsewhere."""
    return live_view(world, world.raw("price", id), version)


def plan_view(world: World, price_id: str, version: str) -> View | None:
    """Return the plan that mirrors a recurring price, or None for a one-time price."""
    price = world.raw("price", price_id)
    recurring = price["recurring"]
    if recurring is None:
        return None
    shown = {
        "id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"], "billing_scheme": price["billing_scheme"],
        "created": price["created"], "currency": price["currency"], "interval": recurring["interval"],
        "interval_count": recurring["interval_count"], "livemode": False, "metadata": price["metadata"],
        "meter": recurring["meter"], "nickname": price["nickname"], "product": price["product"],
        "tiers_mode": price["tiers_mode"], "transform_usage": price["transform_quantity"],
        "trial_period_days": recurring["trial_period_days"], "usage_type": recurring["usage_type"],
    }  # fmt: skip
    return shown | _RECURRING_OLD if version == OLD else shown


def coupon_view(world: World, id: str, version: str) -> View:
    """Return the coupon with `id` as it is embedded elsewhere."""
    return live_view(world, world.raw("coupon", id), version)


def item_view(world: World, item: Object, version: str) -> View:
    """Return a subscription item with its price and plan."""
    shown = {k: v for k, v in item.items() if k[0] != "_"}
    shown["price"] = price_view(world, item["price"], version)
    shown["plan"] = plan_view(world, item["price"], version)
    if version == OLD:
        for name in ("current_period_start", "current_period_end", "current_trial", "billed_until"):
            shown.pop(name, None)
    return shown


def _price(world: World, obj: Object, shown: View, version: str) -> None:
    shown.pop("tiers", None)
    shown.pop("currency_options", None)


def _coupon(world: World, obj: Object, shown: View, version: str) -> None:
    shown.pop("applies_to", None)
    shown.pop("currency_options", None)


def _customer(world: World, obj: Object, shown: View, version: str) -> None:
    discount = world.find("discount", obj["_discount"]) if obj["_discount"] else None
    shown["discount"] = live_view(world, discount, version) if discount else None


def _subscription(world: World, obj: Object, shown: View, version: str) -> None:
    items = [item_view(world, item, version) for item in obj["items"]]
    shown["items"] = embedded_list(items, f"/v1/subscription_items?subscription={obj['id']}", limit=20)


def _invoice(world: World, obj: Object, shown: View, version: str) -> None:
    lines = [live_view(world, line, version) for line in obj["lines"]]
    whole = len(lines) if obj["id"].startswith("upcoming_") else 10  # nobody could ask for the rest of a preview
    shown["lines"] = embedded_list(lines, f"/v1/invoices/{obj['id']}/lines", limit=whole)


def _dispute(world: World, obj: Object, shown: View, version: str) -> None:
    found = [world.raw("balance_transaction", id) for id in obj["balance_transactions"]]
    shown["balance_transactions"] = [live_view(world, line, version) for line in found]


def _payment_intent(world: World, obj: Object, shown: View, version: str) -> None:
    error = shown["last_payment_error"]
    if error and isinstance(error.get("payment_method"), str):
        method = live_view(world, world.raw("payment_method", error["payment_method"]), version)
        shown["last_payment_error"] = error | {"payment_method": method}


def _setup_intent(world: World, obj: Object, shown: View, version: str) -> None:
    error = shown["last_setup_error"]
    if error and isinstance(error.get("payment_method"), str):
        method = live_view(world, world.raw("payment_method", error["payment_method"]), version)
        shown["last_setup_error"] = error | {"payment_method": method}


EMBEDS: dict[str, Callable[[World, Object, View, str], None]] = {
    "price": _price,
    "coupon": _coupon,
    "customer": _customer,
    "subscription": _subscription,
    "invoice": _invoice,
    "dispute": _dispute,
    "payment_intent": _payment_intent,
    "setup_intent": _setup_intent,
}
