"""Payment methods: test tokens become cards, cards are attached to customers.

Stripe: https://docs.stripe.com/api/payment_methods
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .card_entry import Entry, token_of
from .cards import TOKENS, Card, token_of_legacy
from .errors import StripeError, bad_request, missing_object, missing_parameter
from .operation import Operation, Page, Params, listing, metadata, op, page, retrieving
from .store import Object

if TYPE_CHECKING:
    from .world import World

ADDRESS = "{city?:str country?:str line1?:str line2?:str postal_code?:str state?:str}"
BILLING = f"{{address?:{ADDRESS} email?:str name?:str phone?:str tax_id:str}}"
_CARD = "{number:str exp_month:int exp_year:int cvc:str token:str networks:{preferred:str}}"
METHOD_DATA = (
    f"{{type!:card billing_details:{BILLING} card:{_CARD} metadata:map allow_redisplay:always|limited|unspecified}}"
)
NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}


def card_of(method: Object) -> Card:
    """Return how a payment method behaves."""
    return TOKENS[method["_token"]]


def create(world: World, params: Params) -> Object:
    """Create a payment method from a card number or token of Stripe's testing page."""
    if "type" not in params:
        raise missing_parameter("type")
    given = params.get("card")
    if not given:
        raise missing_parameter("card")
    token = _token(given)
    method = make(world, token, params.get("billing_details"), params.get("metadata"))
    if given.get("exp_month"):
        world.change(method, card=method["card"] | {"exp_month": given["exp_month"], "exp_year": given["exp_year"]})
    return method


def make(
    world: World, token: str, billing: Params | None = None, data: Any = None, created: int | None = None
) -> Object:
    """Create a payment method that behaves as `token` says."""
    card = TOKENS[token]
    address = NO_ADDRESS | {k: v or None for k, v in ((billing or {}).get("address") or {}).items()}
    details = {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}
    details |= {k: v or None for k, v in (billing or {}).items() if k != "address"}
    return world.insert({
        "id": world.ids.new("pm_"), "object": "payment_method", "allow_redisplay": "unspecified",
        "billing_details": details, "card": _card(world, card), "created": world.now, "customer": None,
        "customer_account": None, "livemode": False, "metadata": metadata({}, data), "type": "card",
        "_token": token,
    })  # fmt: skip


def of_entry(world: World, card: Entry, billing: Params) -> Object:
    """Create a payment method from a card that was typed."""
    method = make(world, card.token, billing)
    world.change(method, card=method["card"] | {"exp_month": card.exp_month, "exp_year": card.exp_year})
    return method


def resolve(world: World, id: str, param: str = "payment_method") -> Object:
    """Return the payment method an id names; a test token makes a new one.

    Raises:
        StripeError: there is none.
    """
    if id in TOKENS and id.startswith("pm_"):
        return make(world, id)
    return world.get("payment_method", id, param, status=400)


def attach(world: World, params: Params, id: str) -> Object:
    """Attach a payment method to a customer; cards that decline are refused here."""
    if "customer" not in params:
        raise missing_parameter("customer")
    customer = world.get("customer", params["customer"], "customer", status=400)
    method = resolve(world, id, "payment_method")
    if method["customer"] and method["customer"] != customer["id"]:
        raise bad_request("The payment method you provided has already been attached to a customer.",
                          code="payment_method_unexpected_state", payment_method=method)  # fmt: skip
    card = card_of(method)
    if card.declines_attach:
        raise StripeError(402, card.message, card.error_code, type="card_error",
                          decline_code=card.decline)  # fmt: skip
    attach_to(world, method, customer["id"])
    return method


def attach_to(world: World, method: Object, customer_id: str) -> None:
    """Give a payment method to a customer."""
    world.change(method, "payment_method.attached", customer=customer_id)


