"""Writes to Stripe that survive a crash: the idempotency key is committed before the request is sent.

A repeated key with the same content gives the first result; with another content it is refused. After an unknown outcome
the same key is sent again, never a fresh one: at Stripe the thing is done once.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from django.db import transaction

from financial.errors import (
    CardDeclined,
    FinancialError,
    GatewayError,
    IdempotencyConflict,
    OutcomeUnknown,
    RequestInFlight,
)
from financial.gateway import bodies
from financial.mirror import store
from financial.mirror.resources import BY_NAME, Resource, own_expand
from financial.models import MirrorRow, StripeCredential, StripeRequest

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

logger = logging.getLogger("financial.stripe_services.outbox")
State = StripeRequest.State
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
    request, is_new = _open(credential, f"{resource.service}.create", body, idempotency_key or uuid.uuid4().hex)
    if request.state == State.DONE:
        return _row(credential, resource, request.object_stripe_id, gateway)
    if not is_new and not _take_over(request, now):
        raise RequestInFlight("The same form was sent a moment ago and is still being worked on.")
    seen = store.draw()
    try:
        before = None if is_new else _done_before(request, resource, gateway, now)
        payload = before or _send(request, resource, body, gateway)
    except GatewayError as error:
        _close(request, State.UNKNOWN if isinstance(error, OutcomeUnknown) else State.REFUSED, error=error)
        if isinstance(error, CardDeclined) and error.payment_intent_id:
            fetch_and_save(credential, BY_NAME["payment_intent"], error.payment_intent_id, gateway)
        raise
    with transaction.atomic():
        row = store.save(
            credential, resource, payload, seen=seen, api_version=gateway.api_version, shown_at=gateway.now()
        )
        _close(request, State.DONE, object_stripe_id=str(payload["id"]))
    logger.info("%s created=%s", resource.name, payload["id"])
    return row or _row(credential, resource, str(payload["id"]), gateway)


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
    request, is_new = _open(credential, operation, body, idempotency_key)
    if request.state == State.DONE:
        return str(request.object_stripe_id)
    if not is_new and not _take_over(request, now):
        raise RequestInFlight("The same form was sent a moment ago and is still being worked on.")
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
        _close(request, State.DONE, object_stripe_id=str(payload["id"]))
    logger.info("%s done=%s", operation, payload["id"])
    return str(payload["id"])


def _send(
    request: StripeRequest, resource: Resource, body: Mapping[str, Any], gateway: StripeGateway
) -> dict[str, Any]:
    """Send it; after an unknown outcome look whether it was done, for Stripe repeats a 500 to the same key for a day."""
    key = request.idempotency_key
    try:
        return gateway.create(resource.service, bodies.marked(body, key), idempotency_key=key)
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
    """Look at one object and write it by the mirror's rule; None if somebody wrote it meanwhile."""
    seen = store.draw()
    payload = gateway.fetch(resource.path, stripe_id, expand=own_expand(resource))
    with transaction.atomic():
        return store.save(
            credential, resource, payload, seen=seen, api_version=gateway.api_version, shown_at=gateway.now()
        )


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
    request: StripeRequest, state: State, *, object_stripe_id: str = "", error: GatewayError | None = None
) -> None:
    request.state = state
    request.object_stripe_id = object_stripe_id
    request.error = error.message if error else ""
    request.stripe_request_id = error.request_id if error else ""
    request.save(update_fields=("state", "object_stripe_id", "error", "stripe_request_id", "updated_at"))


def _row(credential: StripeCredential, resource: Resource, stripe_id: str, gateway: StripeGateway) -> MirrorRow:
    found = resource.model.objects.filter(credential=credential, stripe_id=stripe_id).first()
    return (
        found
        or fetch_and_save(credential, resource, stripe_id, gateway)
        or resource.model.objects.get(credential=credential, stripe_id=stripe_id)
    )
