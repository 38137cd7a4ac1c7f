"""Payment intents: from created to succeeded, a new charge for every attempt.

Stripe: https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import charges, currencies, payment_methods
from .catalog import currency_of
from .errors import StripeError, bad_request, unexpected_state
from .events import emit
from .operation import Params, given, listing, metadata, op, retrieving
from .payment_methods import ADDRESS, NO_ADDRESS, card_of
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_SHIPPING = f"{{address!:{ADDRESS} name!:str carrier:str phone:str tracking_number:str}}"
_OPTIONS = "{card:{request_three_d_secure:any|automatic|challenge capture_method:manual}}"
_COMMON = (
    f"description?:str metadata?:map receipt_email?:str shipping?:{_SHIPPING} setup_future_usage?:off_session|on_session"
    " statement_descriptor:str statement_descriptor_suffix:str transfer_group:str"
    f" payment_method_options:{_OPTIONS} payment_method_types<:[str] allowed_payment_method_types>:[str]"
)
_CONFIRM = "payment_method:str return_url:str off_session:bool|one_off|recurring error_on_requires_action:bool use_stripe_sdk:bool"


def create(world: World, params: Params) -> Object:
    """Create an intent, and confirm it when `confirm` is true."""
    currency = currency_of(params["currency"])
    check_amount(world, params["amount"], currency)
    if "customer" in params:
        world.get("customer", params["customer"], "customer", status=400)
    if "confirm" not in params and ("off_session" in params or "return_url" in params):
        raise bad_request("`return_url` and `off_session` can only be passed when `confirm` is true.",
                          param="return_url" if "return_url" in params else "off_session")  # fmt: skip
    method = _method(world, params)
    intent = make(
        world, params["amount"], currency, customer=params.get("customer"), description=params.get("description"),
        method=method, data=metadata({}, params.get("metadata")), params=params,
    )  # fmt: skip
    return _confirm(world, intent, params) if params.get("confirm") else intent


def make(world: World, amount: int, currency: str, *, customer: str | None, description: str | None,
         method: Object | None = None, data: dict[str, str] | None = None, invoice: str | None = None,
         params: Params | None = None) -> Object:  # fmt: skip
    """Write a new intent and tell of it."""
    params = params or {}
    id = world.ids.new("pi_")
    automatic = params.get("automatic_payment_methods")
    if automatic is None and "payment_method_types" not in params:
        automatic = {"enabled": True}
    if automatic is not None:
        automatic = {"allow_redirects": automatic.get("allow_redirects", "always"), "enabled": automatic["enabled"]}
    return world.insert({
        "id": id, "object": "payment_intent",
        "allowed_payment_method_types": params.get("allowed_payment_method_types"), "amount": amount,
        "amount_capturable": 0, "amount_details": {"tip": {}}, "amount_received": 0, "application": None,
        "application_fee_amount": None, "automatic_payment_methods": automatic, "canceled_at": None,
        "cancellation_reason": None, "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{id}_secret_{world.ids.text(25)}", "confirmation_method": "automatic",
        "created": world.now, "currency": currency, "customer": customer, "customer_account": None,
        "description": description, "excluded_payment_method_types": None, "last_payment_error": None,
        "latest_charge": None, "livemode": False, "managed_payments": None, "metadata": data or {},
        "next_action": None, "on_behalf_of": None, "payment_method": method["id"] if method else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"installments": None, "mandate_options": None, "network": None,
                                            "request_three_d_secure": "automatic"}},
        "payment_method_types": params.get("payment_method_types", ["card"]), "payment_record": None,
        "processing": None, "receipt_email": params.get("receipt_email") or None, "review": None,
        "setup_future_usage": params.get("setup_future_usage") or None, "shipping": _shipping(params.get("shipping")),
        "source": None, "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_confirmation" if method else "requires_payment_method", "transfer_data": None,
        "transfer_group": params.get("transfer_group"), "_invoice": invoice,
    }, "payment_intent.created")  # fmt: skip


def _shipping(given: Any) -> dict[str, Any] | None:
    if not given:
        return None
    address = NO_ADDRESS | {k: v or None for k, v in given["address"].items()}
    return {"carrier": None, "phone": None, "tracking_number": None} | given | {"address": address}


def check_amount(world: World, amount: int, currency: str) -> None:
    """Refuse amounts that Stripe cannot charge."""
    if amount < 1:
        raise bad_request(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount > currencies.MAXIMUM:
        raise bad_request("Amount must be no more than " + currencies.display(currencies.MAXIMUM, currency),
                          code="amount_too_large", param="amount")  # fmt: skip
    if currency in currencies.THREE_DECIMAL and amount % 10:
        raise bad_request(f"Invalid amount: {currency} amounts must be a multiple of 10.", code="parameter_invalid_integer", param="amount")  # fmt: skip
    if currency in currencies.WHOLE_ONLY and amount % 100:
        raise bad_request(f"Invalid amount: {currency} has no decimals, the amount must be a multiple of 100.",
                          code="parameter_invalid_integer", param="amount")  # fmt: skip
    least = currencies.minimum(currency, world.settings)
    if amount < least:
        raise bad_request(f"Amount must be at least {currencies.display(least, currency)}",
                          code="amount_too_small", param="amount")  # fmt: skip


def update(world: World, params: Params, id: str) -> Object:
    """Change an intent that is not finished."""
    intent = world.get("payment_intent", id)
    values = given(params, "description", "receipt_email", "shipping", "setup_future_usage", "statement_descriptor",
                   "statement_descriptor_suffix", "transfer_group", "allowed_payment_method_types")  # fmt: skip
    if "shipping" in values:
        values["shipping"] = _shipping(values["shipping"])
    values["metadata"] = metadata(intent["metadata"], params.get("metadata"))
    if intent["status"] not in OPEN and {"amount", "currency", "customer", "payment_method"} & params.keys():
        raise unexpected_state(
            f"This PaymentIntent's {next(iter(params))} could not be updated because it has a status of"
            f" {intent['status']}. You may only update the {next(iter(params))} of a PaymentIntent with one of"
            " the following statuses: requires_payment_method, requires_confirmation, requires_action.",
            intent,
        )
    if "amount" in params or "currency" in params:
        values["currency"] = currency_of(params.get("currency", intent["currency"]))
        values["amount"] = params.get("amount", intent["amount"])
        check_amount(world, values["amount"], values["currency"])
    if "customer" in params:
        values["customer"] = world.get("customer", params["customer"], "customer", status=400)["id"]
    method = _method(world, params)
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
    method = _method(world, params)
    if method:
        world.change(intent, payment_method=method["id"])
    values = given(params, "receipt_email", "setup_future_usage")
    if "shipping" in params:
        values["shipping"] = _shipping(params["shipping"])
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


def pay(
    world: World, intent: Object, *, off_session: bool = False, return_url: str | None = None
) -> StripeError | None:
    """Attempt an intent with its payment method; return the error of a decline."""
    method = world.raw("payment_method", intent["payment_method"])
    card = card_of(method)
    if card.three_d == "always" or (card.three_d == "setup" and not off_session and not method.get("_authenticated")):
        if not method.get("_authenticated") or card.three_d == "always":
            if off_session:
                return decline(world, intent, "authentication_required")
            action = {
                "type": "redirect_to_url",
                "redirect_to_url": {
                    "return_url": return_url,
                    "url": f"{world.settings.base_url}/_sandbox/authenticate/{intent['id']}",
                },
            }
            world.change(intent, "payment_intent.requires_action", status="requires_action", next_action=action,
                         last_payment_error=None)  # fmt: skip
            return None
    if card.decline:
        return decline(world, intent, card.decline)
    succeed(world, intent)
    return None


def decline(world: World, intent: Object, code: str) -> StripeError:
    """Write the failed charge of an attempt and return the error it raises."""
    method = world.raw("payment_method", intent["payment_method"])
    card = card_of(method)
    if card.decline != code:
        card = type(card)(card.last4, decline=code)
    charge = charges.attempt(world, intent, method, card)
    emit(world, "charge.failed", charge)
    error = {
        "charge": charge["id"], "code": card.error_code, "decline_code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{card.error_code.replace('_', '-')}",
        "message": card.message, "payment_method": method["id"], "type": "card_error",
    }  # fmt: skip
    world.change(intent, "payment_intent.payment_failed", status="requires_payment_method", payment_method=None,
                 latest_charge=charge["id"], last_payment_error=error, next_action=None)  # fmt: skip
    return StripeError(
        402, card.message, card.error_code, type="card_error", charge=charge["id"], decline_code=code,
        advice_code=charge["outcome"]["advice_code"], payment_intent=intent, payment_method=method,
    )  # fmt: skip


def succeed(world: World, intent: Object) -> None:
    """Take (or, with manual capture, reserve) the money of an intent."""
    method = world.raw("payment_method", intent["payment_method"])
    if intent["setup_future_usage"] and intent["customer"] and not method["customer"]:
        payment_methods.attach_to(world, method, intent["customer"])
    charge = charges.attempt(world, intent, method)
    values: dict[str, Any] = {"latest_charge": charge["id"], "next_action": None, "last_payment_error": None}
    emit(world, "charge.succeeded", charge)
    if intent["capture_method"] == "manual":
        world.change(intent, "payment_intent.amount_capturable_updated", status="requires_capture",
                     amount_capturable=intent["amount"], **values)  # fmt: skip
        world.main.schedule(world.main.now + 7 * 86400, "expire_authorization", intent["id"])
        return
    world.change(intent, "payment_intent.succeeded", status="succeeded", amount_received=intent["amount"], **values)
    charges.settle_later(world, charge)
    _tell(world, intent)


def authenticate(world: World, intent: Object, *, passed: bool) -> None:
    """Do what the customer does on the 3D Secure page."""
    if intent["status"] != "requires_action":
        raise unexpected_state("There is nothing to authenticate.", intent)
    if passed:
        world.change(world.raw("payment_method", intent["payment_method"]), _authenticated=True)
        succeed(world, intent)
        return
    method = intent["payment_method"]
    error = {
        "code": "payment_intent_authentication_failure", "payment_method": method, "type": "invalid_request_error",
        "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
        "message": "The provided PaymentMethod has failed authentication. You can provide payment_method_data or"
                   " a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
    }  # fmt: skip
    world.change(intent, "payment_intent.payment_failed", status="requires_payment_method", next_action=None,
                 payment_method=None, last_payment_error=error)  # fmt: skip


def capture(world: World, params: Params, id: str) -> Object:
    """Capture an authorised intent, wholly or in part; the rest is released."""
    intent = world.get("payment_intent", id)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a"
            " PaymentIntent with one of the following statuses may be captured: requires_capture.", intent)  # fmt: skip
    amount = params.get("amount_to_capture", intent["amount_capturable"])
    if not 1 <= amount <= intent["amount_capturable"]:
        raise bad_request(f"The requested capture amount is greater than the amount you can capture for this charge."
                          f" Amount capturable: {intent['amount_capturable']}.",
                          code="amount_too_large", param="amount_to_capture")  # fmt: skip
    charges.capture(world, world.raw("charge", intent["latest_charge"]), amount)
    data = metadata(intent["metadata"], params.get("metadata"))
    world.change(intent, "payment_intent.succeeded", status="succeeded", amount_capturable=0, amount_received=amount,
                 metadata=data)  # fmt: skip
    _tell(world, intent)
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


def cancel_now(world: World, intent: Object, reason: str | None) -> None:
    """Cancel an unfinished intent; an authorised charge is released."""
    charge = world.find("charge", intent["latest_charge"])
    if intent["status"] == "requires_capture" and charge:
        world.change(charge, "charge.refunded", amount_refunded=charge["amount"], refunded=True)
    world.change(intent, "payment_intent.canceled", status="canceled", canceled_at=world.now, amount_capturable=0,
                 cancellation_reason=reason, next_action=None)  # fmt: skip


@task
def expire_authorization(world: World, intent_id: str) -> None:
    """Cancel an intent that nobody captured in time."""
    intent = world.raw("payment_intent", intent_id)
    if intent["status"] == "requires_capture":
        charge = world.raw("charge", intent["latest_charge"])
        emit(world, "charge.expired", charge)
        cancel_now(world, intent, "automatic")


def _tell(world: World, intent: Object) -> None:
    """Let the invoice or the checkout session behind an intent know that it is paid."""
    if intent["_invoice"]:
        from .invoices import on_intent_succeeded

        on_intent_succeeded(world, intent)


def _method(world: World, params: Params) -> Object | None:
    if "payment_method" in params:
        method = payment_methods.resolve(world, params["payment_method"])
    else:
        return None
    if method.get("_detached"):
        raise bad_request(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment,"
            " shared with a connected account without Customer attachment, or was detached from a Customer. It"
            " may not be used again.", param="payment_method")  # fmt: skip
    owner = params.get("customer")
    if method["customer"] and owner and method["customer"] != owner:
        raise bad_request(f"The provided PaymentMethod cannot be attached or used by customer {owner}: it belongs to"
                          " another one.", param="payment_method")  # fmt: skip
    return method


OPERATIONS = [
    op("POST", "/v1/payment_intents", create,
       "amount!:int currency!:str customer:str confirm:bool capture_method:automatic|automatic_async|manual"
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
