"""Who works on which event, and when: claims, leases, pauses, endings. The only writer of an event's state.

A claim moves `due_at` to the end of a lease in the same statement that takes the event, so a worker that dies gives it back
by doing nothing. What ends a lease is guarded by it: who lost a lease changes nothing any more.
"""

from __future__ import annotations

import logging
import secrets
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from financial import conf
from financial.models import StripeCredential, StripeWebhookEvent

logger = logging.getLogger("financial.stripe_services.webhooks")
State = StripeWebhookEvent.State
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 120, 240, 480, 480))
JITTER = 0.1  # of a pause: what failed together shall not come back together
OUTAGE_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 20, 40, 60))
REFUSAL_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
COVERED_AT_ONCE = 200
SAME_OBJECTS_MAX = 1000  # events closed by one look; what is left is due, and next
Change = dict[str, str]


@dataclass(slots=True)
class Lease:
    """Events that are ours until `due_at`, and the token that proves it."""

    token: str
    events: list[StripeWebhookEvent]
    now: datetime
    length: timedelta
    _began: float = field(default_factory=time.monotonic)
    _renewed: float = 0.0

    @property
    def renewal_seconds(self) -> float:
        return self.length.total_seconds() / 3

    def keep(self) -> None:
        """Renew, once a third of it has passed: whoever still works keeps what is not closed yet."""
        elapsed = time.monotonic() - self._began
        if elapsed - self._renewed >= self.renewal_seconds:
            self._renewed = elapsed
            ends_at = self.now + timedelta(seconds=elapsed) + self.length
            self.rows().update(due_at=ends_at)

    def rows(self) -> QuerySet[StripeWebhookEvent]:
        """What of it is still ours and open."""
        return StripeWebhookEvent.objects.filter(state=State.WAITING, lease=self.token).filter(
            pk__in=[event.pk for event in self.events]
        )


def claim(event: StripeWebhookEvent, *, now: datetime) -> bool:
    """Take a waiting event for as long as a lease lasts; False if another worker has it or it is closed."""
    token = _token()
    mine = StripeWebhookEvent.objects.filter(pk=event.pk, state=State.WAITING, due_at=event.due_at)
    if not _take(mine, token, now):
        return False
    _mark_taken(event, token, now)
    return True


def claim_due(*, now: datetime, size: int) -> Lease | None:
    """Take at most `size` events that are due, oldest first, and all that wait for the same objects; None if none are.

    Of a credential that is paused nothing is taken.
    """
    if not _due(now).exists():  # without a transaction: workers look often, and mostly in vain
        return None
    with transaction.atomic():
        events = list(_unlocked(_due(now))[:size])
        return _lease(events + _of_the_same_objects(events, now), now) if events else None


def claim_of(rows: QuerySet[StripeWebhookEvent], *, now: datetime, size: int) -> Lease | None:
    """Take at most `size` of these waiting events, whoever's lease they are under, and all of the same objects."""
    with transaction.atomic():
        events = list(_unlocked(rows.filter(state=State.WAITING).order_by("due_at", "id"))[:size])
        return _lease(events + _of_the_same_objects(events, now), now) if events else None


def lease_of(event: StripeWebhookEvent, *, now: datetime) -> Lease:
    """Return the lease a claimed event is under, with all that wait for the same object."""
    event.credential = StripeCredential.objects.get(pk=event.credential_id)  # as it is now: paused, or with another key
    with transaction.atomic():
        others = _of_the_same_objects([event], now)
        if others:
            _take(StripeWebhookEvent.objects.filter(pk__in=[other.pk for other in others]), event.lease, now)
        for other in others:
            _mark_taken(other, event.lease, now)
    return Lease(event.lease, [event, *others], now, _lease_length())


