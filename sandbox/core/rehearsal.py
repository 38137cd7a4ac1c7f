"""What would happen: let it happen, note what would be told of it, and take all of it back.

Previews are made this way, so that they cannot differ from what they announce. Only ids are used up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .store import Object

if TYPE_CHECKING:
    from .world import World


class Rehearsal:
    """The steps taken since it began, oldest first, and the events they would have been told with."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Object]] = []
        self.steps: list[tuple[str, Object, Object]] = []

    def heard(self, *types: str) -> list[Object]:
        """Return the objects of the events of these types as they were then, oldest first."""
        return [obj for type, obj in self.told if type in types]


@contextmanager
def rehearsing(world: World) -> Iterator[Rehearsal]:
    """Let the block happen to the world and undo it at the end, also when it fails."""
    outer, world.rehearsal = world.rehearsal, Rehearsal()
    lines = [(line, line.mark()) for line in (world.main, *world.clocks.values())]
    ledger, clocks, count, changes = world.ledger, dict(world.clocks), world.store.count, world.changes
    world.ledger = ledger.copy()
    try:
        yield world.rehearsal
    finally:
        for step in reversed(world.rehearsal.steps):
            _undo(world, *step)
        for line, mark in lines:
            line.back(mark)
        world.ledger, world.clocks, world.store.count, world.changes = ledger, clocks, count, changes
        world.rehearsal = outer


def _undo(world: World, step: str, obj: Object, before: dict[str, Any]) -> None:
    table = world.store.table(obj["object"])
    row = table.rows[obj["id"]]
    if step == "insert":
        table.unlist(row)
        del table.rows[obj["id"]]
        return
    if step == "delete":
        obj.pop("deleted")
        table.relist(row)
    for name in table.fields:
        if obj.get(name) != before.get(name):
            table.reindex(row, name, obj.get(name), before.get(name))
    obj.clear()
    obj.update(before)
    row.cache.clear()
