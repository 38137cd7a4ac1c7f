"""One event through the line: verify → record → apply → close.

An event is a hint that an object changed, never the truth about it: the object is asked for again and written by the
mirror's rule, so that doubled, late and disordered deliveries all end in Stripe's present state. The raw body is stored
before anything is done with it; the row is closed in the same transaction as its effect. What fails is tried again with
growing pauses and then shown as needing attention; it never holds up another event.

`receiving` stores what came, `envelope` (pure) reads what it is about, `inbox` says who works on what and when, `applying`
does it. Receives secrets and a gateway; knows neither keys nor HTTP answers.
"""

from __future__ import annotations

from financial.webhooks.applying import OpenGateway, apply, apply_due, apply_held
from financial.webhooks.inbox import PAUSES, claim, cover, hold, replay, set_aside
from financial.webhooks.receiving import SigningSecret, file, receive

__all__ = [
    "PAUSES",
    "OpenGateway",
    "SigningSecret",
    "apply",
    "apply_due",
    "apply_held",
    "claim",
    "cover",
    "file",
    "hold",
    "receive",
    "replay",
    "set_aside",
]
