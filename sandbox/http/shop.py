"""What customers see: the Checkout page, payment links, and the bank's question. Plain HTML without scripts.

A card number lives as long as the request that brings it: it is never written into a page, an object or a log.
"""

from __future__ import annotations

from html import escape

from sandbox.core import World, card_entry, checkout, checkout_visit, payment_intents, payment_links, setup_intents
from sandbox.core.currencies import display
from sandbox.core.errors import StripeError
from sandbox.core.store import Object

from .control import Answer
from .shop_style import shop_frame

Form = dict[str, str]
NAMES = ("checkout", "pay", "authenticate")
_TITLES = {"payment": "Pay", "subscription": "Subscribe", "setup": "Save a card"}
_HEADS = {"payment": "Pay", "subscription": "Subscribe to"}
_BUTTONS = {"auto": "Pay", "book": "Book", "donate": "Donate", "pay": "Pay", "subscribe": "Subscribe"}
_FIELDS = {"number": "number", "exp_month": "expiry", "exp_year": "expiry", "cvc": "cvc"}


def show(world: World, name: str, id: str) -> Answer:
    """Answer a visit to one of the pages."""
    if name == "pay":
        return _open_link(world, id)
    if name == "authenticate":
        return _question(world, _intent(world, id))
    return _checkout(world, world.get("checkout.session", id), {}, _last_error(world, id))


def act(world: World, name: str, id: str, form: Form) -> Answer:
    """Answer one of the forms."""
    if name == "authenticate":
        return _decide(world, _intent(world, id), passed=form.get("passed") == "yes")
    session = world.get("checkout.session", id)
    if name != "checkout" or session["status"] != "open":
        return _thank(world, session) if session["status"] == "complete" else _checkout(world, session, {}, None)
    try:
        if "promotion_code" in form:
            _take_code(world, session, form["promotion_code"])
            return _to(session["url"])
        _attempt(world, session, form)
    except StripeError as error:
        return _checkout(world, session, form, error)
    if session["status"] == "complete":
        return _thank(world, session)
    intent = checkout_visit.intent_of(world, session)
    return _to(f"{world.settings.base_url}/_sandbox/authenticate/{intent['id']}" if intent else session["url"])


# ---- Checkout


def _attempt(world: World, session: Object, form: Form) -> None:
    email = form.get("email", "").strip()
    if "@" not in email.strip("@") or " " in email:
        raise StripeError(402, "Your email is invalid." if email else "Your email is incomplete.", param="email")
    card = None
    if checkout_visit.needs_card(session):
        card = card_entry.read(form.get("number", ""), form.get("expiry", ""), form.get("cvc", ""), world.now)
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
        back = _link(session["cancel_url"], "Back to the shop")
        return _note(world, "This page has expired", f"<p>Please begin again in the shop.</p>{back}", 410)
    body = f'<div class="pay">{_summary(world, session, form, error)}{_form(world, session, form, error)}</div>'
    return _page(world, _TITLES[session["mode"]], body, error.status if error and form else 200)


def _summary(world: World, session: Object, form: Form, error: StripeError | None) -> str:
    if session["mode"] == "setup":
        return "<div><h1>Save a card</h1><p>It is kept for later. Nothing is charged now.</p></div>"
    currency = session["currency"]
    lines = "".join(
        f"<li><span>{escape(line['description'])}<small>{escape(_each(line))}</small></span>"
        f"<span>{_money(line['amount_subtotal'], currency)}</span></li>"
        for line in session["_line_items"]
    )
    off = session["total_details"]["amount_discount"]
    if off:
        lines += f"<li><span>Discount</span><span>−{_money(off, currency)}</span></li>"
    total = _money(session["amount_total"], currency)
    lines += f'<li class="sum"><span>Total due today</span><span>{total}</span></li>'
    cancel = _link(session["cancel_url"], "← Back to the shop")
    return (
        f'<div><h1>{_HEADS[session["mode"]]} {escape(world.settings.account_name)}</h1><div class="total">{total}</div>'
        f'<ul class="lines">{lines}</ul>{_code(session, form, error)}{cancel}</div>'
    )


def _code(session: Object, form: Form, error: StripeError | None) -> str:
    if not session["allow_promotion_codes"] or session["discounts"]:
        return ""
    wrong = _message(error) if error and "promotion_code" in form else ""
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
        cost = f"{_money(price['unit_amount'], price['currency'])} {every}" if price["unit_amount"] else every
        later = "free at first, then " if price["unit_amount"] and not line["amount_subtotal"] else ""
        text = ", ".join(part for part in (text, later + cost) if part)
    return text


