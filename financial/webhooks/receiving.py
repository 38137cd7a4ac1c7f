"""Verify and store: an authentic body becomes a row, once, in one statement; a further delivery is only counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from django.db import connection, models, transaction
from django.db.models import F

from financial import patience
from financial.errors import BodyTooLarge, CannotVerify
from financial.gateway.signature import verify
from financial.models import StripeCredential, StripeWebhookEvent
from financial.webhooks import envelope

logger = logging.getLogger("financial.stripe_services.webhooks")
State = StripeWebhookEvent.State
Source = StripeWebhookEvent.Source
IDENTITY = ("credential_id", "account", "event_id")


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A secret a webhook may be signed with, whose events those are, and until when it is accepted."""

    credential: StripeCredential
    secret: str
    label: str = ""
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"<SigningSecret {self.label} of {self.credential.pk}>"


def receive(
    body: bytes,
    header: str,
    secrets: Sequence[SigningSecret],
    *,
    now: datetime,
    bytes_max: int,
    tolerance_seconds: int,
) -> StripeWebhookEvent:
    """Store an authentic body once and return its row; a further delivery is only counted.

    Raises:
        CannotVerify: there is no secret to verify with.
        NotAuthentic, BodyTooLarge: nothing was stored.
    """
    valid = [known for known in secrets if known.secret and (known.expires_at is None or known.expires_at > now)]
    if not valid:
        raise CannotVerify("No webhook signing secret is configured.")
    if len(body) > bytes_max:
        raise BodyTooLarge(f"The body is larger than {bytes_max} bytes.")
    matched = verify(
        body, header, [known.secret for known in valid], now=now.timestamp(), tolerance_seconds=tolerance_seconds
    )
    with patience.at_most():
        event = _record(
            _row(valid[matched].credential, body, now, matched_secret=valid[matched].label, delivered_at=now)
        )
    logger.info("event=%s type=%s state=%s deliveries=%s", event.event_id, event.type, event.state, event.deliveries)
    return event


def file(
    credential: StripeCredential,
    bodies: Iterable[bytes],
    *,
    source: Source,
    now: datetime,
    lease: str = "",
    lease_ends_at: datetime | None = None,
) -> list[StripeWebhookEvent]:
    """Store events that were asked for, not delivered, and return the rows of those the inbox lacked.

    One transaction. With a `lease` no worker takes them until it ends.
    """
    rows = [_row(credential, body, now, source=source, deliveries=0) for body in bodies]
    for row in rows:
        if row.state == State.WAITING and lease:
            row.lease, row.due_at = lease, lease_ends_at
    with transaction.atomic():
        held = StripeWebhookEvent.objects.filter(credential=credential, event_id__in=[row.event_id for row in rows])
        known = set(held.values_list("account", "event_id"))
        lacking = [row for row in rows if (row.account, row.event_id) not in known]
        StripeWebhookEvent.objects.bulk_create(lacking, ignore_conflicts=True)
    return lacking


def _row(credential: StripeCredential, body: bytes, now: datetime, **values: Any) -> StripeWebhookEvent:
    facts = envelope.read(body, livemode=credential.livemode)
    due_at = now if facts["state"] == State.WAITING else None
    return StripeWebhookEvent(credential=credential, body=body, received_at=now, due_at=due_at, **facts, **values)


def _record(row: StripeWebhookEvent) -> StripeWebhookEvent:
    if not connection.features.can_return_columns_from_insert:
        return _record_in_steps(row)
    with connection.cursor() as cursor:
        cursor.execute(_statement(connection.vendor), _driver_values(row))
        row.pk, row.deliveries, source = cursor.fetchall()[0]  # all of them: SQLite commits after the last
    row._state.adding, row._state.db = False, connection.alias
    is_new = row.deliveries == 1 and source == Source.WEBHOOK
    return row if is_new else StripeWebhookEvent.objects.defer("body").get(pk=row.pk)


def _record_in_steps(row: StripeWebhookEvent) -> StripeWebhookEvent:
    """The same for databases that return nothing from an insert."""
    known = StripeWebhookEvent.objects.filter(**{name: getattr(row, name) for name in IDENTITY})
    row.deliveries = 0
    with transaction.atomic():
        StripeWebhookEvent.objects.bulk_create([row], ignore_conflicts=True)
        known.update(deliveries=F("deliveries") + 1, delivered_at=row.delivered_at)
        return known.defer("body").get()


def _driver_values(row: StripeWebhookEvent) -> list[Any]:
    values = [getattr(row, name) for name in _names()]
    for place, adapt in _adapters(connection.vendor):
        values[place] = adapt(values[place])
    return values


@lru_cache(maxsize=1)
def _fields() -> tuple[models.Field[Any, Any], ...]:
    return tuple(field for field in StripeWebhookEvent._meta.concrete_fields if not field.primary_key)


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(field.attname for field in _fields())


@lru_cache(maxsize=4)
def _adapters(vendor: str) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    """Return the places of values a driver does not take as they are, and what makes them so."""
    special = (models.DateTimeField, models.JSONField, models.BinaryField)
    return tuple(
        (place, partial(_adapted, field)) for place, field in enumerate(_fields()) if isinstance(field, special)
    )


def _adapted(field: models.Field[Any, Any], value: Any) -> Any:
    return None if value is None else field.get_db_prep_save(value, connection)


@lru_cache(maxsize=4)
def _statement(vendor: str) -> str:
    quote = connection.ops.quote_name
    table = quote(StripeWebhookEvent._meta.db_table)
    columns = ", ".join(quote(str(field.column)) for field in _fields())
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(_fields()))}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(IDENTITY)}) DO UPDATE "
        f"SET deliveries = {table}.deliveries + 1, delivered_at = excluded.delivered_at "
        "RETURNING id, deliveries, source"
    )
