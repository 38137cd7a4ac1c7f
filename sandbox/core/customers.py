"""Customers.

Stripe: https://docs.stripe.com/api/customers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import payment_methods
from .coupons import discount_customer
from .errors import bad_request, missing_object
from .operation import Operation, Params, given, listing, metadata, op, page
from .payment_methods import ADDRESS, NO_ADDRESS
from .store import Object

if TYPE_CHECKING:
    from .world import World

_INVOICE_SETTINGS = (
    "{default_payment_method?:str footer:str custom_fields?:[{name!:str value!:str}]"
    " rendering_options?:{amount_tax_display?:str template:str}}"
)
_FIELDS = (
    f"address?:{ADDRESS} balance:int description?:str email?:str invoice_prefix:str invoice_settings:{_INVOICE_SETTINGS}"
    f" metadata?:map name?:str phone?:str preferred_locales?:[str] shipping?:{{address!:{ADDRESS} name!:str phone?:str}}"
    " tax_exempt?:exempt|none|reverse next_invoice_sequence:int business_name>?:str individual_name>?:str coupon<?:str"
)


def create(world: World, params: Params) -> Object:
    """Create a customer; `payment_method` is attached to it, but is not its default."""
    id = world.ids.new("cus_")
    clock = params.get("test_clock")
    if clock:
        world.get("test_helpers.test_clock", clock, "test_clock", status=400)
    customer: Object = {
        "id": id, "object": "customer", "address": None, "balance": params.get("balance", 0), "created": world.now,
        "currency": None, "customer_account": None, "default_source": None, "delinquent": False,
        "description": None, "discount": None, "email": None,
        "invoice_prefix": params.get("invoice_prefix") or world.ids.text(8).upper(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None,
                             "rendering_options": None},
        "livemode": False, "metadata": {}, "name": None, "next_invoice_sequence": 1, "phone": None,
        "preferred_locales": [], "shipping": None, "tax_exempt": "none", "test_clock": clock, "_discount": None,
    }  # fmt: skip
    customer |= _values(world, customer, params)
    world.insert(customer, "customer.created")
    if params.get("coupon"):
        discount_customer(world, customer, params["coupon"])
    if "payment_method" in params:
        payment_methods.attach(world, {"customer": id}, params["payment_method"])
    return customer


def update(world: World, params: Params, id: str) -> Object:
    """Change a customer."""
    customer = world.get("customer", id)
    if params.get("coupon"):
        discount_customer(world, customer, params["coupon"])
    world.change(customer, "customer.updated", **_values(world, customer, params))
    return customer


def delete(world: World, params: Params, id: str) -> Object:
    """Delete a customer: its subscriptions end, its payment methods are detached."""
    from .subscriptions import cancel_now

    customer = world.get("customer", id)
    for subscription in world.all("subscription", "customer", id):
        if subscription["status"] not in ("canceled", "incomplete_expired"):
            cancel_now(world, subscription)
    for method in world.all("payment_method", "customer", id):
        payment_methods.detach(world, {}, method["id"])
    return world.delete(customer, "customer.deleted")


def retrieve(world: World, params: Params, id: str) -> Object:
    """Return a customer; a deleted one answers with its stub."""
    row = world.store.row("customer", id)
    return row.obj if row else world.get("customer", id)


def end_discount(world: World, params: Params, id: str) -> Object:
    """Take a customer's discount away."""
    customer = world.get("customer", id)
    discount = world.find("discount", customer["_discount"])
    if discount is None:
        raise missing_object("active discount for customer", id, "id")
    world.change(customer, "customer.updated", _discount=None)
    return world.delete(discount, "customer.discount.deleted")


def default_method(world: World, customer: Object) -> Object | None:
    """Return the payment method that pays a customer's invoices, if there is one."""
    return world.find("payment_method", customer["invoice_settings"]["default_payment_method"])


def _values(world: World, customer: Object, params: Params) -> dict[str, Any]:
    names = ("balance", "description", "email", "invoice_prefix", "name", "phone", "next_invoice_sequence",
             "business_name", "individual_name")  # fmt: skip
    values = given(params, *names)
    if values.get("email") and "@" not in values["email"]:
        raise bad_request(f"Invalid email address: {values['email']}", code="email_invalid", param="email")
    if "address" in params:
        values["address"] = _address(params["address"])
    if "shipping" in params:
        shipping = params["shipping"]
        values["shipping"] = shipping and {"address": _address(shipping["address"]), "name": shipping["name"],
                                           "phone": shipping.get("phone") or None} or None  # fmt: skip
    if "preferred_locales" in params:
        values["preferred_locales"] = params["preferred_locales"] or []
    if "tax_exempt" in params:
        values["tax_exempt"] = params["tax_exempt"] or "none"
    if "invoice_settings" in params:
        values["invoice_settings"] = _invoice_settings(world, customer, params["invoice_settings"])
    values["metadata"] = metadata(customer["metadata"], params.get("metadata"))
    return values


def _invoice_settings(world: World, customer: Object, params: Params) -> dict[str, Any]:
    settings: dict[str, Any] = customer["invoice_settings"] | given(
        params, "footer", "custom_fields", "rendering_options"
    )
    if "default_payment_method" in params:
        wanted = params["default_payment_method"] or None
        if wanted:
            method = world.get("payment_method", wanted, "invoice_settings[default_payment_method]", status=400)
            if method["customer"] != customer["id"]:
                raise bad_request(
                    "The customer does not have a payment method with the ID"
                    f" {wanted}. The payment method must be attached to the customer.",
                    code="resource_missing", param="invoice_settings[default_payment_method]",
                )  # fmt: skip
        settings |= {"default_payment_method": wanted}
    return settings


def _address(given: Any) -> dict[str, Any] | None:
    return NO_ADDRESS | {k: v or None for k, v in given.items()} if given else None


def _keep(world: World, params: Params) -> Callable[[Object], bool]:
    """Lists leave customers on a test clock out unless that clock is asked for."""
    clock = params.get("test_clock")
    email = params.get("email")
    return lambda c: c["test_clock"] == clock and (email is None or c["email"] == email)


def _list(world: World, params: Params) -> Any:
    table = world.store.table("customer")
    keys = table.keys("email", params["email"]) if "email" in params else table.keys()
    plain = not world.clocks and "email" not in params and "test_clock" not in params
    return page(world, "customer", keys, params, "/v1/customers", None if plain else _keep(world, params))


_LIST = listing("customer", "/v1/customers", "created:range email:str test_clock:str")
OPERATIONS = [
    op("POST", "/v1/customers", create, f"payment_method:str test_clock:str {_FIELDS}"),
    Operation("GET", _LIST.path, _list, _LIST.params, listing=True, kind="customer"),
    op("GET", "/v1/customers/{customer}", retrieve, kind="customer"),
    op("POST", "/v1/customers/{customer}", update, _FIELDS, kind="customer"),
    op("DELETE", "/v1/customers/{customer}", delete, kind="customer", expand=False),
    op("DELETE", "/v1/customers/{customer}/discount", end_discount, kind="customer", expand=False),
]