def detach(world: World, params: Params, id: str) -> Object:
    """Take a payment method from its customer; it cannot be used again."""
    method = world.get("payment_method", id)
    if method["customer"] is None:
        raise bad_request("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = world.find("customer", method["customer"])
    if customer and customer["invoice_settings"]["default_payment_method"] == id:
        settings = customer["invoice_settings"] | {"default_payment_method": None}
        world.change(customer, "customer.updated", invoice_settings=settings)
    world.change(method, "payment_method.detached", customer=None, _detached=True)
    return method


def update(world: World, params: Params, id: str) -> Object:
    """Change billing details, expiry or metadata."""
    method = world.get("payment_method", id)
    values: dict[str, Any] = {"metadata": metadata(method["metadata"], params.get("metadata"))}
    if "billing_details" in params:
        given = dict(params["billing_details"])
        if given.get("address"):
            given["address"] = method["billing_details"]["address"] | given["address"]
        values["billing_details"] = method["billing_details"] | {k: v or None for k, v in given.items()}
    if "card" in params:
        values["card"] = method["card"] | params["card"]
    if "allow_redisplay" in params:
        values["allow_redisplay"] = params["allow_redisplay"]
    world.change(method, "payment_method.updated", **values)
    return method


def _token(given: Params) -> str:
    if "token" in given:
        token = token_of_legacy(given["token"])
        if token is None:
            raise bad_request(f"No such token: '{given['token']}'", code="resource_missing", param="card[token]")
        return token
    if "number" not in given:
        raise missing_parameter("card[number]")
    return token_of(given["number"])


def _card(world: World, card: Card) -> dict[str, Any]:
    return {
        "brand": card.brand, "checks": {"address_line1_check": None, "address_postal_code_check": None,
                                        "cvc_check": "pass"},
        "country": card.country, "display_brand": card.brand, "exp_month": 8, "exp_year": 2034,
        "fingerprint": f"Fp{card.last4}{card.brand[:4].title()}Sandbox", "funding": card.funding,
        "generated_from": None, "last4": card.last4, "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated", "three_d_secure_usage": {"supported": True}, "wallet": None,
    }  # fmt: skip


def _of_customer(world: World, params: Params, customer: str) -> Page:
    world.get("customer", customer, "customer")
    keys = world.store.table("payment_method").keys("customer", customer)
    test = (lambda m: m["type"] == params["type"]) if "type" in params else None
    return page(world, "payment_method", keys, params, f"/v1/customers/{customer}/payment_methods", test)


def _one_of_customer(world: World, params: Params, customer: str, id: str) -> Object:
    world.get("customer", customer, "customer")
    method = world.get("payment_method", id, "payment_method")
    if method["customer"] != customer:
        raise missing_object("PaymentMethod", id, "payment_method")
    return method


def _keep(world: World, params: Params) -> Callable[[Object], bool]:
    return lambda method: bool(method["customer"]) and method["type"] == params.get("type", method["type"])


_DISPLAY = "allow_redisplay:always|limited|unspecified"
_CUSTOMER_LIST = listing("payment_method", "/v1/customers/{customer}/payment_methods", f"type:str {_DISPLAY}")
OPERATIONS = [
    op("POST", "/v1/payment_methods", create,
       f"type:card card:{_CARD} billing_details:{BILLING} metadata:map allow_redisplay:always|limited|unspecified"),
    listing("payment_method", "/v1/payment_methods", f"customer:str type:str {_DISPLAY}", by={"customer": "customer"},
            keep=_keep),
    retrieving("payment_method", "/v1/payment_methods/{payment_method}"),
    op("POST", "/v1/payment_methods/{payment_method}", update,
       f"billing_details:{BILLING} card:{{exp_month:int exp_year:int}} metadata?:map {_DISPLAY}",
       kind="payment_method"),
    op("POST", "/v1/payment_methods/{payment_method}/attach", attach, "customer:str", kind="payment_method"),
    op("POST", "/v1/payment_methods/{payment_method}/detach", detach, kind="payment_method"),
    Operation("GET", _CUSTOMER_LIST.path, _of_customer, _CUSTOMER_LIST.params, listing=True, kind="customer"),
    op("GET", "/v1/customers/{customer}/payment_methods/{payment_method}", _one_of_customer, kind="customer"),
]  # fmt: skip
