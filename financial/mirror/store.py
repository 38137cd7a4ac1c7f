"""The only writer of mirror rows: many at once, one, or a tombstone.

The write rule. `draw()` gives the next value of one counter. Draw before asking Stripe (`seen`), then save: a row is
written only if it is older than `seen`, that is, if nobody wrote it since we asked; its new version is drawn at the time
of writing. What loses asks again. No clock decides anything, and a tombstone is never overwritten.

Callers hold the transaction; nothing here asks Stripe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Subquery

from financial.mirror.resources import BY_NAME, RESOURCES, Resource
from financial.mirror.translate import Row, translate
from financial.models import MirrorClock, MirrorRow, StripeCredential
from financial.models.bulk import merge
from financial.models.fields import decrypt, encrypt

Payload = dict[str, Any]
ROWS_PER_REPAIR = 10_000


def draw() -> int:
    """Return the next value of the counter; each call gives a greater one, to whoever asks."""
    return MirrorClock.draw()


def save_many(
    credential: StripeCredential,
    resource: Resource,
    payloads: Sequence[Payload],
    *,
    seen: int,
    api_version: str,
    shown_at: datetime | None = None,
    rewrite: bool = False,
    expect_new: bool = False,
) -> int:
    """Write a page of payloads and return how many rows were inserted or changed.

    `shown_at` is when Stripe answered with them, by its own clock.

    Not written: rows someone wrote since `seen` was drawn, tombstones, and rows that already hold the same payload
    (unless `rewrite`). `expect_new` spares looking for such rows beforehand; the statement leaves them be all the same.
    The number of queries does not depend on the number of payloads.

    Raises:
        TranslationError: a payload is not what this resource is; nothing of the page was written.
    """
    if not payloads:
        return 0
    latest = {row.stripe_id: row for row in (translate(one, resource.name, resource.columns) for one in payloads)}
    rows = list(latest.values())
    texts = [_Texts.of(row, api_version) for row in rows]
    if not (rewrite or expect_new):  # most of a page is as it was: let that be before anything is encrypted or sent
        held = _digests(credential, resource, rows)
        changed = [held.get(row.stripe_id) != text.digest for row, text in zip(rows, texts, strict=True)]
        rows, texts = list(compress(rows, changed)), list(compress(texts, changed))
    if not rows:
        return 0
    parents = {key: _parent_ids(credential, key, name, rows) for key, name in resource.parents.items()}
    same = {
        "credential_id": credential.pk,
        "api_version": api_version,
        "shown_at": shown_at,
        "version": draw(),
        "deleted_at": None,
    }
    table = _table(resource.model, connection.vendor)
    records = [
        _values(row, text, parents, same, livemode=credential.livemode) for row, text in zip(rows, texts, strict=True)
    ]
    with transaction.atomic():
        return table.upsert(records, seen=seen, rewrite=rewrite)


def differing(
    credential: StripeCredential, resource: Resource, payloads: Sequence[Payload], *, api_version: str
) -> list[str]:
    """Return the ids of the payloads that our rows do not show: other content, deleted here, or no row at all."""
    rows = [translate(payload, resource.name, resource.columns) for payload in payloads]
    alive = resource.model.objects.filter(
        credential=credential, deleted_at=None, stripe_id__in=[row.stripe_id for row in rows]
    )
    held = dict(alive.values_list("stripe_id", "digest"))
    return [row.stripe_id for row in rows if held.get(row.stripe_id) != _Texts.of(row, api_version).digest]


def save(
    credential: StripeCredential,
    resource: Resource,
    payload: Payload,
    *,
    seen: int,
    api_version: str,
    shown_at: datetime | None = None,
) -> MirrorRow | None:
    """Write one payload and return its row, or None if someone wrote the row since `seen`: fetch again then.

    A tombstone is returned as it is: what was deleted stays deleted.
    """
    written = save_many(
        credential, resource, [payload], seen=seen, api_version=api_version, shown_at=shown_at, rewrite=True
    )
    row = resource.model.objects.get(credential=credential, stripe_id=payload["id"])
    return row if written or row.is_deleted else None


def mark_deleted(
    credential: StripeCredential, resource: Resource, stripe_id: str, *, now: datetime, for_good: bool = False
) -> int:
    """Leave a tombstone and return the number of rows marked. The row keeps what it last showed.

    With `for_good`, because an event said so, also where there is no row yet: what is listed or told late finds it.
    """
    rows = resource.model.objects.filter(credential=credential, stripe_id=stripe_id)
    marked = rows.filter(deleted_at=None).update(deleted_at=now, version=draw())
    if marked or not for_good or rows.exists():
        return marked
    grave = resource.model(
        credential=credential, stripe_id=stripe_id, livemode=credential.livemode, deleted_at=now, version=draw()
    )
    resource.model.objects.bulk_create([grave], ignore_conflicts=True)
    rows.filter(deleted_at=None).update(deleted_at=now, version=draw())  # somebody may have been faster
    return 1


def repair_links(credential: StripeCredential, *, tick: Callable[[], None] = lambda: None) -> int:
    """Link children whose parent arrived after them, and return how many.

    So many rows to a statement, for a statement is silent and holds its locks; `tick` is called after each.
    """
    return sum(_repair_link(credential, resource, key, tick) for resource in RESOURCES for key in resource.parents)


def _repair_link(credential: StripeCredential, resource: Resource, key: str, tick: Callable[[], None]) -> int:
    parent = BY_NAME[resource.parents[key]].model.objects.filter(
        credential=credential, stripe_id=OuterRef(f"{key}_stripe_id")
    )
    orphans = resource.model.objects.filter(credential=credential, **{key: None}).exclude(**{f"{key}_stripe_id": ""})
    linked, after = 0, 0
    while ids := list(orphans.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:ROWS_PER_REPAIR]):
        some = orphans.filter(pk__gt=after, pk__lte=ids[-1])
        linked += some.filter(Exists(parent)).update(**{key: Subquery(parent.values("pk")[:1])})
        after = ids[-1]
        tick()
    return linked


def _parent_ids(credential: StripeCredential, key: str, name: str, rows: Sequence[Row]) -> Mapping[str, int]:
    wanted = {row.values[f"{key}_stripe_id"] for row in rows} - {""}
    if not wanted:
        return {}
    held = BY_NAME[name].model.objects.filter(credential=credential, stripe_id__in=wanted)
    return dict(held.values_list("stripe_id", "pk"))


def _digests(credential: StripeCredential, resource: Resource, rows: Sequence[Row]) -> Mapping[str, str]:
    held = resource.model.objects.filter(credential=credential, stripe_id__in=[row.stripe_id for row in rows])
    return dict(held.values_list("stripe_id", "digest"))


class _Texts(NamedTuple):
    """A payload as it is kept, both parts as JSON, and the digest of the whole."""

    public: bytes
    private: bytes
    digest: str
    has_nul: bool

    @classmethod
    def of(cls, row: Row, api_version: str) -> _Texts:
        public = orjson.dumps(row.public, option=orjson.OPT_SORT_KEYS)
        private = orjson.dumps(row.private, option=orjson.OPT_SORT_KEYS) if row.private else b""
        digest = hashlib.blake2b(public + b"\0" + private + api_version.encode(), digest_size=16).hexdigest()
        return cls(public, private, digest, b"\\u0000" in public or b"\\u0000" in private)


def _values(
    row: Row, texts: _Texts, parents: Mapping[str, Mapping[str, int]], same: Mapping[str, Any], *, livemode: bool
) -> dict[str, Any]:
    """Everything of one row; `same` is what all rows of the page have in common."""
    values = {**row.values, **same}
    for key, found in parents.items():
        values[f"{key}_id"] = found.get(values[f"{key}_stripe_id"])
    values["livemode"] = livemode if values["livemode"] is None else bool(values["livemode"])
    values["stripe_id"] = row.stripe_id
    values["payload"] = texts.public.decode()
    values["private"] = encrypt(texts.private).decode() if texts.private else ""
    values["digest"] = texts.digest
    return _without_nul(values) if texts.has_nul else values


def _without_nul(values: Mapping[str, Any]) -> dict[str, Any]:
    """Text as every database takes it: PostgreSQL has no NUL."""
    clean = {name: value.replace("\0", "\ufffd") if isinstance(value, str) else value for name, value in values.items()}
    return {**clean, "payload": clean["payload"].replace("\\u0000", "\\ufffd")}


class _Table:
    """The upsert of one model on one kind of database, written once; values go in as the driver takes them."""

    identity = ("credential_id", "stripe_id")

    def __init__(self, model: type[MirrorRow], vendor: str) -> None:
        self.model = model
        self.vendor = vendor
        self.fields = [field for field in model._meta.concrete_fields if not field.primary_key]
        self.names = [field.attname for field in self.fields]
        self._pick = itemgetter(*self.names)
        columns = [str(field.column) for field in self.fields if field.attname not in self.identity]
        changes = ", ".join(
            f"{connection.ops.quote_name(c)} = excluded.{connection.ops.quote_name(c)}" for c in columns
        )
        self._changes = f"({', '.join(self.identity)}) DO UPDATE SET {changes}"
        self._instants = [n for n, field in enumerate(self.fields) if isinstance(field, models.DateTimeField)]
        self._limits = [(n, field.max_length) for n, field in enumerate(self.fields) if field.max_length]
        plain = vendor == "sqlite" and connection.timezone is UTC
        self._instant = _plain_instant if plain else connection.ops.adapt_datetimefield_value

    def upsert(self, records: Sequence[Mapping[str, Any]], *, seen: int, rewrite: bool) -> int:
        if self.vendor not in {"sqlite", "postgresql"}:
            return self._upsert_by_orm(records, seen=seen, rewrite=rewrite)
        rows = [self._driver_values(record) for record in records]
        return merge(self.model, self.fields, rows, on_conflict=self._guard(seen, rewrite), order_by=self.identity)

    def _driver_values(self, record: Mapping[str, Any]) -> list[Any]:
        values = list(self._pick(record))
        for place in self._instants:
            if values[place] is not None:
                values[place] = self._instant(values[place])
        for place, longest in self._limits:
            if len(values[place]) > longest:  # the payload beside it keeps the whole
                values[place] = values[place][:longest]
        return values

    def _guard(self, seen: int, rewrite: bool) -> str:
        table = connection.ops.quote_name(self.model._meta.db_table)
        same = "" if rewrite else f" AND {table}.digest <> excluded.digest"
        return f"{self._changes} WHERE {table}.version < {int(seen)} AND {table}.deleted_at IS NULL{same}"

    def _upsert_by_orm(self, records: Sequence[Mapping[str, Any]], *, seen: int, rewrite: bool) -> int:
        """The same rule for databases whose upsert knows no condition: one guarded statement per row."""
        written = 0
        for record in records:
            values = {**record, "payload": orjson.loads(record["payload"]), "private": {}}
            if record["private"]:
                values["private"] = orjson.loads(decrypt(record["private"].encode()))
            values |= {self.names[place]: values[self.names[place]][:longest] for place, longest in self._limits}
            found = self.model.objects.filter(**{name: values[name] for name in self.identity})
            current = found.filter(version__lt=seen, deleted_at=None)
            current = current if rewrite else current.exclude(digest=values["digest"])
            changed = current.update(**{name: value for name, value in values.items() if name not in self.identity})
            if not changed and not found.exists():
                self.model.objects.bulk_create([self.model(**values)])
                changed = 1
            written += changed
        return written


@lru_cache(maxsize=64)
def _table(model: type[MirrorRow], vendor: str) -> _Table:
    return _Table(model, vendor)


def _plain_instant(value: datetime) -> str:
    """As Django writes it into SQLite, at a fifth of the cost."""
    return value.replace(tzinfo=None).isoformat(" ")
