"""Events: one per change, with what was there before, in the version of their time.

Stripe: https://docs.stripe.com/api/events
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .store import Object

if TYPE_CHECKING:
    from .world import World

# A product or price that is renamed with its last payload still tells which object it was.
LIVEMODE = False


def emit(world: World, type: str, obj: Object, before: dict[str, Any] | None = None) -> None:
    """Record that `obj` changed; `before` holds the old values of the fields that did."""
    created = world.now
    if created < world.events_from:
        return
    event: Object = {
        "id": world.ids.new("evt_"),
        "object": "event",
        "api_version": world.settings.api_version,
        "created": created,
        "data": None,
        "livemode": LIVEMODE,
        "pending_webhooks": 0,
        "request": world.request,
        "type": type,
        "_object": dict(obj),
        "_before": before,
    }
    endpoints = [e for e in world.all("webhook_endpoint") if wants(e, type)]
    event["pending_webhooks"] = len(endpoints)
    world.store.insert(event)
    for endpoint in endpoints:
        world.outbox.add(world, event["id"], endpoint["id"])


def wants(endpoint: Object, type: str) -> bool:
    """Return whether an endpoint is enabled and subscribed to an event type."""
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or type in enabled)


def matches(pattern: str, type: str) -> bool:
    """Return whether an event type fits a `type` filter, which may hold `*`."""
    if "*" not in pattern:
        return pattern == type
    head, _, tail = pattern.partition("*")
    return type.startswith(head) and type.endswith(tail)


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return `previous_attributes`: old values of changed keys, hashes key by key."""
    out: dict[str, Any] = {}
    for key, new in after.items():
        old = before.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            out[key] = difference(old, new)
        else:
            out[key] = old
    for key in before.keys() - after.keys():
        out[key] = before[key]
    return out


def forget_old(world: World, before: int) -> None:
    """Drop events older than Stripe keeps them."""
    table = world.store.table("event")
    if table.order and table.order[0][0] < before:
        table.forget_before(before)
