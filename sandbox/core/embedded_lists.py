"""The addresses that lists inside objects name, for those who follow them.

Some are old enough to be missing from Stripe's reference, but they answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import missing_object
from .expand import ENDED
from .operation import Operation, Page, Params, Plain, listing, page
from .views import live_view

if TYPE_CHECKING:
    from .world import World


def _refunds(world: World, params: Params, id: str) -> Page:
    world.get("charge", id)
    keys = world.store.table("refund").keys("charge", id)
    return page(world, "refund", keys, params, f"/v1/charges/{id}/refunds")


def _subscriptions(world: World, params: Params, id: str) -> Page:
    world.get("customer", id)
    keys = world.store.table("subscription").keys("customer", id)
    return page(world, "subscription", keys, params, f"/v1/customers/{id}/subscriptions",
                lambda subscription: subscription["status"] not in ENDED)  # fmt: skip


def _credit_note_lines(world: World, params: Params, id: str) -> Plain:
    lines = live_view(world, world.get("credit_note", id), world.version)["lines"]
    if "starting_after" in params:
        raise missing_object("credit note line item", params["starting_after"], "starting_after", 400)
    return Plain(lines)


def _nothing(kind: str) -> Operation:
    path = f"/v1/customers/{{customer}}/{kind}"

    def handler(world: World, params: Params, id: str) -> Plain:
        world.get("customer", id)
        return Plain({"object": "list", "data": [], "has_more": False, "url": f"/v1/customers/{id}/{kind}"})

    return Operation("GET", path, handler, listing(kind, path).params, listing=True, kind="customer")


def _following(path: str, kind: str, handler: object) -> Operation:
    return Operation("GET", path, handler, listing(kind, path).params, listing=True, kind=kind)  # type: ignore[arg-type]


OPERATIONS = [
    _following("/v1/charges/{charge}/refunds", "charge", _refunds),
    _following("/v1/customers/{customer}/subscriptions", "customer", _subscriptions),
    _following("/v1/credit_notes/{credit_note}/lines", "credit_note", _credit_note_lines),
    _nothing("sources"),
    _nothing("tax_ids"),
]
