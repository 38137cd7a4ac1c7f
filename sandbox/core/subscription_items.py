"""Subscription items by themselves; each change is a change of the subscription.

Stripe: https://docs.stripe.com/api/subscription_items
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .embeds import item_view
from .errors import missing_object, missing_parameter
from .operation import Operation, Params, Plain, listing, op
from .store import Object
from .subscription_changes import BEHAVIOR
from .subscription_ops import change_items, edited_items
from .subscriptions import PAYMENT_BEHAVIOR

if TYPE_CHECKING:
    from .world import World


def _find(world: World, id: str) -> tuple[Object, Object]:
    for subscription in world.all("subscription"):
        for item in subscription["items"]:
            if item["id"] == id:
                return subscription, item
    raise missing_object("subscription item", id, "id")


def _shown(world: World, item: Object) -> Plain:
    return Plain(item_view(world, item, world.version))


def _list(world: World, params: Params) -> Plain:
    subscription = world.get("subscription", params["subscription"], "subscription", status=400)
    items = subscription["items"]
    if "starting_after" in params:
        ids = [item["id"] for item in items]
        if params["starting_after"] not in ids:
            raise missing_object("subscription item", params["starting_after"], "starting_after", 400)
        items = items[ids.index(params["starting_after"]) + 1 :]
    limit = params.get("limit", 10)
    data = [item_view(world, item, world.version) for item in items[:limit]]
    return Plain({"object": "list", "data": data, "has_more": len(items) > limit, "url": "/v1/subscription_items"})


def _create(world: World, params: Params) -> Plain:
    subscription = world.get("subscription", params["subscription"], "subscription", status=400)
    if "price" not in params:
        raise missing_parameter("price")
    entry = {k: v for k, v in params.items() if k in ("price", "quantity", "metadata")}
    items = edited_items(world, subscription, [entry])
    change_items(world, subscription, items, params)
    return _shown(world, subscription["items"][-1])


def _edit(world: World, params: Params, id: str) -> Plain:
    subscription, _ = _find(world, id)
    entry: dict[str, Any] = {k: v for k, v in params.items() if k in ("price", "quantity", "metadata")}
    change_items(world, subscription, edited_items(world, subscription, [entry | {"id": id}]), params)
    return _shown(world, _find(world, id)[1])


def _delete(world: World, params: Params, id: str) -> Plain:
    subscription, _ = _find(world, id)
    change_items(world, subscription, edited_items(world, subscription, [{"id": id, "deleted": True}]), params)
    return Plain({"id": id, "object": "subscription_item", "deleted": True})


_LIST = listing("subscription_item", "/v1/subscription_items", "subscription!:str")
_FIELDS = f"price:str quantity:int metadata?:map {BEHAVIOR} payment_behavior:{PAYMENT_BEHAVIOR}"
OPERATIONS = [
    Operation("GET", _LIST.path, _list, _LIST.params, listing=True, kind="subscription_item"),
    op("POST", "/v1/subscription_items", _create, f"subscription!:str {_FIELDS}"),
    op("GET", "/v1/subscription_items/{item}", lambda world, params, id: _shown(world, _find(world, id)[1])),
    op("POST", "/v1/subscription_items/{item}", _edit, f"{_FIELDS} off_session:bool"),
    op(
        "DELETE",
        "/v1/subscription_items/{item}",
        _delete,
        f"{BEHAVIOR} payment_behavior:{PAYMENT_BEHAVIOR}",
        expand=False,
    ),
]
