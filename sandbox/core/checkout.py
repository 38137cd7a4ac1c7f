"""Checkout sessions: opened by the merchant, completed on the sandbox's pay page.

Stripe: https://docs.stripe.com/api/checkout/sessions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import customers, payment_intent_ops, payment_methods, setup_intents, subscriptions
from .catalog import create_price
from .embeds import price_view
from .errors import bad_request, missing_parameter
from .events import emit
from .operation import Operation, Params, Plain, listing, metadata, op, retrieving
from .pricing import line_amount
from .settings import DAY
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World


def create(world: World, params: Params) -> Object:
    """Open a session for a payment, a subscription or a setup."""
    mode = params.get("mode", "payment")
    if "success_url" not in params and params.get("ui_mode") in (None, "hosted", "hosted_page"):
        raise missing_parameter("success_url")
    if mode != "setup" and not params.get("line_items"):
        raise missing_parameter("line_items")
    if "customer" in params:
        world.get("customer", params["customer"], "customer", status=400)
    id = world.ids.new("cs_test_")
    lines = [_line(world, entry, place, mode) for place, entry in enumerate(params.get("line_items", []))]
    total = sum(line["amount_total"] for line in lines)
    session = world.insert({
        "id": id, "object": "checkout.session", "adaptive_pricing": {"enabled": False}, "after_expiration": None,
        "allow_promotion_codes": params.get("allow_promotion_codes"), "allowed_payment_method_types": None,
        "amount_subtotal": total if lines else None, "amount_total": total if lines else None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None, "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"), "client_secret": None, "collected_information": None,
        "consent": None, "consent_collection": None, "created": world.now,
        "currency": lines[0]["currency"] if lines else params.get("currency"), "currency_conversion": None,
        "custom_fields": [], "custom_text": {"after_submit": None, "shipping_address": None, "submit": None,
                                             "terms_of_service_acceptance": None},
        "customer": params.get("customer"), "customer_account": None,
        "customer_creation": params.get("customer_creation", "if_required" if mode == "payment" else "always"),
        "customer_details": None, "customer_email": params.get("customer_email"), "discounts": [],
        "expires_at": params.get("expires_at", world.now + DAY), "integration_identifier": None, "invoice": None,
        "invoice_creation": None, "livemode": False, "locale": None, "managed_payments": None,
        "metadata": metadata({}, params.get("metadata")), "mode": mode, "origin_context": None, "payment_intent": None,
        "payment_link": None, "payment_method_collection": "always" if mode == "subscription" else "if_required",
        "payment_method_configuration_details": None, "payment_method_options": {}, "payment_method_types": ["card"],
        "payment_status": "unpaid" if mode != "setup" else "no_payment_required", "permissions": None,
        "phone_number_collection": {"enabled": False}, "recovered_from": None, "saved_payment_method_options": None,
        "setup_intent": None, "shipping_address_collection": None, "shipping_cost": None, "shipping_options": [],
        "status": "open", "submit_type": None, "subscription": None, "success_url": params.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0} if lines else None,
        "ui_mode": "hosted_page", "url": f"{world.settings.base_url}/_sandbox/checkout/{id}", "wallet_options": None,
        "_line_items": lines, "_params": params, "_prices": params.get("line_items", []),
    })  # fmt: skip
    world.schedule_at(session["expires_at"], "expire_session", id)
    return session


def _line(world: World, entry: Params, place: int, mode: str) -> dict[str, Any]:
    if "price" in entry:
        price = world.get("price", entry["price"], f"line_items[{place}][price]", status=400)
    elif "price_data" in entry:
        price = create_price(world, entry["price_data"])
        entry["price"] = price["id"]
    else:
        raise missing_parameter(f"line_items[{place}][price]")
    if mode == "payment" and price["recurring"]:
        raise bad_request("You specified `payment` mode but passed a recurring price. Either switch to `subscription`"
                          " mode or use only one-time prices.", param="mode")  # fmt: skip
    quantity = entry.get("quantity", 1)
    amount = line_amount(price, quantity)
    return {
        "id": world.ids.new("li_"), "object": "item", "adjustable_quantity": None, "amount_discount": 0,
        "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount, "currency": price["currency"],
        "description": world.raw("product", price["product"])["name"], "metadata": {},
        "price": price_view(world, price["id"], world.version), "quantity": quantity,
    }  # fmt: skip


def complete(world: World, session: Object, card: str = "pm_card_visa", email: str = "") -> None:
    """Do what a customer does on the pay page.

    Raises:
        StripeError: the card was declined, or the session is not open.
    """
    if session["status"] != "open":
        raise bad_request(f"This checkout session is {session['status']}.")
    email = email or session["customer_email"] or "guest@example.com"
    needed = session["mode"] != "payment" or session["customer_creation"] == "always"
    customer = session["customer"]
    if customer is None and needed:
        customer = customers.create(world, {"email": email, "name": "Checkout Guest"})["id"]
    values = {"payment": _pay, "subscription": _subscribe, "setup": _set_up}[session["mode"]](
        world, session, customer, card
    )
    details: dict[str, Any] = {"address": None, "business_name": None, "email": email, "individual_name": None,
               "name": "Checkout Guest",
               "phone": None, "tax_exempt": "none", "tax_ids": []}  # fmt: skip
    world.change(session, status="complete", customer=customer, customer_details=details, url=None, **values)
    emit(world, "checkout.session.completed", session)


def _pay(world: World, session: Object, customer: str | None, card: str) -> dict[str, Any]:
    params = {"amount": session["amount_total"], "currency": session["currency"], "confirm": True, "payment_method": card,
              "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}  # fmt: skip
    intent = payment_intent_ops.create(world, params | ({"customer": customer} if customer else {}))
    return {"payment_intent": intent["id"], "payment_status": "paid"}


def _subscribe(world: World, session: Object, customer: str, card: str) -> dict[str, Any]:
    method = payment_methods.attach(world, {"customer": customer}, card)
    items = [{k: v for k, v in entry.items() if k in ("price", "quantity")} for entry in session["_prices"]]
    params = {"customer": customer, "items": items, "default_payment_method": method["id"]}
    subscription = subscriptions.create(world, params | session["_params"].get("subscription_data", {}))
    return {"subscription": subscription["id"], "invoice": subscription["latest_invoice"], "payment_status": "paid"}


def _set_up(world: World, session: Object, customer: str, card: str) -> dict[str, Any]:
    params = {"customer": customer, "payment_method": card, "confirm": True}
    return {"setup_intent": setup_intents.create(world, params)["id"]}


@task
def expire_session(world: World, session_id: str) -> None:
    """Close a session nobody completed."""
    session = world.raw("checkout.session", session_id)
    if session["status"] == "open":
        _expire(world, session)


def _expire(world: World, session: Object) -> None:
    world.change(session, status="expired", url=None)
    emit(world, "checkout.session.expired", session)


def _expire_op(world: World, params: Params, id: str) -> Object:
    session = world.get("checkout.session", id)
    if session["status"] != "open":
        raise bad_request("Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a"
                          f" status of {session['status']}.")  # fmt: skip
    _expire(world, session)
    return session


def _lines(world: World, params: Params, id: str) -> Plain:
    session = world.get("checkout.session", id)
    url = f"/v1/checkout/sessions/{id}/line_items"
    limit = params.get("limit", 10)
    lines = session["_line_items"]
    return Plain({"object": "list", "data": lines[:limit], "has_more": len(lines) > limit, "url": url})


def _keep(world: World, params: Params) -> Callable[[Object], bool] | None:
    wanted = {k: params[k] for k in ("customer", "payment_intent", "subscription", "status") if k in params}
    return (lambda s: all(s[k] == v for k, v in wanted.items())) if wanted else None


_LINES = listing("item", "/v1/checkout/sessions/{session}/line_items")
_PRICE_DATA = (
    "{currency!:str product:str product_data:{name!:str description:str images:[str] metadata:map} unit_amount:int"
    " unit_amount_decimal:dec recurring:{interval!:day|week|month|year interval_count:int}"
    " tax_behavior:exclusive|inclusive|unspecified}"
)
OPERATIONS = [
    op("POST", "/v1/checkout/sessions", create,
       f"mode:payment|setup|subscription line_items:[{{price:str quantity:int price_data:{_PRICE_DATA}}}] success_url:str"
       " cancel_url:str customer:str customer_email:str client_reference_id:str metadata?:map currency:str expires_at:int"
       " allow_promotion_codes:bool customer_creation:always|if_required ui_mode:str"
       " subscription_data:{trial_period_days:int metadata:map description:str} payment_method_types<:[str]"),
    listing("checkout.session", "/v1/checkout/sessions", "created:range customer:str payment_intent:str subscription:str"
            " status:complete|expired|open", by={"customer": "customer", "payment_intent": "payment_intent"}, keep=_keep),
    retrieving("checkout.session", "/v1/checkout/sessions/{session}"),
    op("POST", "/v1/checkout/sessions/{session}/expire", _expire_op, kind="checkout.session"),
    Operation("GET", _LINES.path, _lines, _LINES.params, listing=True, kind="checkout.session"),
]  # fmt: skip
