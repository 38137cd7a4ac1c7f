"""The list of events of the last 30 days.

Stripe: https://docs.stripe.com/api/events/list
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .errors import bad_request
from .events import matches
from .operation import Params, listing, retrieving
from .store import Object

if TYPE_CHECKING:
    from .world import World


def _keep(world: World, params: Params) -> Callable[[Object], bool] | None:
    type, types, success = params.get("type"), params.get("types"), params.get("delivery_success")
    if type is not None and types is not None:
        raise bad_request("You may only specify one of these parameters: type, types.",
                          code="parameters_exclusive", param="type")  # fmt: skip
    if types is not None and len(types) > 20:
        raise bad_request("You may specify at most 20 event types.", param="types")
    undelivered = (
        {d.event for d in world.outbox.all.values() if d.state != "delivered"} if success is not None else set()
    )
    if type is None and types is None and success is None:
        return None

    def keep(event: Object) -> bool:
        return (
            (type is None or matches(type, event["type"]))
            and (types is None or event["type"] in types)
            and (success is None or (event["id"] not in undelivered) is success)
        )

    return keep


OPERATIONS = [
    listing("event", "/v1/events", "created:range type:str types:[str] delivery_success:bool", keep=_keep),
    retrieving("event", "/v1/events/{id}"),
]
