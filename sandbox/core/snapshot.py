"""A world to a file and back: plain JSON, the same bytes for the same world."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from . import wire
from .settings import Settings
from .timeline import Timeline
from .world import World

FORMAT = 3


def dump(world: World) -> dict[str, Any]:
    """Return a world as plain JSON values."""
    tables = {
        kind: [[row.key[1], row.obj] for row in sorted(table.rows.values(), key=lambda r: r.key)]
        for kind, table in sorted(world.store.tables.items())
    }
    return {
        "format": FORMAT, "settings": world.settings.as_dict(), "seed": world.ids.seed, "counter": world.ids.counter,
        "count": world.store.count, "events_from": world.events_from, "main": world.main.dump(),
        "clocks": {id: line.dump() for id, line in sorted(world.clocks.items())}, "ledger": world.ledger.dump(),
        "outbox": world.outbox.dump(), "faults": world.faults.dump(), "idempotency": world.idempotency.dump(),
        "tables": tables,
    }  # fmt: skip


def load(state: Any) -> World:
    """Return the world that a snapshot holds.

    Raises:
        ValueError: it is no snapshot of this format.
    """
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError("this is no sandbox snapshot of a known format")
    world = World(Settings.from_dict(state["settings"]), seed=state["seed"])
    world.ids.counter = state["counter"]
    world.main = world.timeline = Timeline.load(state["main"])
    world.clocks = {id: Timeline.load(line) for id, line in state["clocks"].items()}
    world.events_from = state["events_from"]
    world.ledger.load(state["ledger"])
    world.outbox.load(state["outbox"])
    world.faults.load(state["faults"])
    world.idempotency.load(state["idempotency"])
    for kind, rows in state["tables"].items():
        table = world.store.table(kind)
        for number, obj in rows:
            row = table.insert(obj, number)
            if obj.get("deleted"):
                table.unlist(row)
    world.store.count = state["count"]
    return world


def save_file(world: World, path: Path) -> None:
    """Write a world to a file, gzipped when its name ends in `.gz`."""
    data = wire.dumps(dump(world))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 6, mtime=0) if path.suffix == ".gz" else data)


def load_file(path: Path) -> World:
    """Return the world of a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no snapshot.
    """
    data = path.read_bytes()
    return load(wire.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data))
