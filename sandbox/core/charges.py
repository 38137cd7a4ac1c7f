"""Charges: every attempt to take money is one, and its money settles a little later.

Asynchronous capture: `balance_transaction` is null in the answer and in
`charge.succeeded`; the `settle_charge` task fills it and tells with `charge.updated`.
Stripe: https://docs.stripe.com/payments/payment-intents/asynchronous-capture
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import currencies, money
from .cards import Card
from .errors import bad_request
from .operation import Params, given, listing, metadata, op, retrieving
from .payment_methods import NO_ADDRESS, card_of
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

_APPROVED = {
    "advice_code": None, "network_advice_code": None, "network_decline_code": None,
    "network_status": "approved_by_network", "reason": None, "risk_level": "normal", "risk_score": 12,
    "seller_message": "Payment complete.", "type": "authorized",
}  # fmt: skip


def attempt(world: World, intent: Object, method: Object, refusal: Card | None = None) -> Object:
    """Make the charge of one attempt to pay an intent; `refusal` says how it is declined."""
    failed = refusal is not None
    manual = intent["capture_method"] == "manual"
    captured = not failed and not manual
    amount = intent["amount"]
    charge = world.insert({
        "id": world.ids.new("ch_"), "object": "charge", "amount": amount, "amount_captured": amount if captured else 0,
        "amount_refunded": 0, "application": None, "application_fee": None, "application_fee_amount": None,
        "balance_transaction": None, "billing_details": _billing(world, intent, method),
        "calculated_statement_descriptor": intent["statement_descriptor"] or world.settings.account_name.upper()[:22],
        "captured": captured, "created": world.now, "currency": intent["currency"], "customer": intent["customer"],
        "description": intent["description"], "disputed": False, "failure_balance_transaction": None,
        "failure_code": refusal.error_code if refusal else None,
        "failure_message": refusal.message if refusal else None, "fraud_details": {}, "livemode": False,
        "metadata": intent["metadata"], "on_behalf_of": None,
        "outcome": _outcome(refusal.decline if refusal else ""), "paid": not failed,
        "payment_intent": intent["id"], "payment_method": method["id"],
        "payment_method_details": {"card": _details(method, amount, manual), "type": "card"},
        "radar_options": {}, "receipt_email": intent["receipt_email"], "receipt_number": None,
        "receipt_url": None if failed else f"{world.settings.base_url}/_sandbox/objects/charge/{intent['id']}",
        "refunded": False, "review": None, "shipping": intent["shipping"], "source": None, "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "failed" if failed else "succeeded", "transfer_data": None, "transfer_group": intent["transfer_group"],
        "_invoice": intent["_invoice"],
    })  # fmt: skip
    return charge


def capture(world: World, charge: Object, amount: int) -> None:
    """Capture an authorised charge, wholly or in part."""
    world.change(charge, "charge.captured", captured=True, amount_captured=amount)
    settle_later(world, charge)


def settle_later(world: World, charge: Object) -> None:
    """Let the balance transaction of a captured charge appear after the settings' delay."""
    world.main.schedule(world.main.now + world.settings.settle_seconds, "settle_charge", charge["id"])
    card = card_of(world.raw("payment_method", charge["payment_method"]))
    if card.dispute:
        due = world.main.now + world.settings.settle_seconds + world.settings.dispute_seconds
        world.main.schedule(due, "open_dispute", charge["id"], card.dispute)


@task
def settle_charge(world: World, charge_id: str) -> None:
    """Write the balance transaction of a captured charge and tell with `charge.updated`."""
    charge = world.raw("charge", charge_id)
    if charge["balance_transaction"] is not None or not charge["captured"]:
        return
    amount, currency, rate = money.settle(world, charge["amount_captured"], charge["currency"])
    card = card_of(world.raw("payment_method", charge["payment_method"]))
    fee = currencies.fee(amount, currency, world.settings, foreign=card.country != world.settings.country,
                         converted=rate is not None)  # fmt: skip
    line = money.post(
        world, "charge", amount, currency, fee=fee,
        fee_text="Stripe processing fees", source=charge_id, description=charge["description"], rate=rate,
        available_on=None if card.skips_pending else money.available_on(world),
    )  # fmt: skip
    world.change(charge, "charge.updated", balance_transaction=line["id"])


def update(world: World, params: Params, id: str) -> Object:
    """Change what may change of a charge."""
    charge = world.get("charge", id)
    values = given(params, "description", "receipt_email", "transfer_group")
    if "fraud_details" in params:
        values["fraud_details"] = {k: v for k, v in params["fraud_details"].items() if v}
    if "customer" in params:
        world.get("customer", params["customer"], "customer", status=400)
        if charge["customer"] not in (None, params["customer"]):
            raise bad_request("The customer of a charge cannot be changed once it is set.", param="customer")
        values["customer"] = params["customer"]
    values["metadata"] = metadata(charge["metadata"], params.get("metadata"))
    world.change(charge, "charge.updated", **values)
    return charge


def _billing(world: World, intent: Object, method: Object) -> dict[str, Any]:
    billing: dict[str, Any] = method["billing_details"]
    if billing["name"] is None and intent["customer"]:
        customer = world.raw("customer", intent["customer"])
        return billing | {"name": customer.get("name"), "email": billing["email"] or customer.get("email")}
    return billing | {"address": billing["address"] or NO_ADDRESS}


def _outcome(decline: str) -> dict[str, Any]:
    if not decline:
        return _APPROVED
    return _APPROVED | {
        "advice_code": "do_not_try_again" if decline in ("lost_card", "stolen_card") else "try_again_later",
        "network_decline_code": "01", "network_status": "declined_by_network", "reason": decline,
        "seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined",
    }  # fmt: skip


def _details(method: Object, amount: int, manual: bool) -> dict[str, Any]:
    card = method["card"]
    return {
        "amount_authorized": amount, "authorization_code": "123456", "brand": card["brand"],
        "checks": card["checks"], "country": card["country"], "electronic_commerce_indicator": None,
        "exp_month": card["exp_month"], "exp_year": card["exp_year"],
        "extended_authorization": {"status": "disabled"}, "fingerprint": card["fingerprint"],
        "funding": card["funding"], "incremental_authorization": {"status": "unavailable"}, "installments": None,
        "last4": card["last4"], "mandate": None, "multicapture": {"status": "unavailable"},
        "network": card["brand"], "network_token": {"used": False}, "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated", "three_d_secure": None, "transaction_link_id": None, "wallet": None,
    }  # fmt: skip


def behaviour(world: World, charge: Object) -> Card:
    """Return the test card behind a charge."""
    return card_of(world.raw("payment_method", charge["payment_method"]))


OPERATIONS = [
    listing("charge", "/v1/charges", "created:range customer:str payment_intent:str transfer_group:str",
            by={"payment_intent": "payment_intent", "customer": "customer"},
            keep=lambda world, params: _keep(params)),
    retrieving("charge", "/v1/charges/{charge}"),
    op("POST", "/v1/charges/{charge}", update, "customer:str description?:str metadata?:map receipt_email?:str"
       " transfer_group:str fraud_details:{user_report!?:fraudulent|safe}", kind="charge"),
]  # fmt: skip


def _keep(params: Params) -> Any:
    wanted = {k: params[k] for k in ("customer", "payment_intent", "transfer_group") if k in params}
    return (
        (lambda c: all(c[k] == v for k, v in wanted.items())) if len(wanted) > 1 or "transfer_group" in wanted else None
    )
