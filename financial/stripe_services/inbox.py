"""Webhooks by hand and by address: received, applied, replayed, fetched and set aside."""

from __future__ import annotations

import logging

import orjson
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.utils import timezone

from financial import conf, engines, signing, webhooks
from financial.errors import (
    CannotVerify,
    NotAuthentic,
)
from financial.mirror.masking import masked
from financial.models import (
    StripeCredential,
    StripeWebhookEvent,
)
from financial.stripe_services.connection import gateway_for

logger = logging.getLogger("financial.stripe_services")


def receive_webhook(body: bytes, signature: str, *, wake: bool = True) -> StripeWebhookEvent:
    """Store a webhook signed with any configured secret, and wake whoever applies it.

    Raises:
        WebhookRejected: it was not stored; `status` is the HTTP answer Stripe expects.
    """
    try:
        event = _received(body, signature)
    except (CannotVerify, ImproperlyConfigured) as error:
        logger.critical("webhooks are turned away until this is mended: %s", error)
        raise CannotVerify(str(error)) from error
    if wake and event.state == StripeWebhookEvent.State.WAITING:
        engines.wake()
    return event


def _received(body: bytes, signature: str) -> StripeWebhookEvent:
    try:
        return _receive(body, signature)
    except (NotAuthentic, CannotVerify):
        if not signing.may_have_changed():
            raise
    return _receive(body, signature)  # with secrets that another process may have stored just now


def _receive(body: bytes, signature: str) -> StripeWebhookEvent:
    return webhooks.receive(
        body,
        signature,
        signing.secrets(),
        now=timezone.now(),
        bytes_max=conf.get("WEBHOOK_MAX_BYTES"),
        tolerance_seconds=conf.get("WEBHOOK_TOLERANCE_SECONDS"),
    )


def replay_event(event: StripeWebhookEvent) -> bool:
    """Have an event applied again; False if it is one that must not be, or a worker has it right now."""
    return bool(replay_events(StripeWebhookEvent.objects.filter(pk=event.pk)))


def replay_dead_events(credential: StripeCredential) -> int:
    """Have the events applied again that could not be, and return how many."""
    return replay_events(StripeWebhookEvent.objects.filter(credential=credential, state=StripeWebhookEvent.State.DEAD))


def set_event_aside(event: StripeWebhookEvent) -> bool:
    """Close an event that needs nobody any more; False if it was not one that needed somebody."""
    return bool(webhooks.set_aside(StripeWebhookEvent.objects.filter(pk=event.pk)))


def event_payload(event: StripeWebhookEvent) -> str:
    """Return an event's payload as indented JSON without secrets, links and personal data; empty if it is no JSON."""
    try:
        payload = masked(orjson.loads(bytes(event.body or b"")))
        return orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return ""


def signing_secrets() -> list[webhooks.SigningSecret]:
    """Return every secret a webhook may be signed with: each credential's own, further ones, and the environment's."""
    return signing.secrets()


def replay_events(events: QuerySet[StripeWebhookEvent], *, wake: bool = True) -> int:
    """Let events be applied once more, and return how many wait now; those of another mode or account never do."""
    replayed = webhooks.replay(events, now=timezone.now())
    if wake and replayed:
        engines.wake()
    return replayed


def apply_events(events: QuerySet[StripeWebhookEvent]) -> None:
    """Apply what of these waits, in this process; how it went is on the rows."""
    webhooks.apply_held(events, gateway_for)


def fetch_event(credential: StripeCredential, event_id: str) -> StripeWebhookEvent:
    """Get an event that never came here from Stripe, which keeps them for 30 days, and put it into the inbox.

    Raises:
        ResourceMissing: Stripe does not know it.
        CredentialRefused, GatewayError: it could not be asked for.
    """
    payload = gateway_for(credential).fetch("/v1/events", event_id)
    source = StripeWebhookEvent.Source.REPLAY
    webhooks.file(credential, [orjson.dumps(payload)], source=source, now=timezone.now())
    return StripeWebhookEvent.objects.get(credential=credential, event_id=event_id)
