"""What a visitor does on a Checkout page: pay, subscribe or leave a card; try again after a decline.

A refused attempt leaves what it leaves at Stripe: a failed charge and an intent that waits for another card.
The session is complete once its intent is, however the visitor came there.
Stripe: https://docs.stripe.com/payments/checkout/how-checkout-works
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import (
    coupons,
    customers,
    invoice_items,
    invoices,
    payment_intents,
    payment_methods,
    setup_intents,
    subscriptions,
)
from .card_entry import Entry
from .errors import StripeError, bad_request
from .events import emit
from .operation import Params, metadata
from .store import Object

if TYPE_CHECKING:
    from .world import World

_DONE = ("succeeded", "requires_capture")


def attempt(world: World, session: Object, card: Entry | None, *, email: str, name: str = "") -> None:
    """Try to complete a session with a card, or without one where nothing is due.

    Afterwards the session is complete, or its intent waits for the bank's page.

    Raises:
        StripeError: the card was declined, or the session is not open.
    """
    if session["status"] != "open":
        raise bad_request(f"This checkout session is {session['status']}.")
    world.change(session, _visitor={"email": email or _known_email(world, session), "name": name or None})
    if not needs_card(session):
        _finish(world, session, None)
        return
    if card is None:
        raise StripeError(402, "Your card number is incomplete.", "incomplete_number", "number", type="card_error")
    method = payment_methods.of_entry(world, card, {"email": email, "name": name})
    if session["mode"] == "payment":
        error = _pay(world, session, method)
    elif session["mode"] == "subscription" and session["amount_total"]:
        error = _subscribe(world, session, method)
    else:
        error = _set_up(world, session, method)
    if error is not None:
        raise error


def complete(world: World, session: Object, card: str = "pm_card_visa", email: str = "") -> None:
    """Do what a customer does who pays with the card of a test token.

    Raises:
        StripeError: the card was declined, or the session is not open.
    """
    attempt(world, session, Entry(card, 8, 2034), email=email or "guest@example.com", name="Checkout Guest")


def needs_card(session: Object) -> bool:
    """Return whether a card is asked for: something is due, or it is to be kept."""
    if session["mode"] == "payment":
        return bool(session["amount_total"])
    return (
        session["mode"] == "setup" or bool(session["amount_total"]) or session["payment_method_collection"] == "always"
    )


def intent_of(world: World, session: Object) -> Object | None:
    """Return the payment or setup intent that a session's visitor works on, if one was made."""
    return world.find("payment_intent", session["_intent"]) or world.find("setup_intent", session["_intent"])


def welcome(world: World, intent: Object) -> None:
    """Make a customer of the visitor whose card is about to be kept, if the session wants one."""
    session = world.raw("checkout.session", intent["_session"])
    keeps = intent["object"] == "setup_intent" or intent["setup_future_usage"]
    if intent["customer"] is None and (keeps or session["customer_creation"] == "always"):
        world.change(intent, customer=_customer(world, session))


def authorized(world: World, intent: Object) -> None:
    """Complete the session whose intent has succeeded or can be captured."""
    session = world.raw("checkout.session", intent["_session"])
    if session["status"] == "open" and intent["status"] in _DONE:
        _finish(world, session, intent)


def _pay(world: World, session: Object, method: Object) -> StripeError | None:
    intent = intent_of(world, session) or _new_intent(world, session)
    world.change(intent, payment_method=method["id"], status="requires_confirmation", next_action=None)
    return payment_intents.pay(world, intent, return_url=session["url"])


def _new_intent(world: World, session: Object) -> Object:
    data: Params = session["_params"].get("payment_intent_data", {})
    intent = payment_intents.make(
        world, session["amount_total"], session["currency"], customer=session["customer"],
        description=data.get("description"), data=metadata({}, data.get("metadata")), session=session["id"],
        params={**data, "automatic_payment_methods": {"enabled": True}},
    )  # fmt: skip
    world.change(session, payment_intent=intent["id"], _intent=intent["id"])
    return intent