def close(lease: Lease, endings: Sequence[tuple[StripeWebhookEvent, list[Change]]], *, now: datetime) -> None:
    """Mark events done, with what applying them changed; in the transaction of that change."""
    table = connection.ops.quote_name(StripeWebhookEvent._meta.db_table)
    cast = "::jsonb" if connection.vendor == "postgresql" else ""
    handled_at = connection.ops.adapt_datetimefield_value(now)
    sql = (
        f"UPDATE {table} SET state = %s, due_at = NULL, lease = '', error = '', handled_at = %s, changes = %s{cast} "  # noqa: S608
        "WHERE id = %s AND lease = %s AND state = %s"
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            sql,
            [
                (
                    State.DONE.value,
                    handled_at,
                    orjson.dumps(changes).decode(),
                    event.pk,
                    lease.token,
                    State.WAITING.value,
                )
                for event, changes in endings
            ],
        )


def postpone(lease: Lease, events: Iterable[StripeWebhookEvent], error: str, *, now: datetime) -> None:
    """Try again after a pause that grows with the attempts; after the last one the event needs attention."""
    for event in events:
        exhausted = event.attempts > len(PAUSES)
        state = State.DEAD if exhausted else State.WAITING
        due_at = None if exhausted else now + _with_jitter(PAUSES[event.attempts - 1], event)
        logger.warning("event=%s type=%s outcome=%s error=%s", event.event_id, event.type, state, error)
        lease.rows().filter(pk=event.pk).update(state=state, due_at=due_at, lease="", error=error)


def release(lease: Lease, events: Iterable[StripeWebhookEvent], error: str, *, now: datetime) -> None:
    """Give events back as if they had not been tried: it was not their fault."""
    pks = [event.pk for event in events]
    lease.rows().filter(pk__in=pks).update(due_at=now, lease="", error=error, attempts=Greatest(F("attempts") - 1, 0))


def pause(credential: StripeCredential, error: str, *, is_refusal: bool, now: datetime) -> None:
    """Apply nothing of this credential for a while, longer each time in a row."""
    steps = REFUSAL_PAUSES if is_refusal else OUTAGE_PAUSES
    wait = steps[min(credential.pauses, len(steps) - 1)]
    logger.error("credential=%s no event is applied for %s s: %s", credential.pk, int(wait.total_seconds()), error)
    changes: dict[str, Any] = {"needs_attention": error[:500]} if is_refusal else {}
    StripeCredential.objects.filter(pk=credential.pk).update(
        paused_until=now + wait, pause_reason=error[:500], pauses=F("pauses") + 1, **changes
    )


def note(credential: StripeCredential, error: str) -> None:
    """Say on the credential what needs a person, without pausing it: others of its events go on."""
    StripeCredential.objects.filter(pk=credential.pk).update(needs_attention=error[:500])


def resume(credential: StripeCredential) -> None:
    """End a pause, and what it said needs attention: Stripe answered."""
    if credential.pauses:
        rows = StripeCredential.objects.filter(pk=credential.pk)
        rows.filter(needs_attention=F("pause_reason")).update(needs_attention="")
        rows.update(paused_until=None, pause_reason="", pauses=0)


def stripe_answered_since(event: StripeWebhookEvent) -> bool:
    """Whether an event that came after this one's first attempt was applied: then Stripe is there."""
    return StripeWebhookEvent.objects.filter(
        credential=event.credential_id, state=State.DONE, received_at__gt=event.first_attempt_at or event.received_at
    ).exists()


def replay(events: QuerySet[StripeWebhookEvent], *, now: datetime) -> int:
    """Let events be applied (again) from the start, and return how many; what must never be applied is left alone."""
    closed = events.filter(state__in=(State.DONE, State.DEAD)).exclude(object_stripe_id="")
    waiting = events.filter(state=State.WAITING, lease="")
    again = {"state": State.WAITING, "due_at": now, "lease": "", "attempts": 0, "error": "", "handled_at": None}
    tried_before = waiting.update(**again)
    return tried_before + closed.update(**again, first_attempt_at=None, last_attempt_at=None)


def hold(events: QuerySet[StripeWebhookEvent], *, lease: str, until: datetime) -> None:
    """Keep workers off what of these waits, for whoever applies it together; what needs attention gets one more attempt."""
    free = Q(lease="") | Q(due_at__lte=timezone.now())
    events.filter(free, state=State.WAITING).update(lease=lease, due_at=until)
    events.filter(state=State.DEAD).update(state=State.WAITING, lease=lease, due_at=until, attempts=len(PAUSES))


