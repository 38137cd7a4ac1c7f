"""Writes to Stripe that survive a crash: the idempotency key is committed before the request is sent.

A repeated key with the same content gives the first result; with another content it is refused. After an unknown outcome
the same key is sent again, never a fresh one: at Stripe the thing is done once.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from django.db import transaction

from financial.errors import CardDeclined, GatewayError, IdempotencyConflict, OutcomeUnknown
from financial.mirror import store
from financial.mirror.resources import BY_NAME, Resource
from financial.models import MirrorRow, StripeCredential, StripeRequest

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

logger = logging.getLogger("financial.stripe_services.outbox")
State = StripeRequest.State
IN_FLIGHT = timedelta(seconds=90)


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
        IdempotencyConflict: the key stands for another request, or that request is still under way.
        GatewayError: Stripe refused; nothing was created, except that a declined payment exists, unpaid, and is mirrored.
        OutcomeUnknown: call again with the same key.
    """
    request, is_new = _open(credential, resource, body, idempotency_key or uuid.uuid4().hex)
    if request.state == State.DONE:
        return _row(credential, resource, request.object_stripe_id, gateway)
    if not is_new and not _take_over(request, now):
        raise IdempotencyConflict("The same form was sent a moment ago and is still being worked on.")
    seen = store.draw()
    try:
        payload = gateway.create(resource.service, body, idempotency_key=request.idempotency_key)
    except GatewayError as error:
        _close(request, State.UNKNOWN if isinstance(error, OutcomeUnknown) else State.REFUSED, error=error)
        if isinstance(error, CardDeclined) and error.payment_intent_id:
            fetch_and_save(credential, BY_NAME["payment_intent"], error.payment_intent_id, gateway)
        raise
    with transaction.atomic():
        row = store.save(credential, resource, payload, seen=seen, api_version=gateway.api_version)
        _close(request, State.DONE, object_stripe_id=str(payload["id"]))
    logger.info("%s created=%s", resource.name, payload["id"])
    return row or _row(credential, resource, str(payload["id"]), gateway)


def fetch_and_save(
    credential: StripeCredential, resource: Resource, stripe_id: str, gateway: StripeGateway
) -> MirrorRow | None:
    """Look at one object and write it by the mirror's rule; None if somebody wrote it meanwhile."""
    seen = store.draw()
    payload = gateway.fetch(resource.path, stripe_id)
    with transaction.atomic():
        return store.save(credential, resource, payload, seen=seen, api_version=gateway.api_version)


def _open(
    credential: StripeCredential, resource: Resource, body: Mapping[str, Any], key: str
) -> tuple[StripeRequest, bool]:
    fingerprint = hashlib.sha256(orjson.dumps([resource.service, body], option=orjson.OPT_SORT_KEYS)).hexdigest()
    request, is_new = StripeRequest.objects.get_or_create(
        credential=credential,
        idempotency_key=key,
        defaults={"operation": f"{resource.service}.create", "fingerprint": fingerprint},
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