def _subscribe(world: World, session: Object, method: Object) -> StripeError | None:
    begun = world.find("subscription", session["_subscription"])
    if begun is None or begun["status"] == "incomplete_expired":
        customer = begun["customer"] if begun else _customer(world, session)
        _new_subscription(world, session, customer, payment_behavior="default_incomplete")
    invoice = world.raw("invoice", world.raw("subscription", session["_subscription"])["latest_invoice"])
    intent = world.raw("payment_intent", invoice["_payment_intent"])
    world.change(intent, _session=session["id"])
    world.change(session, _intent=intent["id"])
    return invoices.attempt(world, invoice, method, off_session=False)


def _new_subscription(world: World, session: Object, customer: str, **values: Any) -> None:
    data: Params = session["_params"].get("subscription_data", {})
    wanted = [(entry["price"], entry["quantity"]) for entry in session["_line_items"]]
    for price, quantity in wanted:
        if price["recurring"] is None:
            invoice_items.create(world, {"customer": customer, "price": price["id"], "quantity": quantity})
    items = [{"price": price["id"], "quantity": quantity} for price, quantity in wanted if price["recurring"]]
    params = {"customer": customer, "items": items, "discounts": _chosen(session),
              "payment_settings": {"save_default_payment_method": "on_subscription"}}  # fmt: skip
    subscription = subscriptions.create(world, params | data | values)
    world.change(session, _subscription=subscription["id"])


def _set_up(world: World, session: Object, method: Object) -> StripeError | None:
    intent = intent_of(world, session)
    if intent is None:
        data: Params = session["_params"].get("setup_intent_data", {})
        owner = {"customer": session["customer"]} if session["customer"] else {}
        intent = setup_intents.create(world, data | owner, session=session["id"])
        world.change(session, setup_intent=intent["id"] if session["mode"] == "setup" else None, _intent=intent["id"])
    try:
        setup_intents.confirm(world, {"payment_method": method["id"], "return_url": session["url"]}, intent["id"])
    except StripeError as error:
        return error
    return None


def _finish(world: World, session: Object, intent: Object | None) -> None:
    customer = intent["customer"] if intent else session["customer"]
    if customer is None and (session["mode"] != "payment" or session["customer_creation"] == "always"):
        customer = _customer(world, session)
    values: dict[str, Any] = {}
    if session["mode"] == "payment":
        status = "no_payment_required" if intent is None else "paid" if intent["status"] == "succeeded" else "unpaid"
        values["payment_status"] = status
        _count_discounts(world, session, customer)
    elif session["mode"] == "subscription":
        values = _begun(world, session, str(customer), intent)
    visitor = session["_visitor"]
    details = {"address": None, "business_name": None, "email": visitor["email"], "individual_name": None,
               "name": visitor["name"], "phone": None, "tax_exempt": "none", "tax_ids": []}  # fmt: skip
    world.change(session, status="complete", customer=customer, customer_details=details, url=None, **values)
    emit(world, "checkout.session.completed", session)
    if session["payment_link"]:
        from .payment_links import count

        count(world, world.raw("payment_link", session["payment_link"]))


def _begun(world: World, session: Object, customer: str, intent: Object | None) -> dict[str, Any]:
    """Return what a session shows of its subscription, which begins now if nothing had to be paid first."""
    status = "paid"
    if session["_subscription"] is None:
        status = "no_payment_required"
        kept = {"default_payment_method": intent["payment_method"]} if intent else {}
        _new_subscription(world, session, customer, **kept)
    subscription = world.raw("subscription", session["_subscription"])
    return {"subscription": subscription["id"], "invoice": subscription["latest_invoice"], "payment_status": status}


def _chosen(session: Object) -> list[Params]:
    """Return a session's discounts as parameters."""
    names = ["promotion_code" if entry["promotion_code"] else "coupon" for entry in session["discounts"]]
    return [{name: entry[name]} for name, entry in zip(names, session["discounts"], strict=True)]


def _count_discounts(world: World, session: Object, customer: str | None) -> None:
    for id in coupons.redeem(world, _chosen(session), customer, invoice=session["id"]):
        world.change(world.raw("discount", id), invoice=None, checkout_session=session["id"])


def _customer(world: World, session: Object) -> str:
    if session["customer"]:
        return str(session["customer"])
    known = {name: value for name, value in session["_visitor"].items() if value}
    return str(customers.create(world, known)["id"])


def _known_email(world: World, session: Object) -> str | None:
    customer = world.find("customer", session["customer"])
    return session["customer_email"] or (customer["email"] if customer else None)
