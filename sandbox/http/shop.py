"""What customers see: the Checkout page, payment links, and the bank's question. Plain HTML without scripts."""

from __future__ import annotations

from html import escape

from sandbox.core import World, checkout, checkout_visit, payment_intents, payment_links, setup_intents
from sandbox.core.errors import StripeError
from sandbox.core.store import Object

from . import invoice_page
from .control import Answer
from .shop_parts import (
    Form,
    card_fields,
    field,
    message,
    money,
    note,
    page,
    payment_form,
    place_of,
    to,
    typed_card,
    way,
)

NAMES = ("checkout", "pay", "authenticate", "invoice")
_TITLES = {"payment": "Pay", "subscription": "Subscribe", "setup": "Save a card"}
_HEADS = {"payment": "Pay", "subscription": "Subscribe to"}
_BUTTONS = {"auto": "Pay", "book": "Book", "donate": "Donate", "pay": "Pay", "subscribe": "Subscribe"}


def show(world: World, name: str, id: str, form: Form) -> Answer:
    """Answer a visit to one of the pages."""
    if name == "invoice":
        return invoice_page.show(world, id)
    if name == "pay":
        return _open_link(world, id)
    if name == "authenticate":
        return _question(world, _intent(world, id))
    return _checkout(world, world.get("checkout.session", id), {}, _last_error(world, id))


def act(world: World, name: str, id: str, form: Form) -> Answer:
    """Answer one of the forms."""
    if name == "invoice":
        return invoice_page.pay(world, id, form)
    if name == "authenticate":
        return _decide(world, _intent(world, id), passed=form.get("passed") == "yes")
    session = world.get("checkout.session", id)
    if name != "checkout" or session["status"] != "open":
        return _thank(world, session) if session["status"] == "complete" else _checkout(world, session, {}, None)
    try:
        if "promotion_code" in form:
            _take_code(world, session, form["promotion_code"])
            return to(session["url"])
        _attempt(world, session, form)
    except StripeError as error:
        return _checkout(world, session, form, error)
    if session["status"] == "complete":
        return _thank(world, session)
    intent = checkout_visit.intent_of(world, session)
    return to(f"{world.settings.base_url}/_sandbox/authenticate/{intent['id']}" if intent else session["url"])


# ---- Checkout


def _attempt(world: World, session: Object, form: Form) -> None:
    email = form.get("email", "").strip()
    if "@" not in email.strip("@") or " " in email:
        raise StripeError(402, "Your email is invalid." if email else "Your email is incomplete.", param="email")
    card = None
    if checkout_visit.needs_card(session):
        card = typed_card(world, form)
    checkout_visit.attempt(world, session, card, email=email, name=form.get("name", "").strip())


def _take_code(world: World, session: Object, code: str) -> None:
    found = [c for c in world.all("promotion_code", "code", code.strip()) if c["active"]]
    if not found or not session["allow_promotion_codes"]:
        raise StripeError(400, "This code is invalid.", param="promotion_code")
    checkout.reduce(world, session, [{"promotion_code": found[0]["id"]}])


def _checkout(world: World, session: Object, form: Form, error: StripeError | None) -> Answer:
    if session["status"] == "complete":
        return _done(world, session)
    if session["status"] == "expired":
        back = way(session["cancel_url"], "Back to the shop")
        return note(world, "This page has expired", f"<p>Please begin again in the shop.</p>{back}", 410)
    body = f'<div class="pay">{_summary(world, session, form, error)}{_form(world, session, form, error)}</div>'
    return page(world, _TITLES[session["mode"]], body, error.status if error and form else 200)


def _summary(world: World, session: Object, form: Form, error: StripeError | None) -> str:
    if session["mode"] == "setup":
        return "<div><h1>Save a card</h1><p>It is kept for later. Nothing is charged now.</p></div>"
    currency = session["currency"]
    lines = "".join(
        f"<li><span>{escape(line['description'])}<small>{escape(_each(line))}</small></span>"
        f"<span>{money(line['amount_subtotal'], currency)}</span></li>"
        for line in session["_line_items"]
    )
    off = session["total_details"]["amount_discount"]
    if off:
        lines += f"<li><span>Discount</span><span>−{money(off, currency)}</span></li>"
    total = money(session["amount_total"], currency)
    lines += f'<li class="sum"><span>Total due today</span><span>{total}</span></li>'
    cancel = way(session["cancel_url"], "← Back to the shop")
    return (
        f'<div><h1>{_HEADS[session["mode"]]} {escape(world.settings.account_name)}</h1><div class="total">{total}</div>'
        f'<ul class="lines">{lines}</ul>{_code(session, form, error)}{cancel}</div>'
    )


def _code(session: Object, form: Form, error: StripeError | None) -> str:
    if not session["allow_promotion_codes"] or session["discounts"]:
        return ""
    wrong = message(error) if error and "promotion_code" in form else ""
    value = escape(form.get("promotion_code", ""))
    return (
        f'<form class="code" method="post"><label>Promotion code <input name="promotion_code" required value="{value}">'
        f'</label><button class="plain">Apply</button></form>{wrong}'
    )


