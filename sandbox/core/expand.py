"""`expand`: ids become objects, lists that are left out come in; four levels deep.

Stripe: https://docs.stripe.com/api/expanding_objects
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import bad_request
from .payouts import bank_account
from .render import view
from .settings import OLD
from .views import embedded_list, live_view

if TYPE_CHECKING:
    from .store import Object
    from .world import World

View = dict[str, Any]
MAX_DEPTH = 4

# Where an id stands for another object: (kind, path inside it) -> kind of the other.
FIELDS: dict[str, dict[str, str]] = {
    "balance_transaction": {"source": "*"},
    "charge": {
        "balance_transaction": "balance_transaction", "customer": "customer",
        "failure_balance_transaction": "balance_transaction", "payment_intent": "payment_intent",
        "review": "", "on_behalf_of": "", "application": "", "source_transfer": "", "transfer": "",
        "application_fee": "", "invoice": "invoice",
    },
    "checkout.session": {
        "customer": "customer", "invoice": "invoice", "payment_intent": "payment_intent",
        "setup_intent": "setup_intent", "subscription": "subscription",
        "payment_link": "payment_link",
    },
    "credit_note": {"customer": "customer", "invoice": "invoice", "refund": "refund", "refunds.refund": "refund"},
    "customer": {
        "default_source": "", "invoice_settings.default_payment_method": "payment_method",
        "test_clock": "test_helpers.test_clock",
    },
    "discount": {"customer": "customer", "promotion_code": "promotion_code", "source.coupon": "coupon"},
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "invoice": {
        "customer": "customer", "default_payment_method": "payment_method", "default_source": "",
        "discounts": "discount", "latest_revision": "invoice", "test_clock": "test_helpers.test_clock",
        "parent.subscription_details.subscription": "subscription", "on_behalf_of": "", "application": "",
        "subscription": "subscription", "charge": "charge", "payment_intent": "payment_intent", "quote": "",
        "total_discount_amounts.discount": "discount",
    },
    "invoice_payment": {
        "invoice": "invoice", "payment.payment_intent": "payment_intent", "payment.charge": "charge",
    },
    "invoiceitem": {
        "customer": "customer", "invoice": "invoice", "discounts": "discount",
        "pricing.price_details.price": "price", "subscription": "subscription",
        "test_clock": "test_helpers.test_clock",
    },
    "item": {"price.product": "product"},
    "line_item": {
        "discounts": "discount", "subscription": "subscription", "pricing.price_details.price": "price",
        "discount_amounts.discount": "discount",
    },
    "payment_intent": {
        "customer": "customer", "latest_charge": "charge", "payment_method": "payment_method",
        "invoice": "invoice", "review": "", "on_behalf_of": "", "application": "", "source": "",
    },
    "payment_method": {"customer": "customer"},
    "payout": {
        "balance_transaction": "balance_transaction", "destination": "bank_account",
        "failure_balance_transaction": "balance_transaction", "original_payout": "payout", "reversed_by": "payout",
    },
    "plan": {"product": "product"},
    "price": {"product": "product"},
    "product": {"default_price": "price", "tax_code": ""},
    "promotion_code": {"customer": "customer", "promotion.coupon": "coupon"},
    "refund": {
        "balance_transaction": "balance_transaction", "charge": "charge", "customer": "customer",
        "failure_balance_transaction": "balance_transaction", "payment_intent": "payment_intent",
        "payment_method": "payment_method", "source_transfer_reversal": "", "transfer_reversal": "",
    },
    "setup_intent": {
        "customer": "customer", "payment_method": "payment_method", "latest_attempt": "", "mandate": "",
        "on_behalf_of": "", "application": "", "single_use_mandate": "",
    },
    "subscription": {
        "customer": "customer", "default_payment_method": "payment_method", "default_source": "",
        "discounts": "discount", "latest_invoice": "invoice", "pending_setup_intent": "setup_intent",
        "schedule": "", "test_clock": "test_helpers.test_clock", "on_behalf_of": "", "application": "",
    },
    "subscription_item": {"discounts": "discount"},
}  # fmt: skip


def _refunds(world: World, obj: Object, version: str) -> View:
    found = [live_view(world, r, version) for r in world.all("refund", "charge", obj["id"])][::-1]
    return embedded_list(found, f"/v1/charges/{obj['id']}/refunds")


def _payments(world: World, obj: Object, version: str) -> View:
    found = [live_view(world, p, version) for p in world.all("invoice_payment", "invoice", obj["id"])]
    return embedded_list(found, f"/v1/invoice_payments?invoice={obj['id']}")


def _subscriptions(world: World, obj: Object, version: str) -> View:
    found = [s for s in world.all("subscription", "customer", obj["id"]) if s["status"] not in ENDED]
    return embedded_list(
        [live_view(world, s, version) for s in found][::-1], f"/v1/customers/{obj['id']}/subscriptions"
    )


def _sources(world: World, obj: Object, version: str) -> View:
    return embedded_list([], f"/v1/customers/{obj['id']}/sources")


def _tax_ids(world: World, obj: Object, version: str) -> View:
    return embedded_list([], f"/v1/customers/{obj['id']}/tax_ids")


def _line_items(world: World, obj: Object, version: str) -> View:
    kind = "payment_links" if obj["object"] == "payment_link" else "checkout/sessions"
    return embedded_list(obj["_line_items"], f"/v1/{kind}/{obj['id']}/line_items")


def _stored(name: str) -> Callable[[World, Object, str], Any]:
    return lambda world, obj, version: obj.get(name)


def _confirmation_secret(world: World, obj: Object, version: str) -> View | None:
    if not obj["_payment_intent"]:
        return None
    intent = world.raw("payment_intent", obj["_payment_intent"])
    return {"client_secret": intent["client_secret"], "type": "payment_intent"}


ENDED = ("canceled", "incomplete_expired")

# Fields that are absent unless asked for: (kind, name) -> how to make them.
INCLUDED: dict[tuple[str, str], Callable[[World, Object, str], Any]] = {
    ("charge", "refunds"): _refunds,
    ("invoice", "payments"): _payments,
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "sources"): _sources,
    ("customer", "tax_ids"): _tax_ids,
    ("price", "tiers"): _stored("tiers"),
    ("price", "currency_options"): _stored("currency_options"),
    ("coupon", "applies_to"): _stored("applies_to"),
    ("coupon", "currency_options"): _stored("currency_options"),
    ("checkout.session", "line_items"): _line_items,
    ("payment_link", "line_items"): _line_items,
}
# Fields of `FIELDS` that the pinned version has no more, and those the old one has not yet.
_GONE = {
    ("charge", "invoice"), ("credit_note", "refund"), ("invoice", "charge"), ("invoice", "payment_intent"),
    ("invoice", "quote"), ("invoice", "subscription"), ("invoiceitem", "subscription"), ("payment_intent", "invoice"),
}  # fmt: skip
_COMING = {("refund", "customer"), ("refund", "payment_method")}
_ONLY_NEW = {("invoice", "payments"), ("invoice", "confirmation_secret")}


def check(paths: list[str], *, listing: bool) -> None:
    """Refuse paths that are too deep or, on lists, do not start with `data`."""
    for place, path in enumerate(paths):
        steps = path.split(".")
        if len(steps) > MAX_DEPTH:
            raise bad_request(f"You cannot expand more than {MAX_DEPTH} levels of a property: {path}.",
                              code="property_expansion_max_depth", param=f"expand[{place}]")  # fmt: skip
        if listing and steps[0] != "data":
            hint = f" You may want to try expanding 'data.{path}' instead."
            raise _cannot(path, hint)


def apply(world: World, shown: Any, paths: list[str], version: str) -> Any:
    """Return `shown` with every path expanded; values it shares with the store stay as they are."""
    for path in paths:
        shown = _walk(world, shown, path.split("."), version, path, "", "")
    return shown


def _walk(world: World, node: Any, steps: list[str], version: str, path: str, kind: str, inside: str) -> Any:
    if node is None or not steps:
        return node
    if isinstance(node, list):
        return [_walk(world, item, steps, version, path, kind, inside) for item in node]
    if not isinstance(node, dict):
        raise _cannot(path)
    if "object" in node:
        kind, inside = node["object"], ""
    name, rest = steps[0], steps[1:]
    where = f"{inside}.{name}" if inside else name
    value = node.get(name)
    include = INCLUDED.get((kind, name))
    if include and not inside and value is None and not (version == OLD and (kind, name) in _ONLY_NEW):
        value = include(world, world.raw(kind, node["id"]), version)
        if value is None:
            return node
    elif name not in node:
        return _absent(node, kind, where, path, version)
    else:
        target = FIELDS.get(kind, {}).get(where)
        if target is not None:
            value = _fetch_all(world, value, target, version)
        elif not rest and not isinstance(value, dict | list):
            raise _cannot(path)
    return node | {name: _walk(world, value, rest, version, path, kind, where)}


def _absent(node: View, kind: str, where: str, path: str, version: str) -> View:
    """Let a field be absent that this version may show at another time."""
    elsewhere = _GONE if version != OLD else _COMING
    if kind == "" or node.get("deleted") or (where in FIELDS.get(kind, {}) and (kind, where) not in elsewhere):
        return node
    raise _cannot(path)


def _fetch_all(world: World, value: Any, target: str, version: str) -> Any:
    if isinstance(value, list):
        return [_fetch_all(world, item, target, version) for item in value]
    return _fetch(world, value, target, version) if isinstance(value, str) else value


_BY_PREFIX = {
    "ch_": "charge", "re_": "refund", "du_": "dispute", "po_": "payout", "tu_": "topup",
}  # fmt: skip


def _fetch(world: World, id: str, target: str, version: str) -> Any:
    if target == "bank_account":
        return bank_account(world, id)
    kind = _BY_PREFIX.get(id[:3], "") if target == "*" else target
    row = world.store.row(kind, id) if kind else None
    return id if row is None else view(world, row.obj, version)


def _cannot(path: str, hint: str = "") -> Exception:
    name = path.split(".")[-1]
    return bad_request(f"This property cannot be expanded ({name}).{hint}", param="expand")
