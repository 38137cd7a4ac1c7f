"""One event through the line: verify → record → apply → close.

An event is a hint that an object changed, never the truth about it: the object is asked for again and written by the
mirror's rule, so that doubled, late and disordered deliveries all end in Stripe's present state. The raw body is stored
before anything is done with it; the row is closed in the same transaction as its effect. What fails is tried again with
growing pauses and then shown as needing attention; it never holds up another event.

Receives secrets and a gateway; knows neither keys nor HTTP answers.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from financial import notices
from financial.errors import BodyTooLarge, CannotVerify, FinancialError
from financial.gateway.signature import verify
from financial.ledger import journal
from financial.mirror import store
from financial.mirror.resources import BY_EVENT, BY_NAME, Resource, embeds, own_expand
from financial.mirror.translate import at, detach, reduce_to_id
from financial.models import StripeCredential, StripePaymentIntent, StripeWebhookEvent

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

logger = logging.getLogger("financial.stripe_services.webhooks")
State = StripeWebhookEvent.State
LEASE = timedelta(minutes=2)
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 120, 240, 480, 480))
ROUNDS_MAX = 5
Payload = dict[str, Any]
OpenGateway = Callable[[StripeCredential], "StripeGateway"]


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A secret a webhook may be signed with, and whose events those are."""

    credential: StripeCredential
    secret: str

    def __repr__(self) -> str:
        return f"<SigningSecret of {self.credential.pk}>"


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
    if not secrets:
        raise CannotVerify("No webhook signing secret is configured.")
    if len(body) > bytes_max:
        raise BodyTooLarge(f"The body is larger than {bytes_max} bytes.")
    signer = verify(
        body, header, [known.secret for known in secrets], now=now.timestamp(), tolerance_seconds=tolerance_seconds
    )
    event = _record(secrets[signer].credential, body, now)
    logger.info("event=%s type=%s state=%s deliveries=%s", event.event_id, event.type, event.state, event.deliveries)
    return event


def _record(credential: StripeCredential, body: bytes, now: datetime) -> StripeWebhookEvent:
    facts = _facts(credential, body)
    identity = {"credential": credential, "account": facts.pop("account"), "event_id": facts.pop("event_id")}
    row = StripeWebhookEvent(**identity, **facts, body=body, received_at=now, due_at=now, deliveries=0)
    with transaction.atomic():
        StripeWebhookEvent.objects.bulk_create([row], ignore_conflicts=True)
        StripeWebhookEvent.objects.filter(**identity).update(deliveries=F("deliveries") + 1)
        return StripeWebhookEvent.objects.get(**identity)


def _facts(credential: StripeCredential, body: bytes) -> dict[str, Any]:
    """Read the envelope; a body that is no event is kept all the same, under the digest of its bytes."""
    unreadable = {"account": "", "event_id": f"sha256:{hashlib.sha256(body).hexdigest()}", "state": State.QUARANTINED}
    try:
        event = orjson.loads(body)
        if event["object"] != "event" or not _is_id(event["id"]) or not isinstance(event["type"], str):
            return {**unreadable, "error": "The body is not an event."}
        subject = event["data"]["object"]
        facts: dict[str, Any] = {
            "account": str(event.get("account") or "")[:255],
            "event_id": event["id"],
            "type": event["type"][:255],
            "api_version": str(event.get("api_version") or "")[:64],
            "livemode": event.get("livemode") is True,
            "created_at": at(event["created"]),
            "object_type": str(subject.get("object") or "")[:64],
            "object_stripe_id": subject["id"] if _is_id(subject.get("id")) else "",
        }
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return {**unreadable, "error": "The body is not an event."}
    if any("\0" in value for value in facts.values() if isinstance(value, str)):
        return {**unreadable, "error": "The event's envelope holds a NUL."}
    return {**facts, **_routing(credential, facts)}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def _routing(credential: StripeCredential, facts: dict[str, Any]) -> dict[str, Any]:
    if facts["livemode"] != credential.livemode:
        return {"state": State.MISROUTED, "error": "The event is of the other mode than the credential."}
    if facts["account"]:
        return {"state": State.MISROUTED, "error": "The event belongs to a connected account."}
    if facts["type"] not in BY_EVENT:
        return {"state": State.IGNORED}
    if not facts["object_stripe_id"] or facts["object_type"] != BY_EVENT[facts["type"]].name:
        return {"state": State.QUARANTINED, "error": "The event does not carry the object its type names."}
    return {"state": State.WAITING}


def apply_due(open_gateway: OpenGateway, *, now: datetime, limit: int = 500) -> int:
    """Apply the events that are due, oldest first, and return how many were tried."""
    tried = 0
    while tried < limit and (event := _claim_next(now)):
        apply(event, open_gateway, now=now)
        tried += 1
    return tried


def claim(event: StripeWebhookEvent, *, now: datetime) -> bool:
    """Take a waiting event for as long as a lease lasts; False if another worker has it or it is closed."""
    mine = StripeWebhookEvent.objects.filter(pk=event.pk, state=State.WAITING, due_at=event.due_at).update(
        due_at=now + LEASE, attempts=F("attempts") + 1
    )
    if mine:
        event.due_at, event.attempts = now + LEASE, event.attempts + 1
    return bool(mine)


def _claim_next(now: datetime) -> StripeWebhookEvent | None:
    due = StripeWebhookEvent.objects.filter(state=State.WAITING, due_at__lte=now).order_by("due_at", "id")
    return next((event for event in due.select_related("credential")[:20] if claim(event, now=now)), None)


