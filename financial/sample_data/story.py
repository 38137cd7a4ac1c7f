"""Eighteen months of a small publisher, told as Stripe's payloads.

Deterministic: one seed, and every time counted back from the `now` given, so that one day gives one story. Pure: no
database, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from financial.sample_data import aftermath, sales, subscribers
from financial.sample_data.shapes import Payload
from financial.sample_data.state import DAY, State

# The parents of an object come before it.
ORDER = (
    "product",
    "price",
    "customer",
    "payment_intent",
    "charge",
    "refund",
    "dispute",
    "subscription",
    "invoice",
    "payout",
    "balance_transaction",
)


def tell(now: datetime) -> Iterator[tuple[str, list[Payload]]]:
    """Yield (resource, its payloads), parents before children. Of `now` only the UTC day counts; nothing is later."""
    state = told(now)
    for resource in ORDER:
        yield resource, state.told[resource]


def told(now: datetime) -> State:
    """Return the whole story; its `contents` are the balance transactions of each payout."""
    state = State(end=int(now.timestamp()) // DAY * DAY)
    sales.stock(state)
    sales.welcome(state)
    subscribers.subscribe(state)
    charges = sales.sell(state)
    aftermath.refund(state, charges)
    aftermath.dispute(state, charges)
    aftermath.pay_out(state)
    return state