def _form(world: World, session: Object, form: Form, error: StripeError | None) -> str:
    customer = world.find("customer", session["customer"])
    email = form.get("email") or session["customer_email"] or (customer or {}).get("email") or ""
    where = _FIELDS.get(error.param, error.param or "number") if error and "promotion_code" not in form else ""
    fields = _input("email", "Email", email, where, error, 'type="email" autocomplete="email" required')
    if checkout_visit.needs_card(session):
        fields += _card(form, where, error)
    word = _BUTTONS[session["submit_type"] or "auto"]
    amount = f" {_money(session['amount_total'], session['currency'])}" if session["amount_total"] else ""
    button = {"payment": f"{word}{amount}", "subscription": "Subscribe", "setup": "Save card"}[session["mode"]]
    hint = "Test mode: use a test card such as 4242 4242 4242 4242, any future date and any security code."
    return (
        f'<section class="card"><h2>{"Contact" if not checkout_visit.needs_card(session) else "Pay by card"}</h2>'
        f'<form method="post">{fields}<button>{escape(button)}</button></form><p class="soft hint">{hint}</p></section>'
    )


def _card(form: Form, where: str, error: StripeError | None) -> str:
    """Return the fields of a card; its number and security code are never filled in again."""
    number = 'inputmode="numeric" autocomplete="cc-number" placeholder="1234 1234 1234 1234" required maxlength="30"'
    expiry = 'inputmode="numeric" autocomplete="cc-exp" placeholder="MM / YY" required maxlength="9"'
    code = 'inputmode="numeric" autocomplete="cc-csc" placeholder="CVC" required maxlength="4"'
    pair = _input("expiry", "Expiry", form.get("expiry", ""), where, None, expiry)
    pair += _input("cvc", "Security code", "", where, None, code)
    below = _message(error, where) if error and where in ("expiry", "cvc") else ""
    return (
        _input("number", "Card number", "", where, error, number) + f'<div class="pair">{pair}</div>{below}'
        + _input("name", "Name on the card", form.get("name", ""), where, error, 'autocomplete="cc-name"')
    )  # fmt: skip


def _input(name: str, label: str, value: str, where: str, error: StripeError | None, more: str) -> str:
    bad = where == name
    marks = f' aria-invalid="true" aria-describedby="{where}-error"' if bad else ""
    field = f'<label>{label}<input name="{name}" value="{escape(value)}" {more}{marks}></label>'
    return field + (_message(error, name) if bad and error else "")


def _message(error: StripeError, name: str = "card") -> str:
    return f'<p class="error" role="alert" id="{name}-error">{escape(error.message)}</p>'


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
        return _to(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))
    return _to(f"{world.settings.base_url}/_sandbox/checkout/{session['id']}")


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
        paid = (
            f"<p>{_money(session['amount_total'], session['currency'])} to {escape(world.settings.account_name)}.</p>"
        )
    url = session["success_url"] and session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    return _note(world, words[session["mode"]], f"{paid}<p>{escape(text or '')}</p>{_link(url, 'Back to the shop')}")


# ---- payment links


def _open_link(world: World, id: str) -> Answer:
    link = world.get("payment_link", id)
    try:
        session = payment_links.visit(world, link)
    except StripeError as error:
        return _note(world, "This link is closed", f"<p>{escape(error.message)}</p>", error.status)
    return _to(session["url"])


# ---- 3D Secure


def _question(world: World, intent: Object) -> Answer:
    if intent["status"] != "requires_action":
        status = escape(intent["status"].replace("_", " "))
        return _note(world, "3D Secure", f"<p>There is nothing to confirm: the payment is “{status}”.</p>")
    amount = f"{_money(intent['amount'], intent['currency'])} to " if "amount" in intent else ""
    body = (
        f"<p>Your bank asks whether it is you: {amount}{escape(world.settings.account_name)}.</p>"
        f'<form class="stack" method="post"><button name="passed" value="yes">Confirm</button>'
        '<button class="plain" name="passed" value="no">Deny</button></form>'
    )
    return _note(world, "3D Secure", body)


def _decide(world: World, intent: Object, *, passed: bool) -> Answer:
    action = intent["next_action"] or {}
    back = (action.get("redirect_to_url") or {}).get("return_url")
    module = setup_intents if intent["object"] == "setup_intent" else payment_intents
    module.authenticate(world, intent, passed=passed)
    session = world.find("checkout.session", intent["_session"])
    if session is not None:
        return _thank(world, session) if session["status"] == "complete" else _to(session["url"])
    return _to(back or f"/_sandbox/objects/{intent['object']}/{intent['id']}")


def _intent(world: World, id: str) -> Object:
    return world.get("setup_intent" if id.startswith("seti_") else "payment_intent", id)


# ---- frames


def _money(amount: int, currency: str) -> str:
    return display(amount, currency).upper()


def _link(url: str | None, text: str) -> str:
    web = url is not None and url.startswith(("http://", "https://"))
    return f'<p class="soft way"><a href="{escape(url or "")}">{escape(text)}</a></p>' if web else ""


def _note(world: World, title: str, body: str, status: int = 200) -> Answer:
    return _page(world, title, f'<section class="card narrow"><h1>{escape(title)}</h1>{body}</section>', status)


def _page(world: World, title: str, body: str, status: int = 200) -> Answer:
    return Answer(shop_frame(world.settings.account_name, title, body), status, "text/html; charset=utf-8")


def _to(location: str) -> Answer:
    return Answer(b"", 303, "text/html; charset=utf-8", location)
