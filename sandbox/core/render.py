"""From the store to JSON: one object, two API versions, cached bytes, list envelopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import wire
from .embeds import EMBEDS
from .events import difference
from .settings import OLD
from .shapes_2024 import SHAPES

if TYPE_CHECKING:
    from .store import Object, Row
    from .world import World

View = dict[str, Any]


def view(world: World, obj: Object, version: str) -> View:
    """Return an object as `version` shows it; the top level is the caller's to change."""
    if obj.get("deleted") and obj["object"] == "discount":
        return {k: v for k, v in live_view(world, obj, version).items() if k != "end"} | {"deleted": True}
    if obj.get("deleted"):
        return {"id": obj["id"], "object": obj["object"], "deleted": True}
    if obj["object"] == "event":
        return event_view(world, obj, None)
    return live_view(world, obj, version)


def live_view(world: World, obj: Object, version: str) -> View:
    """Return an object in full even when it has been deleted since (for events)."""
    kind = obj["object"]
    shown = {k: v for k, v in obj.items() if k[0] != "_" and k != "deleted"}
    embed = EMBEDS.get(kind)
    if embed is not None:
        embed(world, obj, shown, version)
    if version == OLD and kind in SHAPES:
        SHAPES[kind](world, obj, shown)
    return shown


def event_view(world: World, event: Object, version: str | None) -> View:
    """Return an event with its payload in `version`, or in the version of its time."""
    version = version or event["api_version"]
    obj, before = event["_object"], event["_before"]
    payload = live_view(world, obj, version)
    data: View = {"object": payload}
    if before is not None:
        data["previous_attributes"] = difference(live_view(world, obj | before, version), payload)
    shown = {k: v for k, v in event.items() if k[0] != "_"}
    return shown | {"data": data, "api_version": version}


def json_bytes(world: World, row: Row, version: str) -> bytes:
    """Return an object's JSON, rendered once per version until it changes."""
    found = row.cache.get(version)
    if found is None:
        found = row.cache[version] = wire.dumps(view(world, row.obj, version))
    return found


def list_bytes(world: World, rows: list[Row], has_more: bool, url: str, version: str) -> bytes:
    """Return a list page's JSON from the rows' cached bytes."""
    items = b",".join([json_bytes(world, row, version) for row in rows])
    more = b"true" if has_more else b"false"
    return b'{"object":"list","data":[%b],"has_more":%b,"url":%b}' % (items, more, wire.dumps(url))


def embedded_list(items: list[Any], url: str, *, limit: int = 10) -> View:
    """Return the first page of a list inside an object."""
    return {"object": "list", "data": items[:limit], "has_more": len(items) > limit,
            "total_count": len(items), "url": url}  # fmt: skip
