"""What the pages of customers are made of: card fields with their errors, notes, the frame.

A card number lives as long as the request that brings it: it is never written into a page, an object or a log.
"""

from __future__ import annotations

from html import escape

from sandbox.core import World, card_entry
from sandbox.core.card_entry import Entry
from sandbox.core.currencies import display
from sandbox.core.errors import StripeError

from .control import Answer
from .shop_style import shop_frame

Form = dict[str, str]
HINT = "Test mode: use a test card such as 4242 4242 4242 4242, any future date and any security code."
_PLACES = {"number": "number", "exp_month": "expiry", "exp_year": "expiry", "cvc": "cvc"}


def typed_card(world: World, form: Form) -> Entry:
    """Return the card of a form.

    Raises:
        StripeError: 402, naming the field that is wrong.
    """
    return card_entry.read(form.get("number", ""), form.get("expiry", ""), form.get("cvc", ""), world.now)


def place_of(error: StripeError | None) -> str:
    """Return the field an error belongs to; a decline belongs to the card number."""
    return _PLACES.get(error.param, error.param or "number") if error else ""


def payment_form(fields: str, button: str, title: str = "Pay by card") -> str:
    """Return a form with its button, and the hint which cards there are."""
    return (
        f'<section class="card"><h2>{title}</h2><form method="post">{fields}<button>{escape(button)}</button></form>'
        f'<p class="soft hint">{HINT}</p></section>'
    )


def card_fields(form: Form, where: str, error: StripeError | None) -> str:
    """Return the fields of a card; its number and security code are never filled in again."""
    number = 'inputmode="numeric" autocomplete="cc-number" placeholder="1234 1234 1234 1234" required maxlength="30"'
    expiry = 'inputmode="numeric" autocomplete="cc-exp" placeholder="MM / YY" required maxlength="9"'
    code = 'inputmode="numeric" autocomplete="cc-csc" placeholder="CVC" required maxlength="4"'
    pair = field("expiry", "Expiry", form.get("expiry", ""), where, None, expiry)
    pair += field("cvc", "Security code", "", where, None, code)
    below = message(error, where) if error and where in ("expiry", "cvc") else ""
    return (
        field("number", "Card number", "", where, error, number) + f'<div class="pair">{pair}</div>{below}'
        + field("name", "Name on the card", form.get("name", ""), where, error, 'autocomplete="cc-name"')
    )  # fmt: skip


def field(name: str, label: str, value: str, where: str, error: StripeError | None, more: str) -> str:
    """Return a labelled input; what is wrong with it stands below."""
    bad = where == name
    marks = f' aria-invalid="true" aria-describedby="{where}-error"' if bad else ""
    field = f'<label>{label}<input name="{name}" value="{escape(value)}" {more}{marks}></label>'
    return field + (message(error, name) if bad and error else "")


def message(error: StripeError, name: str = "card") -> str:
    """Return what went wrong, for the eyes and for the field `name` it describes."""
    return f'<p class="error" role="alert" id="{name}-error">{escape(error.message)}</p>'


def money(amount: int, currency: str) -> str:
    """Return an amount in major units with its code."""
    return display(amount, currency).upper()


def way(url: str | None, text: str) -> str:
    """Return a link out of here, to web pages only."""
    web = url is not None and url.startswith(("http://", "https://"))
    return f'<p class="soft way"><a href="{escape(url or "")}">{escape(text)}</a></p>' if web else ""


def note(world: World, title: str, body: str, status: int = 200) -> Answer:
    """Return a page that says one thing."""
    return page(world, title, f'<section class="card narrow"><h1>{escape(title)}</h1>{body}</section>', status)


def page(world: World, title: str, body: str, status: int = 200) -> Answer:
    """Return a page of the shop."""
    return Answer(shop_frame(world.settings.account_name, title, body), status, "text/html; charset=utf-8")


def to(location: str) -> Answer:
    """Return the way to another page."""
    return Answer(b"", 303, "text/html; charset=utf-8", location)
