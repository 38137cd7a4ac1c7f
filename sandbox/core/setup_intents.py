"""Setup intents: a card is checked and kept for later, no money moves.

Stripe: https://docs.stripe.com/payments/setup-intents
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import payment_methods
from .errors import StripeError, bad_request
from .operation import Params, given, listing, metadata, op, retrieving
from .payment_methods import card_of
from .store import Object

if TYPE_CHECKING:
    from .world import World

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(world: World, params: Params, *, session: str | None = None) -> Object:
    """Create a setup intent, and confirm it when `confirm` is true; `session` is the Checkout session it is for."""
    if "customer" in params:
        world.get("customer", params["customer"], "customer", status=400)
    method = _method(world, params)
    id = world.ids.new("seti_")
    automatic = params.get("automatic_payment_methods", {"enabled": True})
    intent = world.insert({
        "id": id, "object": "setup_intent", "allowed_payment_method_types": None, "application": None,
        "automatic_payment_methods": {"allow_redirects": "always"} | automatic, "cancellation_reason": None,
        "client_secret": f"{id}_secret_{world.ids.text(25)}", "created": world.now, "customer": params.get("customer"),
        "customer_account": None, "description": params.get("description"), "excluded_payment_method_types": None,
        "flow_directions": None, "last_setup_error": None, "latest_attempt": None, "livemode": False,
        "managed_payments": None, "mandate": None, "metadata": metadata({}, params.get("metadata")),
        "next_action": None, "on_behalf_of": None, "payment_method": method["id"] if method else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"mandate_options": None, "network": None,
                                            "request_three_d_secure": "automatic"}},
        "payment_method_types": params.get("payment_method_types", ["card"]), "single_use_mandate": None,
        "status": "requires_confirmation" if method else "requires_payment_method",
        "usage": params.get("usage", "off_session"), "_session": session,
    }, "setup_intent.created")  # fmt: skip
    return _confirm(world, intent, params) if params.get("confirm") else intent


def update(world: World, params: Params, id: str) -> Object:
    """Change a setup intent that is not finished."""
    intent = world.get("setup_intent", id)
    values = given(params, "description", "customer")
    values["metadata"] = metadata(intent["metadata"], params.get("metadata"))
    method = _method(world, params)
    if method:
        values |= {"payment_method": method["id"], "status": "requires_confirmation"}
    world.change(intent, **values)
    return intent


def confirm(world: World, params: Params, id: str) -> Object:
    """Check the card and keep it."""
    intent = world.get("setup_intent", id)
    method = _method(world, params)
    if method:
        world.change(intent, payment_method=method["id"], status="requires_confirmation", next_action=None)
    return _confirm(world, intent, params)


def _confirm(world: World, intent: Object, params: Params) -> Object:
    if intent["status"] not in _OPEN or intent["payment_method"] is None:
        raise bad_request(f"You cannot confirm this SetupIntent: its status is {intent['status']} and its payment method"
                          f" is {intent['payment_method']}.", code="setup_intent_unexpected_state",
                          setup_intent=intent)  # fmt: skip
    method = world.raw("payment_method", intent["payment_method"])
    card = card_of(method)
    if card.declines_attach:
        error = {"code": card.error_code, "decline_code": card.decline, "message": card.message,
                 "payment_method": method["id"], "type": "card_error"}  # fmt: skip
        world.change(intent, "setup_intent.setup_failed", status="requires_payment_method", payment_method=None,
                     last_setup_error=error)  # fmt: skip
        raise StripeError(
            402, card.message, card.error_code, type="card_error", decline_code=card.decline, setup_intent=intent
        )
    if card.three_d in ("always", "setup") and not method.get("_authenticated"):
        url = f"{world.settings.base_url}/_sandbox/authenticate/{intent['id']}"
        action = {"type": "redirect_to_url", "redirect_to_url": {"return_url": params.get("return_url"), "url": url}}
        world.change(intent, "setup_intent.requires_action", status="requires_action", next_action=action)
        return intent
    succeed(world, intent)
    return intent


def succeed(world: World, intent: Object) -> None:
    """Keep the card."""
    from . import checkout_visit

    if intent["_session"]:
        checkout_visit.welcome(world, intent)
    method = world.raw("payment_method", intent["payment_method"])
    if intent["customer"] and method["customer"] is None:
        payment_methods.attach_to(world, method, intent["customer"])
    world.change(intent, "setup_intent.succeeded", status="succeeded", next_action=None, last_setup_error=None)
    if intent["_session"]:
        checkout_visit.authorized(world, intent)


def authenticate(world: World, intent: Object, *, passed: bool) -> None:
    """Do what the customer does on the 3D Secure page."""
    if intent["status"] != "requires_action":
        raise bad_request("There is nothing to authenticate.", code="setup_intent_unexpected_state")
    if passed:
        world.change(world.raw("payment_method", intent["payment_method"]), _authenticated=True)
        succeed(world, intent)
        return
    error = {"code": "setup_intent_authentication_failure", "type": "invalid_request_error",
             "message": "The latest attempt to set up the payment method has failed because authentication failed.",
             "payment_method": intent["payment_method"]}  # fmt: skip
    world.change(intent, "setup_intent.setup_failed", status="requires_payment_method", payment_method=None,
                 next_action=None, last_setup_error=error)  # fmt: skip


def cancel(world: World, params: Params, id: str) -> Object:
    """Give a setup intent up."""
    intent = world.get("setup_intent", id)
    if intent["status"] not in _OPEN:
        raise bad_request(f"You cannot cancel this SetupIntent because it has a status of {intent['status']}.",
                          code="setup_intent_unexpected_state", setup_intent=intent)  # fmt: skip
    world.change(intent, "setup_intent.canceled", status="canceled", next_action=None,
                 cancellation_reason=params.get("cancellation_reason"))  # fmt: skip
    return intent


def _method(world: World, params: Params) -> Object | None:
    return payment_methods.resolve(world, params["payment_method"]) if "payment_method" in params else None


_CONFIRM = "payment_method:str return_url:str use_stripe_sdk:bool"
OPERATIONS = [
    op("POST", "/v1/setup_intents", create, "automatic_payment_methods:{enabled!:bool allow_redirects:always|never}"
       f" confirm:bool customer:str description:str metadata:map usage:off_session|on_session"
       f" payment_method_types<:[str] {_CONFIRM}"),
    listing("setup_intent", "/v1/setup_intents", "created:range customer:str payment_method:str",
            by={"customer": "customer"}, keep=lambda world, params: _keep(params)),
    retrieving("setup_intent", "/v1/setup_intents/{intent}"),
    op("POST", "/v1/setup_intents/{intent}", update,
       "customer:str description:str metadata?:map payment_method:str", kind="setup_intent"),
    op("POST", "/v1/setup_intents/{intent}/confirm", confirm, _CONFIRM, kind="setup_intent"),
    op("POST", "/v1/setup_intents/{intent}/cancel", cancel, "cancellation_reason:abandoned|duplicate|requested_by_customer",
       kind="setup_intent"),
]  # fmt: skip


def _keep(params: Params):  # type: ignore[no-untyped-def]
    wanted = params.get("payment_method")
    return (lambda i: i["payment_method"] == wanted) if wanted else None
