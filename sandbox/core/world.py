"""The account as one value: objects, time, events, money, and every change to them.

Handlers change objects through `insert`, `change` and `delete` only; these keep the
indexes, the rendered bytes and the events right. No wall clock, no global dice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import events
from .deliveries import Outbox
from .errors import LABELS, missing_object
from .faults import Faults
from .idempotency import Idempotency
from .ids import Ids
from .money import Ledger
from .rehearsal import Rehearsal
from .settings import DAY, EVENT_DAYS, Settings
from .store import Object, Row, Store
from .tasks import TASKS
from .timeline import Timeline


class World:
    """One Stripe account in test mode."""

    def __init__(self, settings: Settings | None = None, *, seed: int = 0, now: float = 1_767_225_600) -> None:
        self.settings = settings or Settings()
        self.ids = Ids(seed)
        self.store = Store()
        self.main = Timeline(now)
        self.clocks: dict[str, Timeline] = {}
        self.timeline = self.main
        self.ledger = Ledger()
        self.outbox = Outbox()
        self.faults = Faults()
        self.idempotency = Idempotency()
        self.request: dict[str, str | None] = {"id": None, "idempotency_key": None}
        self.version = self.settings.api_version
        self.events_from = 0
        self.forgot_at = 0.0
        self.changes = 0
        self.rehearsal: Rehearsal | None = None

    # ---- time

    @property
    def now(self) -> int:
        """Return the second it is on the timeline in force."""
        return int(self.timeline.now)

    def schedule(self, seconds: float, name: str, *args: Any) -> None:
        """Run task `name` that many seconds from now on the timeline in force."""
        self.timeline.schedule(self.timeline.now + seconds, name, *args)

    def schedule_at(self, due: float, name: str, *args: Any) -> None:
        """Run task `name` at `due` on the timeline in force."""
        self.timeline.schedule(due, name, *args)

    def tick(self, to: float | None = None) -> int:
        """Move the account's clock to `to` (never back) and run what is due; return how many."""
        ran = self.main.advance(max(self.main.now, to or 0), self._run)
        events.forget_old(self, int(self.main.now) - EVENT_DAYS * DAY)
        return ran

    def advance(self, seconds: float) -> int:
        """Move the account's clock forward by `seconds`."""
        return self.tick(self.main.now + seconds)

    def _run(self, name: str, args: list[Any]) -> None:
        before, self.request = self.request, {"id": None, "idempotency_key": None}
        try:
            TASKS[name](self, *args)
        finally:
            self.request = before

    @contextmanager
    def on_clock(self, clock: str | None) -> Iterator[None]:
        """Let the block happen on a test clock's timeline, or on the account's."""
        before = self.timeline
        self.timeline = self.clocks.get(clock or "", self.main)
        try:
            yield
        finally:
            self.timeline = before

    # ---- objects

    def find(self, kind: str, id: Any) -> Object | None:
        """Return an object that exists and is not deleted, or None."""
        row = self.store.row(kind, id) if isinstance(id, str) else None
        return None if row is None or row.obj.get("deleted") else row.obj

    def get(self, kind: str, id: str, param: str = "id", *, status: int = 404) -> Object:
        """Return an object.

        Raises:
            StripeError: resource_missing, naming `param`.
        """
        found = self.find(kind, id)
        if found is None:
            raise missing_object(LABELS.get(kind, kind), id, param, status)
        return found

    def raw(self, kind: str, id: str) -> Object:
        """Return an object that is known to have existed, deleted or not."""
        return self.store.table(kind).rows[id].obj

    def row(self, obj: Object) -> Row:
        """Return the row of an object in the store."""
        return self.store.table(obj["object"]).rows[obj["id"]]

    def insert(self, obj: Object, event: str = "") -> Object:
        """Add an object and tell of it."""
        self._note("insert", obj)
        self.store.insert(obj)
        if event:
            events.emit(self, event, obj)
        return obj

    def change(self, obj: Object, event: str = "", **values: Any) -> bool:
        """Change fields of an object and tell of it, once; return whether anything changed."""
        before = {k: obj.get(k) for k, v in values.items() if obj.get(k) != v}
        if not before:
            return False
        self._note("change", obj)
        row = self.row(obj)
        table = self.store.table(obj["object"])
        for name, old in before.items():
            obj[name] = values[name]
            table.reindex(row, name, old, values[name])
        row.cache.clear()
        if event:
            events.emit(self, event, obj, before)
        return True

    def delete(self, obj: Object, event: str = "") -> Object:
        """Delete an object, tell of it, and return the stub that answers for it."""
        self._note("delete", obj)
        row = self.row(obj)
        if event:
            events.emit(self, event, obj)
        self.store.table(obj["object"]).unlist(row)
        obj["deleted"] = True
        row.cache.clear()
        return obj

    def _note(self, step: str, obj: Object) -> None:
        """Count a change; a rehearsal also keeps what was before it."""
        self.changes += 1
        if self.rehearsal is not None:
            self.rehearsal.steps.append((step, obj, dict(obj)))

    def touch(self, kind: str, id: str) -> None:
        """Drop the rendered bytes of an object that shows another which has changed."""
        row = self.store.row(kind, id)
        if row is not None:
            row.cache.clear()

    def touch_all(self, *kinds: str) -> None:
        """Drop the rendered bytes of whole kinds."""
        for kind in kinds:
            for row in self.store.table(kind).rows.values():
                row.cache.clear()

    def all(self, kind: str, name: str = "", value: Any = None) -> Iterator[Object]:
        """Yield the objects of a kind, oldest first, optionally with an indexed field's value."""
        return self.store.table(kind).objects(name, value)