def cover(events: QuerySet[StripeWebhookEvent], *, by: str, now: datetime) -> int:
    """Close waiting events whose objects were read otherwise since, and return how many."""
    closed = 0
    while rows := list(
        events.filter(state=State.WAITING).only("pk", "object_type", "object_stripe_id")[:COVERED_AT_ONCE]
    ):
        for row in rows:
            row.state, row.lease, row.due_at, row.error, row.handled_at = State.DONE, "", None, "", now
            row.changes = [{"object": row.object_type, "id": row.object_stripe_id, "change": "covered", "by": by}]
        fields = ("state", "lease", "due_at", "error", "handled_at", "changes")
        closed += StripeWebhookEvent.objects.bulk_update(rows, fields)
    return closed


def set_aside(events: QuerySet[StripeWebhookEvent]) -> int:
    """Close events that need nobody any more, and return how many; those that need nobody are left alone."""
    return events.filter(state__in=(State.DEAD, State.QUARANTINED, State.MISROUTED)).update(state=State.IGNORED)


def _due(now: datetime) -> QuerySet[StripeWebhookEvent]:
    paused = StripeCredential.objects.filter(paused_until__gt=now).values("pk")
    due = StripeWebhookEvent.objects.filter(state=State.WAITING, due_at__lte=now).exclude(credential__in=paused)
    return due.order_by("due_at", "id")


def _of_the_same_objects(events: Sequence[StripeWebhookEvent], now: datetime) -> list[StripeWebhookEvent]:
    """Return what else waits for these objects and is nobody's: one look at an object serves all its events."""
    same = Q()
    for credential_id in {event.credential_id for event in events}:
        ids = {event.object_stripe_id for event in events if event.credential_id == credential_id}
        same |= Q(credential=credential_id, object_stripe_id__in=ids)
    if not same:
        return []
    free = Q(lease="") | Q(due_at__lte=now)
    others = StripeWebhookEvent.objects.filter(same, free, state=State.WAITING)
    others = others.exclude(pk__in=[event.pk for event in events]).order_by("id")
    return list(_unlocked(others)[:SAME_OBJECTS_MAX])


def _unlocked(rows: QuerySet[StripeWebhookEvent]) -> QuerySet[StripeWebhookEvent]:
    """Lock the rows, passing over those another worker is taking; where that is not possible, the update decides."""
    rows = rows.defer("body", "changes")
    return rows.select_for_update(skip_locked=True) if connection.features.has_select_for_update_skip_locked else rows


def _lease(events: list[StripeWebhookEvent], now: datetime) -> Lease:
    token = _token()
    _take(StripeWebhookEvent.objects.filter(pk__in=[event.pk for event in events], state=State.WAITING), token, now)
    credentials = StripeCredential.objects.in_bulk({event.credential_id for event in events})
    for event in events:
        event.credential = credentials[event.credential_id]
        _mark_taken(event, token, now)
    return Lease(token, events, now, _lease_length())


def _take(rows: QuerySet[StripeWebhookEvent], token: str, now: datetime) -> int:
    return rows.update(
        lease=token,
        due_at=now + _lease_length(),
        attempts=F("attempts") + 1,
        first_attempt_at=Coalesce("first_attempt_at", now),
        last_attempt_at=now,
    )


def _mark_taken(event: StripeWebhookEvent, token: str, now: datetime) -> None:
    event.lease, event.due_at, event.attempts = token, now + _lease_length(), event.attempts + 1
    event.first_attempt_at, event.last_attempt_at = event.first_attempt_at or now, now


def _lease_length() -> timedelta:
    return timedelta(seconds=conf.get("WEBHOOK_LEASE_SECONDS"))


def _token() -> str:
    return secrets.token_hex(16)


def _with_jitter(wait: timedelta, event: StripeWebhookEvent) -> timedelta:
    """Up to a tenth more, another for each event and attempt but always the same one."""
    share = zlib.crc32(f"{event.event_id} {event.attempts}".encode()) / 2**32
    return wait * (1 + JITTER * share)
