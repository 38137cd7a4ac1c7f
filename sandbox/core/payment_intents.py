"""Payment intents: from created to succeeded, a new charge for every attempt.

Stripe: https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import charges, currencies, payment_methods
from .cards import Card
from .errors import StripeError, bad_request, unexpected_state
from .events import emit
from .operation import Params
from .payment_methods import NO_ADDRESS, card_of
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def make(world: World, amount: int, currency: str, *, customer: str | None, description: str | None,
         method: Object | None = None, data: dict[str, str] | None = None, invoice: str | None = None,
         session: str | None = None, params: Params | None = None) -> Object:  # fmt: skip
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
        "amount_capturable": 0, "amount_details": {"tip": {}} | params.get("amount_details", {}),
        "amount_received": 0, "application": None,
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
        "setup_future_usage": params.get("setup_future_usage") or None, "shipping": shipping_of(params.get("shipping")),
        "source": None, "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_confirmation" if method else "requires_payment_method", "transfer_data": None,
        "transfer_group": params.get("transfer_group"), "_invoice": invoice,
        "_session": session,
    }, "payment_intent.created")  # fmt: skip


def shipping_of(given: Any) -> dict[str, Any] | None:
    """Return a shipping parameter with every field Stripe shows."""
    if not given:
        return None
    address = NO_ADDRESS | {k: v or None for k, v in given["address"].items()}
    params: dict[str, Any] = given
    return {"carrier": None, "phone": None, "tracking_number": None} | params | {"address": address}


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
        raise bad_request(f"Invalid amount: {currency} amounts must be a multiple of 10.",
                          code="parameter_invalid_integer", param="amount")  # fmt: skip
    if currency in currencies.WHOLE_ONLY and amount % 100:
        raise bad_request(f"Invalid amount: {currency} has no decimals, the amount must be a multiple of 100.",
                          code="parameter_invalid_integer", param="amount")  # fmt: skip
    least = currencies.minimum(currency, world.settings)
    if amount < least:
        raise bad_request(f"Amount must be at least {currencies.display(least, currency)}",
                          code="amount_too_small", param="amount")  # fmt: skip


def pay(
    world: World, intent: Object, *, off_session: bool = False, return_url: str | None = None
) -> StripeError | None:
    """Attempt an intent with its payment method; return the error of a decline."""
    method = world.raw("payment_method", intent["payment_method"])
    card = card_of(method)
    if _must_authenticate(card, method, off_session):
        if off_session:
            return decline(world, intent, "authentication_required")
        url = f"{world.settings.base_url}/_sandbox/authenticate/{intent['id']}"
        action = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
        world.change(intent, "payment_intent.requires_action", status="requires_action", next_action=action,
                     last_payment_error=None)  # fmt: skip
        return None
    if card.decline:
        return decline(world, intent, card.decline)
    succeed(world, intent)
    return None


def _must_authenticate(card: Card, method: Object, off_session: bool) -> bool:
    if card.three_d == "setup":
        return not method.get("_authenticated")
    return card.three_d == "always" or (card.three_d == "on_session" and not off_session)


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
    from . import checkout_visit

    if intent["_session"]:
        checkout_visit.welcome(world, intent)
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
    else:
        world.change(intent, "payment_intent.succeeded", status="succeeded", amount_received=intent["amount"], **values)
        charges.settle_later(world, charge)
        tell(world, intent)
    if intent["_session"]:
        checkout_visit.authorized(world, intent)


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


def tell(world: World, intent: Object) -> None:
    """Let the invoice behind an intent know that it is paid."""
    if intent["_invoice"]:
        from .invoices import on_intent_succeeded

        on_intent_succeeded(world, intent)
