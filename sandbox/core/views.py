"""An object as one API version shows it. The two tables are filled by `render`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .settings import OLD

if TYPE_CHECKING:
    from .store import Object
    from .world import World

View = dict[str, Any]

# What a kind shows of other objects, and how the old version shows it differently.
EMBEDS: dict[str, Callable[[World, Object, View, str], None]] = {}
SHAPES: dict[str, Callable[[World, Object, View], None]] = {}


def live_view(world: World, obj: Object, version: str) -> View:
    """Return an object in full, even when it has been deleted since; the top level is the caller's."""
    kind = obj["object"]
    shown = {k: v for k, v in obj.items() if k[0] != "_" and k != "deleted"}
    embed = EMBEDS.get(kind)
    if embed is not None:
        embed(world, obj, shown, version)
    if version == OLD and kind in SHAPES:
        SHAPES[kind](world, obj, shown)
    return shown


def embedded_list(items: list[Any], url: str, *, limit: int = 10) -> View:
    """Return the first page of a list inside an object."""
    return {"object": "list", "data": items[:limit], "has_more": len(items) > limit,
            "total_count": len(items), "url": url}  # fmt: skip