def _each(line: Object) -> str:
    """Return the quantity and the rhythm of a line in words."""
    price, quantity = line["price"], line["quantity"]
    text = f"Quantity {quantity}" if quantity != 1 else ""
    if price["recurring"]:
        count, unit = price["recurring"]["interval_count"], price["recurring"]["interval"]
        every = f"every {unit}" if count == 1 else f"every {count} {unit}s"
        cost = f"{money(price['unit_amount'], price['currency'])} {every}" if price["unit_amount"] else every
        later = "free at first, then " if price["unit_amount"] and not line["amount_subtotal"] else ""
        text = ", ".join(part for part in (text, later + cost) if part)
    return text


def _form(world: World, session: Object, form: Form, error: StripeError | None) -> str:
    customer = world.find("customer", session["customer"])
    email = form.get("email") or session["customer_email"] or (customer or {}).get("email") or ""
    where = place_of(error) if "promotion_code" not in form else ""
    fields = field("email", "Email", email, where, error, 'type="email" autocomplete="email" required')
    if checkout_visit.needs_card(session):
        fields += card_fields(form, where, error)
    word = _BUTTONS[session["submit_type"] or "auto"]
    amount = f" {money(session['amount_total'], session['currency'])}" if session["amount_total"] else ""
    button = {"payment": f"{word}{amount}", "subscription": "Subscribe", "setup": "Save card"}[session["mode"]]
    title = "Pay by card" if checkout_visit.needs_card(session) else "Contact"
    return payment_form(fields, button, title)


def _last_error(world: World, id: str) -> StripeError | None:
    """Return why the last attempt of a session failed, when the bank was asked."""
    intent = checkout_visit.intent_of(world, world.get("checkout.session", id))
    error = (intent or {}).get("last_payment_error") or (intent or {}).get("last_setup_error")
    if not error or "authentication" not in error["code"]:
        return None
    return StripeError(402, "We are unable to authenticate your payment method. Please choose a different payment"
                       " method and try again.", error["code"], "number")  # fmt: skip


def _thank(world: World, session: Object) -> Answer:
    """Send a visitor who is done back to the shop, or to a page of thanks."""
    if session["success_url"]:
        return to(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))
    return to(f"{world.settings.base_url}/_sandbox/checkout/{session['id']}")


def _done(world: World, session: Object) -> Answer:
    link = world.find("payment_link", session["payment_link"])
    text = link["after_completion"].get("hosted_confirmation", {}).get("custom_message") if link else None
    words = {
        "payment": "Thanks for your payment",
        "subscription": "Thanks for subscribing",
        "setup": "Your card is saved",
    }
    paid = ""
    if session["amount_total"]:
        paid = f"<p>{money(session['amount_total'], session['currency'])} to {escape(world.settings.account_name)}.</p>"
    url = session["success_url"] and session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    return note(world, words[session["mode"]], f"{paid}<p>{escape(text or '')}</p>{way(url, 'Back to the shop')}")


# ---- payment links


def _open_link(world: World, id: str) -> Answer:
    link = world.get("payment_link", id)
    try:
        session = payment_links.visit(world, link)
    except StripeError as error:
        return note(world, "This link is closed", f"<p>{escape(error.message)}</p>", error.status)
    return to(session["url"])


# ---- 3D Secure


def _question(world: World, intent: Object) -> Answer:
    if intent["status"] != "requires_action":
        status = escape(intent["status"].replace("_", " "))
        return note(world, "3D Secure", f"<p>There is nothing to confirm: the payment is “{status}”.</p>")
    amount = f"{money(intent['amount'], intent['currency'])} to " if "amount" in intent else ""
    body = (
        f"<p>Your bank asks whether it is you: {amount}{escape(world.settings.account_name)}.</p>"
        f'<form class="stack" method="post"><button name="passed" value="yes">Confirm</button>'
        '<button class="plain" name="passed" value="no">Deny</button></form>'
    )
    return note(world, "3D Secure", body)


def _decide(world: World, intent: Object, *, passed: bool) -> Answer:
    """Take the customer's answer, once, and lead back to where the payment began."""
    action = intent["next_action"] or {}
    back = (action.get("redirect_to_url") or {}).get("return_url")
    if intent["status"] == "requires_action":
        module = setup_intents if intent["object"] == "setup_intent" else payment_intents
        module.authenticate(world, intent, passed=passed)
    session = world.find("checkout.session", intent["_session"])
    if session is not None:
        return _thank(world, session) if session["status"] == "complete" else to(session["url"])
    invoice = world.find("invoice", intent.get("_invoice"))
    return to(back or (invoice or {}).get("hosted_invoice_url") or f"{world.settings.base_url}/_sandbox/authenticate/"
              + intent["id"])  # fmt: skip


def _intent(world: World, id: str) -> Object:
    return world.get("setup_intent" if id.startswith("seti_") else "payment_intent", id)