def apply(event: StripeWebhookEvent, open_gateway: OpenGateway, *, now: datetime) -> StripeWebhookEvent:
    """Bring the mirror and the books up to date with a claimed event's object, and close the event.

    Never raises for what went wrong with this event: the error is on the row, with the time of the next attempt.
    """
    try:
        _bring_up_to_date(event, open_gateway(event.credential), now)
        logger.info("event=%s type=%s outcome=done", event.event_id, event.type)
    except FinancialError as error:
        _postpone(event, str(error), now)
    except Exception as error:  # a poison event must not stop the others
        logger.exception("event=%s type=%s", event.event_id, event.type)
        _postpone(event, f"{type(error).__name__}: see the log of financial.stripe_services.", now)
    event.refresh_from_db()
    return event


def _postpone(event: StripeWebhookEvent, error: str, now: datetime) -> None:
    exhausted = event.attempts > len(PAUSES)
    state = State.DEAD if exhausted else State.WAITING
    due_at = None if exhausted else now + PAUSES[event.attempts - 1]
    logger.warning("event=%s type=%s outcome=%s error=%s", event.event_id, event.type, state, error)
    StripeWebhookEvent.objects.filter(pk=event.pk).update(state=state, due_at=due_at, error=error)


def _bring_up_to_date(event: StripeWebhookEvent, gateway: StripeGateway, now: datetime) -> None:
    resource = BY_EVENT[event.type]
    for _ in range(ROUNDS_MAX):
        seen = store.draw()
        found = _look(event, resource, gateway)
        parents = _parents(event.credential, found, gateway)
        with transaction.atomic():
            if _write(event.credential, resource, event.object_stripe_id, [*parents, *found], seen, gateway, now):
                _book(event, found, now)
                StripeWebhookEvent.objects.filter(pk=event.pk).update(
                    state=State.DONE, due_at=None, error="", handled_at=timezone.now()
                )
                return
            transaction.set_rollback(True)
    raise FinancialError(f"{event.object_stripe_id} kept changing while it was read; it is tried again later.")


def _look(event: StripeWebhookEvent, resource: Resource, gateway: StripeGateway) -> list[Payload]:
    """Return the object as it is now with what is embedded in it, parents first; nothing if it is gone."""
    if event.type in resource.gone:
        return []
    payload = gateway.look(resource.path, event.object_stripe_id, expand=resource.expand)
    if payload is None:
        return []
    payload, embedded = detach(payload, embeds(resource))
    return [payload, *reversed([item for item in embedded if item.get("object") in BY_NAME])]


def _parents(credential: StripeCredential, found: Sequence[Payload], gateway: StripeGateway) -> list[Payload]:
    """Fetch what the objects point to and the mirror lacks, and what that points to; a parent Stripe lacks is left out."""
    fetched: dict[str, Payload] = {}
    waiting = list(found)
    held = {str(payload["id"]) for payload in found}
    while waiting:
        payload = waiting.pop()
        for parent, stripe_id in store.missing_parents(credential, BY_NAME[payload["object"]], payload):
            if stripe_id in held:
                continue
            held.add(stripe_id)
            looked = gateway.look(parent.path, stripe_id, expand=own_expand(parent))
            if looked is not None:
                fetched[stripe_id] = looked
                waiting.append(looked)
    order = list(BY_NAME)
    return sorted(fetched.values(), key=lambda payload: order.index(payload["object"]))


def _write(
    credential: StripeCredential,
    resource: Resource,
    stripe_id: str,
    payloads: Sequence[Payload],
    seen: int,
    gateway: StripeGateway,
    now: datetime,
) -> bool:
    """Save everything by the write rule; False if somebody else wrote one of the rows since we asked."""
    if not any(payload["id"] == stripe_id for payload in payloads):
        store.mark_deleted(credential, resource, stripe_id, now=now)
    return all(
        store.save(
            credential,
            BY_NAME[payload["object"]],
            payload,
            seen=seen,
            api_version=gateway.api_version,
            shown_at=gateway.now(),
        )
        for payload in payloads
    )


def _book(event: StripeWebhookEvent, found: Sequence[Payload], now: datetime) -> None:
    """Book the payments this event speaks of, and tell their customers."""
    ids = {payload["id"] for payload in found if payload["object"] == "payment_intent"}
    ids |= {reduce_to_id(payload.get("payment_intent")) for payload in found if payload["object"] == "charge"} - {""}
    payments = list(StripePaymentIntent.objects.filter(credential=event.credential, stripe_id__in=ids))
    journal.book(event.credential, payments, now=now)
    if event.type in notices.KIND_BY_EVENT:
        for payment in payments:
            notices.prepare(payment, notices.KIND_BY_EVENT[event.type])


def replay(events: QuerySet[StripeWebhookEvent], *, now: datetime) -> int:
    """Let events be applied (again) from the start, and return how many; what must never be applied is left alone."""
    closed = events.filter(state__in=(State.DONE, State.DEAD)).exclude(object_stripe_id="")
    waiting = events.filter(state=State.WAITING, lease="")
    again = {"state": State.WAITING, "due_at": now, "lease": "", "attempts": 0, "error": "", "handled_at": None}
    return closed.update(**again, first_attempt_at=None) + waiting.update(**again)


def set_aside(events: QuerySet[StripeWebhookEvent]) -> int:
    """Close events that need nobody any more, and return how many; those that need nobody are left alone."""
    return events.filter(state__in=(State.DEAD, State.QUARANTINED, State.MISROUTED)).update(state=State.IGNORED)
