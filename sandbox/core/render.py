"""From the store to JSON: one object, two API versions, cached bytes, list envelopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import embeds, shapes_2024, views, wire
from .events import difference
from .views import View, live_view

if TYPE_CHECKING:
    from .store import Object, Row
    from .world import World

views.EMBEDS.update(embeds.EMBEDS)
views.SHAPES.update(shapes_2024.SHAPES)


def view(world: World, obj: Object, version: str) -> View:
    """Return an object as `version` shows it; the top level is the caller's to change."""
    if obj.get("deleted") and obj["object"] == "discount":
        return {k: v for k, v in live_view(world, obj, version).items() if k != "end"} | {"deleted": True}
    if obj.get("deleted"):
        return {"id": obj["id"], "object": obj["object"], "deleted": True}
    if obj["object"] == "event":
        return event_view(world, obj, None)
    return live_view(world, obj, version)


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
