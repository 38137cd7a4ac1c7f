"""Test clocks: customers that live on a time of their own, moved by hand.

Stripe: https://docs.stripe.com/billing/testing/test-clocks
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import customers
from .errors import bad_request
from .events import emit
from .operation import Params, listing, op, retrieving
from .settings import DAY
from .store import Object
from .tasks import task
from .timeline import Timeline

if TYPE_CHECKING:
    from .world import World

_LENGTH = {"day": DAY, "week": 7 * DAY, "month": 31 * DAY, "year": 366 * DAY}


def create(world: World, params: Params) -> Object:
    """Create a clock at a time of its own."""
    frozen = params["frozen_time"]
    clock = world.insert({
        "id": world.ids.new("clock_"), "object": "test_helpers.test_clock", "created": int(world.main.now),
        "deletes_after": int(world.main.now) + 30 * DAY, "frozen_time": frozen, "livemode": False,
        "name": params.get("name"), "status": "ready", "status_details": {},
    })  # fmt: skip
    world.clocks[clock["id"]] = Timeline(frozen)
    emit(world, "test_helpers.test_clock.created", clock)
    return clock


def advance(world: World, params: Params, id: str) -> Object:
    """Begin to move a clock; it is `ready` again at the next tick."""
    clock, to = world.get("test_helpers.test_clock", id), params["frozen_time"]
    if clock["status"] != "ready":
        raise bad_request("The clock is not ready: it is still advancing.")
    if to <= clock["frozen_time"]:
        raise bad_request(
            "The frozen time must be after the current frozen time of the test clock.", param="frozen_time"
        )
    if to > clock["frozen_time"] + _furthest(world, id):
        raise bad_request(
            "You can only advance a test clock up to two intervals of its shortest subscription.", param="frozen_time"
        )
    with world.on_clock(None):
        world.change(clock, status="advancing", status_details={"advancing": {"target_frozen_time": to}})
        emit(world, "test_helpers.test_clock.advancing", clock)
        world.schedule(0, "finish_advancing", id, to)
    return clock


def _furthest(world: World, id: str) -> int:
    lengths = [
        _LENGTH[r["interval"]] * r["interval_count"]
        for sub in world.all("subscription", "test_clock", id)
        for r in [world.raw("price", sub["items"][0]["price"])["recurring"]]
        if sub["status"] not in ("canceled", "incomplete_expired")
    ]
    return 2 * min(lengths) if lengths else 2 * _LENGTH["year"]


@task
def finish_advancing(world: World, clock_id: str, to: int) -> None:
    """Let everything that is due on a clock happen, and call it ready."""
    clock = world.find("test_helpers.test_clock", clock_id)
    if clock is None:
        return
    with world.on_clock(clock_id):
        world.timeline.advance(to, world._run)
    world.change(clock, frozen_time=to, status="ready", status_details={})
    emit(world, "test_helpers.test_clock.ready", clock)


def delete(world: World, params: Params, id: str) -> Object:
    """Delete a clock with its customers and their subscriptions."""
    clock = world.get("test_helpers.test_clock", id)
    for customer in world.all("customer", "test_clock", id):
        customers.delete(world, {}, customer["id"])
    world.delete(clock, "test_helpers.test_clock.deleted")
    with world.on_clock(None):
        del world.clocks[id]
    return clock


OPERATIONS = [
    op("POST", "/v1/test_helpers/test_clocks", create, "frozen_time!:int name:str"),
    listing("test_helpers.test_clock", "/v1/test_helpers/test_clocks"),
    retrieving("test_helpers.test_clock", "/v1/test_helpers/test_clocks/{test_clock}"),
    op("POST", "/v1/test_helpers/test_clocks/{test_clock}/advance", advance, "frozen_time!:int"),
    op("DELETE", "/v1/test_helpers/test_clocks/{test_clock}", delete, expand=False),
]
