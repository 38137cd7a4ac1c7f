"""Invoices that do not exist yet: previews of a subscription's next one.

Stripe: https://docs.stripe.com/api/invoices/create_preview
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import invoice_make
from .errors import missing_parameter
from .operation import Params, Plain, op
from .pricing import period
from .settings import OLD, PINNED
from .store import Object
from .views import live_view

if TYPE_CHECKING:
    from .world import World


def upcoming(world: World, subscription: Object) -> Object:
    """Return the next invoice of a subscription as it would be; nothing is written."""
    customer = world.raw("customer", subscription["customer"])
    recurring = world.raw("price", subscription["items"][0]["price"])["recurring"]
    start = max(item["current_period_end"] for item in subscription["items"])
    end = period(start, recurring["interval"], recurring["interval_count"], 1)
    lines = invoice_make.subscription_lines(world, subscription, (start, end))
    invoice = invoice_make.compose(
        world, customer, currency=subscription["currency"], reason="upcoming", lines=lines,
        subscription=subscription, period=(start, end), discounts=list(subscription["discounts"]),
    )  # fmt: skip
    attempt = start + world.settings.draft_seconds
    return invoice | {"id": f"upcoming_{invoice['id']}", "next_payment_attempt": attempt}


def _preview(world: World, params: Params) -> Plain:
    if "subscription" not in params:
        raise missing_parameter("subscription")
    subscription = world.get("subscription", params["subscription"], "subscription", status=400)
    return Plain(live_view(world, upcoming(world, subscription), PINNED))


def _upcoming(world: World, params: Params) -> Plain:
    subscription = world.get("subscription", params["subscription"], "subscription", status=400)
    shown = live_view(world, upcoming(world, subscription), OLD)
    del shown["id"]
    return Plain(shown)


OPERATIONS = [
    op("POST", "/v1/invoices/create_preview", _preview, "customer:str subscription:str"),
    op("GET", "/v1/invoices/upcoming", _upcoming, "customer<:str subscription<!:str"),
]
