"""The page of an invoice that its customer opens from a mail: what is due, and a card to pay it with."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from sandbox.core import World, invoices, payment_methods
from sandbox.core.errors import StripeError
from sandbox.core.store import Object

from .control import Answer
from .shop_parts import Form, card_fields, money, note, page, payment_form, place_of, to, typed_card

_OVER = {
    "paid": "This invoice is paid. Thank you.",
    "void": "This invoice is void: nothing is to be paid.",
    "draft": "This invoice is not finished yet.",
}


def show(world: World, id: str, form: Form | None = None, error: StripeError | None = None) -> Answer:
    """Return the page of an invoice."""
    invoice = world.get("invoice", id)
    title = f"Invoice {invoice['number'] or ''}".strip()
    lines = "" if invoice["status"] == "draft" else _lines(invoice)
    if invoice["status"] in _OVER:
        return note(world, title, f"<p>{_OVER[invoice['status']]}</p>{lines}")
    due = money(invoice["amount_remaining"], invoice["currency"])
    until = _day(invoice["due_date"])
    fields = card_fields(form or {}, place_of(error), error)
    body = (
        f'<div class="pay"><div><h1>{escape(title)}{until}</h1><div class="total">{due}</div>{lines}</div>'
        f"{payment_form(fields, f'Pay {due}')}</div>"
    )
    return page(world, title, body, error.status if error else 200)


def pay(world: World, id: str, form: Form) -> Answer:
    """Pay an open invoice with the card of a form; afterwards the bank may ask, or the page says that it is paid."""
    invoice = world.get("invoice", id)
    if invoice["status"] not in ("open", "uncollectible"):
        return to(invoice["hosted_invoice_url"] or f"{world.settings.base_url}/_sandbox")
    try:
        card = typed_card(world, form)
        billing = {"email": invoice["customer_email"] or "", "name": form.get("name", "")}
        method = payment_methods.of_entry(world, card, billing)
        error = invoices.attempt(world, invoice, method, off_session=False)
    except StripeError as wrong:
        error = wrong
    if error is not None:
        return show(world, id, form, error)
    intent = world.raw("payment_intent", invoice["_payment_intent"])
    if intent["status"] == "requires_action":
        return to(intent["next_action"]["redirect_to_url"]["url"])
    return to(invoice["hosted_invoice_url"])


def _lines(invoice: Object) -> str:
    currency = invoice["currency"]
    rows = [(line["description"] or "", line["amount"]) for line in invoice["lines"]]
    rows += [("Discount", -entry["amount"]) for entry in invoice["total_discount_amounts"]]
    balance = (invoice["ending_balance"] or 0) - invoice["starting_balance"]
    rows += [("Your balance", -balance)] if balance else []
    shown = "".join(
        f"<li><span>{escape(text)}</span><span>{money(amount, currency)}</span></li>" for text, amount in rows
    )
    due = f'<li class="sum"><span>Due</span><span>{money(invoice["amount_due"], currency)}</span></li>'
    return f'<ul class="lines">{shown}{due}</ul>'


def _day(seconds: int | None) -> str:
    return f", due on {datetime.fromtimestamp(seconds, UTC).date()}" if seconds else ""
