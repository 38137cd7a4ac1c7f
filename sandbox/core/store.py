"""Where the objects live: one table per kind, ordered indexes, pages by bisection.

An object is a dict in the pinned version's shape. Keys that begin with `_` are the
sandbox's own notes and never leave it. Nested values are replaced, never changed in
place, so that a shallow copy of an object is a faithful snapshot of it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import Any

Object = dict[str, Any]
Key = tuple[int, int, str]
Range = dict[str, int]
Keep = Callable[[Object], bool]

# Fields of each kind that lists are filtered by and that (almost) never change.
INDEXES: dict[str, tuple[str, ...]] = {
    "price": ("product",),
    "payment_method": ("customer",),
    "payment_intent": ("customer",),
    "charge": ("customer", "payment_intent", "_invoice"),
    "refund": ("charge", "payment_intent"),
    "dispute": ("charge", "payment_intent"),
    "balance_transaction": ("source", "_payout", "type"),
    "subscription": ("customer", "test_clock"),
    "invoice": ("customer", "_subscription"),
    "invoice_payment": ("invoice", "_payment"),
    "invoiceitem": ("customer", "invoice"),
    "customer": ("email", "test_clock"),
    "setup_intent": ("customer",),
    "checkout.session": ("customer", "payment_intent"),
    "promotion_code": ("code", "_coupon"),
    "credit_note": ("invoice",),
    "event": ("type",),
}


class Row:
    """An object with its place in the order and its rendered bytes per API version."""

    __slots__ = ("cache", "key", "obj")

    def __init__(self, obj: Object, key: Key) -> None:
        self.obj = obj
        self.key = key
        self.cache: dict[str, bytes] = {}


class Table:
    """All objects of one kind, oldest first."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.rows: dict[str, Row] = {}
        self.order: list[Key] = []
        self.fields = INDEXES.get(kind, ())
        self.indexes: dict[tuple[str, Any], list[Key]] = {}

    def insert(self, obj: Object, number: int) -> Row:
        """Add an object; `number` breaks ties of the same second."""
        row = Row(obj, (obj.get("created", 0), number, obj["id"]))
        self.rows[obj["id"]] = row
        _add(self.order, row.key)
        for name in self.fields:
            _add(self.indexes.setdefault((name, obj.get(name)), []), row.key)
        return row

    def reindex(self, row: Row, name: str, before: Any, after: Any) -> None:
        """Move a row from one value of an indexed field to another."""
        if name in self.fields:
            _discard(self.indexes.get((name, before), []), row.key)
            _add(self.indexes.setdefault((name, after), []), row.key)

    def unlist(self, row: Row) -> None:
        """Take a deleted object out of all lists; it can still be looked up by id."""
        _discard(self.order, row.key)
        for name in self.fields:
            _discard(self.indexes.get((name, row.obj.get(name)), []), row.key)

    def relist(self, row: Row) -> None:
        """Put an object back into the lists it was taken out of."""
        _add(self.order, row.key)
        for name in self.fields:
            _add(self.indexes.setdefault((name, row.obj.get(name)), []), row.key)

    def forget(self, created: int, really: Keep) -> None:
        """Drop the rows created earlier than `created` for which `really` holds."""
        count = bisect_left(self.order, (created, 0, ""))
        staying = []
        for key in self.order[:count]:
            row = self.rows[key[2]]
            if not really(row.obj):
                staying.append(key)
                continue
            del self.rows[key[2]]
            for name in self.fields:
                _discard(self.indexes.get((name, row.obj.get(name)), []), key)
        self.order[:count] = staying

    def keys(self, name: str = "", value: Any = None) -> list[Key]:
        """Return the ordered keys of all objects, or of those with `name` = `value`."""
        return self.indexes.get((name, value), []) if name else self.order

    def objects(self, name: str = "", value: Any = None) -> Iterator[Object]:
        """Yield objects, oldest first."""
        for key in list(self.keys(name, value)):
            yield self.rows[key[2]].obj

    def page(self, keys: list[Key], *, limit: int, after: str = "", before: str = "",
             created: Range | None = None, keep: Keep | None = None) -> tuple[list[Row], bool]:  # fmt: skip
        """Return one page of rows, newest first, and whether there is more in that direction."""
        low, high = _bounds(keys, created or {})
        if after:
            high = min(high, bisect_left(keys, self.rows[after].key))
        if before:
            low = max(low, bisect_right(keys, self.rows[before].key))
            picked, more = self._take(keys, range(low, high), limit, keep)
            return picked[::-1], more
        return self._take(keys, range(high - 1, low - 1, -1), limit, keep)

    def _take(
        self, keys: list[Key], places: range, limit: int, keep: Callable[[Object], bool] | None
    ) -> tuple[list[Row], bool]:
        rows = self.rows
        if keep is None:
            return [rows[keys[i][2]] for i in places[:limit]], len(places) > limit
        picked: list[Row] = []
        for place in places:
            row = rows[keys[place][2]]
            if keep(row.obj):
                if len(picked) == limit:
                    return picked, True
                picked.append(row)
        return picked, False


class Store:
    """The tables by kind; kinds are the values of Stripe's `object` field."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.count = 0

    def table(self, kind: str) -> Table:
        """Return the table of `kind`, made on first use."""
        found = self.tables.get(kind)
        if found is None:
            found = self.tables[kind] = Table(kind)
        return found

    def insert(self, obj: Object) -> Row:
        """Add an object to the table its `object` names."""
        self.count += 1
        return self.table(obj["object"]).insert(obj, self.count)

    def row(self, kind: str, id: str) -> Row | None:
        """Return the row of an id, deleted ones included."""
        return self.table(kind).rows.get(id)


def _bounds(keys: list[Key], created: Range) -> tuple[int, int]:
    low, high = 0, len(keys)
    if "gt" in created:
        low = max(low, bisect_left(keys, (created["gt"] + 1, 0, "")))
    if "gte" in created:
        low = max(low, bisect_left(keys, (created["gte"], 0, "")))
    if "lt" in created:
        high = min(high, bisect_left(keys, (created["lt"], 0, "")))
    if "lte" in created:
        high = min(high, bisect_left(keys, (created["lte"] + 1, 0, "")))
    return low, max(low, high)


def _add(keys: list[Key], key: Key) -> None:
    if not keys or keys[-1] < key:
        keys.append(key)
    else:
        insort(keys, key)


def _discard(keys: list[Key], key: Key) -> None:
    place = bisect_left(keys, key)
    if place < len(keys) and keys[place] == key:
        del keys[place]
