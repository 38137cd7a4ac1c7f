"""Payment intents as the API sees them: create, change, confirm, capture, cancel, list.

Stripe: https://docs.stripe.com/api/payment_intents
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import charges, payment_methods
from .catalog import currency_of
from .errors import bad_request, unexpected_state
from .operation import Params, given, listing, metadata, op, retrieving
from .payment_intents import OPEN, cancel_now, check_amount, decline, make, pay, shipping_of, tell
from .payment_methods import ADDRESS
from .store import Object

if TYPE_CHECKING:
    from .world import World


_SHIPPING = f"{{address!:{ADDRESS} name!:str carrier:str phone:str tracking_number:str}}"


_OPTIONS = "{card:{request_three_d_secure:any|automatic|challenge capture_method:manual}}"


_COMMON = (
    f"description?:str metadata?:map receipt_email?:str shipping?:{_SHIPPING} setup_future_usage?:off_session|on_session"
    " statement_descriptor:str statement_descriptor_suffix:str transfer_group:str"
    f" payment_method_options:{_OPTIONS} payment_method_types<:[str] allowed_payment_method_types>:[str]"
)


_CONFIRM = (
    "payment_method:str return_url:str off_session:bool|one_off|recurring error_on_requires_action:bool"
    " use_stripe_sdk:bool"
)


def create(world: World, params: Params) -> Object:
    """Create an intent, and confirm it when `confirm` is true."""
    currency = currency_of(params["currency"])
    check_amount(world, params["amount"], currency)
    if "customer" in params:
        world.get("customer", params["customer"], "customer", status=400)
    if "confirm" not in params and ("off_session" in params or "return_url" in params):
        raise bad_request("`return_url` and `off_session` can only be passed when `confirm` is true.",
                          param="return_url" if "return_url" in params else "off_session")  # fmt: skip
    method = _method(world, params, params.get("customer"))
    intent = make(
        world, params["amount"], currency, customer=params.get("customer"), description=params.get("description"),
        method=method, data=metadata({}, params.get("metadata")), params=params,
    )  # fmt: skip
    return _confirm(world, intent, params) if params.get("confirm") else intent


def update(world: World, params: Params, id: str) -> Object:
    """Change an intent that is not finished."""
    intent = world.get("payment_intent", id)
    values = given(params, "description", "receipt_email", "shipping", "setup_future_usage", "statement_descriptor",
                   "statement_descriptor_suffix", "transfer_group", "allowed_payment_method_types")  # fmt: skip
    if "shipping" in values:
        values["shipping"] = shipping_of(values["shipping"])
    values["metadata"] = metadata(intent["metadata"], params.get("metadata"))
    if intent["status"] not in OPEN and {"amount", "currency", "customer", "payment_method"} & params.keys():
        raise unexpected_state(
            f"This PaymentIntent's {next(iter(params))} could not be updated because it has a status of"
            f" {intent['status']}. You may only update the {next(iter(params))} of a PaymentIntent with one of"
            " the following statuses: requires_payment_method, requires_confirmation, requires_action.",
            intent,
        )
    if "amount" in params or "currency" in params:
        values["currency"] = currency_of(params.get("currency") or intent["currency"])
        values["amount"] = params.get("amount", intent["amount"])
        check_amount(world, values["amount"], values["currency"])
    if "customer" in params:
        values["customer"] = world.get("customer", params["customer"], "customer", status=400)["id"]
    method = _method(world, params, values.get("customer", intent["customer"]))
    if method:
        values |= {"payment_method": method["id"], "status": "requires_confirmation"}
    world.change(intent, **values)
    return intent


def confirm(world: World, params: Params, id: str) -> Object:
    """Try to take the money."""
    intent = world.get("payment_intent", id)
    if intent["status"] not in OPEN:
        raise unexpected_state(
            f"You cannot confirm this PaymentIntent because it has already {intent['status'].replace('_', ' ')}"
            " after being previously confirmed." if intent["status"] != "canceled" else
            "This PaymentIntent's status is canceled, so it cannot be confirmed.", intent)  # fmt: skip
    method = _method(world, params, intent["customer"])
    if method:
        world.change(intent, payment_method=method["id"])
    values = given(params, "receipt_email", "setup_future_usage")
    if "shipping" in params:
        values["shipping"] = shipping_of(params["shipping"])
    world.change(intent, **values)
    return _confirm(world, intent, params)


def _confirm(world: World, intent: Object, params: Params) -> Object:
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] == "always" and "return_url" not in params and not intent["_invoice"]:
        raise bad_request(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some"
            " of these payment methods might redirect your customer off of your page, you must provide a"
            " `return_url`. If you don't want to accept redirect-based payment methods, set"
            " `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]`"
            " to `never` when creating Setup Intents and Payment Intents.",
            param="return_url",
        )
    if intent["payment_method"] is None:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update"
            " the PaymentIntent with a payment method and then confirm it again, or confirm it again directly"
            " with a payment method or ConfirmationToken.", intent)  # fmt: skip
    off_session = params.get("off_session", False) is not False
    error = pay(world, intent, off_session=off_session, return_url=params.get("return_url"))
    if error is not None:
        raise error
    if intent["status"] == "requires_action" and params.get("error_on_requires_action"):
        raise decline(world, intent, "authentication_required")
    return intent


def capture(world: World, params: Params, id: str) -> Object:
    """Capture an authorised intent, wholly or in part; the rest is released."""
    intent = world.get("payment_intent", id)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a"
            " PaymentIntent with one of the following statuses may be captured: requires_capture.", intent)  # fmt: skip
    amount = params["amount_to_capture"] if "amount_to_capture" in params else intent["amount_capturable"]
    if not 1 <= amount <= intent["amount_capturable"]:
        raise bad_request(f"The requested capture amount is greater than the amount you can capture for this charge."
                          f" Amount capturable: {intent['amount_capturable']}.",
                          code="amount_too_large", param="amount_to_capture")  # fmt: skip
    charges.capture(world, world.raw("charge", intent["latest_charge"]), amount)
    data = metadata(intent["metadata"], params.get("metadata"))
    world.change(intent, "payment_intent.succeeded", status="succeeded", amount_capturable=0, amount_received=amount,
                 metadata=data)  # fmt: skip
    tell(world, intent)
    return intent


def cancel(world: World, params: Params, id: str) -> Object:
    """Give an intent up."""
    intent = world.get("payment_intent", id)
    if intent["status"] not in (*OPEN, "requires_capture"):
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a"
            " PaymentIntent with one of the following statuses may be canceled: requires_payment_method,"
            " requires_capture, requires_confirmation, requires_action, processing.", intent)  # fmt: skip
    cancel_now(world, intent, params.get("cancellation_reason"))
    return intent


def _method(world: World, params: Params, owner: str | None) -> Object | None:
    """Return the payment method that was named, if its customer is the one who pays."""
    if "payment_method" not in params:
        return None
    method = payment_methods.resolve(world, params["payment_method"])
    if method.get("_detached"):
        raise bad_request(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment,"
            " shared with a connected account without Customer attachment, or was detached from a Customer. It"
            " may not be used again.", param="payment_method")  # fmt: skip
    if method["customer"] and owner is None:
        raise bad_request(f"The PaymentMethod {method['id']} belongs to a Customer. Please include the Customer in the"
                          " `customer` parameter on the PaymentIntent.", param="payment_method")  # fmt: skip
    if method["customer"] and method["customer"] != owner:
        raise bad_request(f"The PaymentMethod {method['id']} does not belong to the Customer you supplied: {owner}.",
                          param="payment_method")  # fmt: skip
    return method


OPERATIONS = [
    op("POST", "/v1/payment_intents", create,
       "amount!:int amount_details:{tax:{total_tax_amount!:int}} currency!:str customer:str confirm:bool"
       " capture_method:automatic|automatic_async|manual"
       " automatic_payment_methods:{enabled!:bool allow_redirects:always|never}"
       f" confirmation_method:automatic|manual {_COMMON} {_CONFIRM}"),
    listing("payment_intent", "/v1/payment_intents", "created:range customer:str", by={"customer": "customer"}),
    retrieving("payment_intent", "/v1/payment_intents/{intent}"),
    op("POST", "/v1/payment_intents/{intent}", update,
       f"amount:int currency:str customer:str payment_method:str {_COMMON}",
       kind="payment_intent"),
    op("POST", "/v1/payment_intents/{intent}/confirm", confirm,
       f"receipt_email?:str shipping?:{_SHIPPING} setup_future_usage?:off_session|on_session {_CONFIRM}"
       f" payment_method_options:{_OPTIONS}", kind="payment_intent"),
    op("POST", "/v1/payment_intents/{intent}/capture", capture,
       "amount_to_capture:int final_capture:bool metadata?:map statement_descriptor:str statement_descriptor_suffix:str",
       kind="payment_intent"),
    op("POST", "/v1/payment_intents/{intent}/cancel", cancel,
       "cancellation_reason:abandoned|duplicate|fraudulent|requested_by_customer", kind="payment_intent"),
]  # fmt: skip
