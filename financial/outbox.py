"""Writes to Stripe that survive a crash: the idempotency key is committed before the request is sent.

A repeated key with the same content gives the first result; with another content it is refused. After an unknown outcome
the same key is sent again, never a fresh one: at Stripe the thing is done once.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from django.db import transaction

from financial.errors import (
    CardDeclined,
    FinancialError,
    FormTooOld,
    GatewayError,
    IdempotencyConflict,
    OutcomeUnknown,
    RequestInFlight,
    ResourceMissing,
)
from financial.gateway import bodies
from financial.mirror import history, store
from financial.mirror.resources import BY_NAME, Resource, own_expand
from financial.models import MirrorRow, StripeCredential, StripeRequest

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

logger = logging.getLogger("financial.stripe_services.outbox")
State = StripeRequest.State
SUBSCRIPTION = BY_NAME["subscription"]
IN_FLIGHT = timedelta(seconds=90)
ABANDONED = timedelta(minutes=10)  # no call with its retries takes so long
KEY_LASTS = timedelta(hours=23)  # at Stripe a day
CLOCKS_DIFFER = timedelta(minutes=10)
LOOK_BACK = 1000  # objects of the kind created since


def create(
    credential: StripeCredential,
    resource: Resource,
    body: Mapping[str, Any],
    gateway: StripeGateway,
    *,
    idempotency_key: str | None,
    now: datetime,
) -> MirrorRow:
    """Create one object at Stripe and return its saved mirror row.

    Raises:
        IdempotencyConflict: the key stands for another request.
        RequestInFlight: that request is still under way.
        GatewayError: Stripe refused; nothing was created, except that a declined payment exists, unpaid, and is mirrored.
        OutcomeUnknown: call again with the same key.
    """
    key = idempotency_key or uuid.uuid4().hex
    request, is_new = _begin(credential, f"{resource.service}.create", body, key, now)
    if request.state == State.DONE:
        return _row(credential, resource, request.object_stripe_id, gateway)
    seen = store.draw()
    try:
        before = None if is_new else _done_before(request, resource, gateway, now)
        payload = before or _send(request, resource, body, gateway)
    except GatewayError as error:
        _close(request, State.UNKNOWN if isinstance(error, OutcomeUnknown) else State.REFUSED, error=error)
        if isinstance(error, CardDeclined) and error.payment_intent_id:
            fetch_and_save(credential, BY_NAME["payment_intent"], error.payment_intent_id, gateway)
        raise
    logger.info("%s created=%s", resource.name, payload["id"])
    return _keep(request, resource, payload, gateway, seen=seen)


def change(
    credential: StripeCredential,
    resource: Resource,
    stripe_id: str,
    method: str,
    body: Mapping[str, Any],
    gateway: StripeGateway,
    *,
    idempotency_key: str | None,
    now: datetime,
    is_done: Callable[[dict[str, Any]], bool],
) -> MirrorRow:
    """Do `method` ("update", "cancel", "capture") with one object at Stripe and return its mirror row as it is then.

    Where nobody knows whether it was done, the object is looked at and `is_done(payload)` says whether it shows it;
    the mirror shows in any case what Stripe shows. (Stripe repeats a 500 to the same key for a day.)

    Raises:
        FormTooOld: Stripe no longer knows the key, so that sending it again could do it twice.
        IdempotencyConflict, RequestInFlight, GatewayError, OutcomeUnknown: as `create`.
    """
    content = {"id": stripe_id, **body}
    key = idempotency_key or uuid.uuid4().hex
    request, is_new = _begin(credential, f"{resource.service}.{method}", content, key, now)
    if request.state == State.DONE:
        return _row(credential, resource, stripe_id, gateway)
    if not is_new and request.created_at <= now - KEY_LASTS:
        _close(request, State.REFUSED)
        raise FormTooOld("This form was sent first more than a day ago. Reload the page and look whether it was done.")
    seen = store.draw()
    payload: dict[str, Any]
    try:
        asked = bodies.expanded(body, own_expand(resource))
        payload = gateway.act(resource.service, method, stripe_id, asked, idempotency_key=key)
    except GatewayError as error:
        is_unknown = isinstance(error, OutcomeUnknown)
        found = _looked_at(credential, resource, stripe_id, gateway)
        # What is ended already is not found by whoever ends it; a DELETE has no key, and its first answer may be lost.
        may_be_done = is_unknown or isinstance(error, ResourceMissing)
        if not (may_be_done and found and is_done(found)):
            _close(request, State.UNKNOWN if is_unknown else State.REFUSED, error=error)
            raise
        payload = found
    logger.info("%s %s=%s", resource.name, method, stripe_id)
    return _keep(request, resource, payload, gateway, seen=seen)


def give_up_abandoned(*, now: datetime) -> int:
    """Say of requests whose process ended before the answer was kept that their outcome is unknown; return how many.

    Sent again, the same form finds what was done. What was done arrives by webhook or sync in any case.
    """
    abandoned = StripeRequest.objects.filter(state=State.SENDING, updated_at__lt=now - ABANDONED)
    said = "The process ended before Stripe's answer was kept. Send the same form again: it does it once."
    return abandoned.update(state=State.UNKNOWN, error=said, updated_at=now)


def once(
    credential: StripeCredential,
    operation: str,
    body: Mapping[str, Any],
    *,
    idempotency_key: str,
    now: datetime,
    send: Callable[[bool], dict[str, Any]],
    keep: Callable[[dict[str, Any]], None],
) -> str:
    """Do one write to what is not mirrored, and return the id of the object it concerned.

    `send(repeats)` asks Stripe with the idempotency key; `repeats` says that an earlier attempt was made so lately that
    Stripe gives its answer again. `keep(payload)` stores what must not be lost, in the transaction that closes the request.

    Raises:
        IdempotencyConflict, RequestInFlight, GatewayError: as `create`.
    """
    request, is_new = _begin(credential, operation, body, idempotency_key, now)
    if request.state == State.DONE:
        return str(request.object_stripe_id)
    try:
        payload = send(not is_new and request.created_at > now - KEY_LASTS)
    except GatewayError as error:
        _close(request, State.UNKNOWN if isinstance(error, OutcomeUnknown) else State.REFUSED, error=error)
        raise
    except FinancialError:
        _close(request, State.REFUSED)
        raise
    with transaction.atomic():
        keep(payload)
        _close(request, State.DONE, payload=payload)
    logger.info("%s done=%s", operation, payload["id"])
    return str(payload["id"])


def _send(
    request: StripeRequest, resource: Resource, body: Mapping[str, Any], gateway: StripeGateway
) -> dict[str, Any]:
    """Send it; after an unknown outcome look whether it was done, for Stripe repeats a 500 to the same key for a day."""
    key = request.idempotency_key
    try:
        asked = bodies.expanded(bodies.marked(body, key), own_expand(resource))
        return gateway.create(resource.service, asked, idempotency_key=key)
    except OutcomeUnknown as unknown:
        try:
            found = _find(request, resource, gateway)
        except GatewayError:
            found = None
        if found is None:
            raise unknown from None
        return found


def _done_before(
    request: StripeRequest, resource: Resource, gateway: StripeGateway, now: datetime
) -> dict[str, Any] | None:
    """Return what an earlier attempt created. Stripe forgets a key after a day: then nothing is sent before we know."""
    try:
        return _find(request, resource, gateway)
    except GatewayError as error:
        if request.created_at > now - KEY_LASTS:
            return None
        raise OutcomeUnknown(f"Whether it was done before cannot be told now ({error.message}). Try again.") from error


def _find(request: StripeRequest, resource: Resource, gateway: StripeGateway) -> dict[str, Any] | None:
    """Return what an earlier attempt created, by the mark it left in the metadata; None where there is no such thing."""
    since = int((request.created_at - CLOCKS_DIFFER).timestamp())
    recent = gateway.iterate(resource.path, {"created[gte]": since, **resource.list_params})
    return next((item for item in islice(recent, LOOK_BACK) if bodies.mark_of(item) == request.idempotency_key), None)


def fetch_and_save(
    credential: StripeCredential, resource: Resource, stripe_id: str, gateway: StripeGateway
) -> MirrorRow | None:
    """Look at one object and write it by the mirror's rule; None if somebody wrote it meanwhile.

    None, too, of what was deleted at Stripe and never mirrored.
    """
    return _fetched(credential, resource, stripe_id, gateway)[1]


def _looked_at(
    credential: StripeCredential, resource: Resource, stripe_id: str, gateway: StripeGateway
) -> dict[str, Any] | None:
    """Mirror an object as Stripe shows it now, and return it; None where it is gone or cannot be asked for."""
    try:
        payload, _ = _fetched(credential, resource, stripe_id, gateway)
    except GatewayError:
        return None
    return None if payload.get("deleted") else payload


def _fetched(
    credential: StripeCredential, resource: Resource, stripe_id: str, gateway: StripeGateway
) -> tuple[dict[str, Any], MirrorRow | None]:
    seen = store.draw()
    payload = gateway.fetch(resource.path, stripe_id, expand=own_expand(resource))
    return payload, _save(credential, resource, payload, gateway, seen=seen)


@transaction.atomic
def _save(
    credential: StripeCredential, resource: Resource, payload: dict[str, Any], gateway: StripeGateway, *, seen: int
) -> MirrorRow | None:
    """Write an answer by the mirror's rule, and what it tells of MRR with it, as a webhook would.

    Of what was deleted meanwhile Stripe shows a stub: the row keeps what it last showed, and is marked.
    """
    if payload.get("deleted"):
        store.mark_deleted(credential, resource, str(payload["id"]), now=gateway.now())
        return resource.model.objects.filter(credential=credential, stripe_id=payload["id"]).first()
    row = store.save(credential, resource, payload, seen=seen, api_version=gateway.api_version, shown_at=gateway.now())
    if resource is SUBSCRIPTION:
        history.take_in(credential, [str(payload["id"])])
    return row


def _begin(
    credential: StripeCredential, operation: str, body: Mapping[str, Any], key: str, now: datetime
) -> tuple[StripeRequest, bool]:
    """Return the request that stands for this key, ours to send unless it is done, and whether it is new."""
    request, is_new = _open(credential, operation, body, key)
    if not is_new and request.state != State.DONE and not _take_over(request, now):
        raise RequestInFlight("The same form was sent a moment ago and is still being worked on.")
    return request, is_new


def _open(
    credential: StripeCredential, operation: str, body: Mapping[str, Any], key: str
) -> tuple[StripeRequest, bool]:
    named = operation.removesuffix(".create")
    fingerprint = hashlib.sha256(orjson.dumps([named, body], option=orjson.OPT_SORT_KEYS)).hexdigest()
    request, is_new = StripeRequest.objects.get_or_create(
        credential=credential,
        idempotency_key=key,
        defaults={"operation": operation, "fingerprint": fingerprint},
    )
    if request.fingerprint != fingerprint:
        raise IdempotencyConflict("This form was already sent with other values.")
    return request, is_new


def _take_over(request: StripeRequest, now: datetime) -> bool:
    """Send again what was refused, or what nobody can be waiting for any more; one taker only."""
    if request.state == State.SENDING and request.updated_at > now - IN_FLIGHT:
        return False
    mine = StripeRequest.objects.filter(pk=request.pk, state=request.state, updated_at=request.updated_at)
    return bool(mine.update(state=State.SENDING, updated_at=now))


def _close(
    request: StripeRequest,
    state: State,
    *,
    payload: Mapping[str, Any] | None = None,
    error: GatewayError | None = None,
) -> None:
    """Keep what came of a request: Stripe's answer or its refusal, and under which id Stripe logged it."""
    said = error or payload
    request.state = state
    request.object_stripe_id = str(payload["id"]) if payload else ""
    request.error = error.message if error else ""
    request.stripe_request_id = getattr(said, "request_id", "") or ""  # what was only looked at has none
    request.save(update_fields=("state", "object_stripe_id", "error", "stripe_request_id", "updated_at"))


def _keep(
    request: StripeRequest, resource: Resource, payload: dict[str, Any], gateway: StripeGateway, *, seen: int
) -> MirrorRow:
    """Mirror Stripe's answer and close the request, both or neither, and return the row."""
    credential, stripe_id = request.credential, str(payload["id"])
    with transaction.atomic():
        row = _save(credential, resource, payload, gateway, seen=seen)
        _close(request, State.DONE, payload=payload)
    if row is None:  # somebody wrote it meanwhile, perhaps with what was before this
        with suppress(GatewayError):
            row = fetch_and_save(credential, resource, stripe_id, gateway)
    return row or _row(credential, resource, stripe_id, gateway)


def _row(credential: StripeCredential, resource: Resource, stripe_id: str, gateway: StripeGateway) -> MirrorRow:
    found = resource.model.objects.filter(credential=credential, stripe_id=stripe_id).first()
    return (
        found
        or fetch_and_save(credential, resource, stripe_id, gateway)
        or resource.model.objects.get(credential=credential, stripe_id=stripe_id)
    )
