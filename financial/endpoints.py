"""The webhook endpoint at Stripe: look at it, register it, correct its list of events, keep its signing secret.

The secret is in Stripe's answer to the registration and in no other. It is stored, encrypted, in the transaction that closes
the request; secrets that were valid before stay valid.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from financial import outbox
from financial.errors import CredentialRefused, FinancialError, OutcomeUnknown
from financial.gateway import WebhookEndpoint, bodies
from financial.gateway.endpoints import correction, registration, secret_of
from financial.mirror.resources import EVENT_TYPES
from financial.models import StripeCredential, StripeRequest, StripeWebhookSecret

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

SERVICE = "webhook_endpoints"


@dataclass(frozen=True)
class Registration:
    """What is at Stripe for an address: the endpoint, if there is one, and how its list of events differs from ours."""

    url: str
    wanted: tuple[str, ...]
    endpoint: WebhookEndpoint | None
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether everything wanted is sent; types nobody wants do no harm."""
        return self.endpoint is not None and self.endpoint.is_enabled and not self.missing


def look(url: str, gateway: StripeGateway) -> Registration:
    """Ask Stripe whether an endpoint with this address is registered, and compare its events with ours."""
    found = [endpoint for endpoint in gateway.webhook_endpoints() if _same(endpoint.url, url)]
    endpoint = next((one for one in found if one.is_enabled), found[0] if found else None)
    if endpoint is None:
        return Registration(url, EVENT_TYPES, None)
    return Registration(url, EVENT_TYPES, endpoint, endpoint.lacks(EVENT_TYPES), endpoint.has_besides(EVENT_TYPES))


def refusal(url: str, *, livemode: bool, is_stripe: bool) -> str:
    """Return why Stripe would not deliver to an address, empty if it would. `is_stripe`: not a sandbox on this machine."""
    address = urlsplit(url)
    if livemode and address.scheme != "https":
        return "In live mode Stripe delivers to https addresses only."
    if is_stripe and not _is_public(address.hostname or ""):
        return (
            f"Stripe cannot reach {address.hostname or 'this address'}: it is an address of this machine or network. Open "
            "this page by the public name of the site, or set FINANCIAL_WEBHOOK_URL."
        )
    return ""


def register(
    credential: StripeCredential, url: str, gateway: StripeGateway, *, idempotency_key: str, now: datetime
) -> str:
    """Register the endpoint with the events we apply and our API version, keep its secret, and return its id.

    Raises:
        FinancialError: an endpoint with this address exists, or the credential's keys are not ours to keep.
        GatewayError: Stripe refused, or nobody knows; then the same key finishes what was begun.
    """
    if credential.is_from_environment:
        raise CredentialRefused(
            "The keys of this credential are in the environment, where no secret can be stored. Add the endpoint in "
            "Stripe and put its signing secret into STRIPE_WEBHOOK_SECRETS."
        )
    body = registration(url, EVENT_TYPES, gateway.api_version)

    def send(repeats: bool) -> dict[str, Any]:
        if not repeats and look(url, gateway).endpoint is not None:
            raise FinancialError("An endpoint with this address is registered already. Reload the page to see it.")
        payload = gateway.create(SERVICE, bodies.marked(body, idempotency_key), idempotency_key=idempotency_key)
        if not secret_of(payload):
            raise OutcomeUnknown("Stripe did not say the signing secret.")
        return payload

    return outbox.once(
        credential,
        f"{SERVICE}.create",
        body,
        idempotency_key=idempotency_key,
        now=now,
        send=send,
        keep=lambda payload: _keep_secret(credential, payload),
    )


def unfinished(credential: StripeCredential, *, now: datetime) -> str:
    """Return the key of a registration of which nobody knows whether it was done; sent again, it gives the secret."""
    begun = StripeRequest.objects.filter(credential=credential, operation=f"{SERVICE}.create").order_by("-id").first()
    is_open = begun is not None and begun.state in (StripeRequest.State.UNKNOWN, StripeRequest.State.SENDING)
    return begun.idempotency_key if begun and is_open and begun.created_at > now - outbox.KEY_LASTS else ""


def correct(
    credential: StripeCredential, endpoint_id: str, gateway: StripeGateway, *, idempotency_key: str, now: datetime
) -> str:
    """Have the endpoint sent exactly the events we apply, enabled if it was not, and return its id."""
    body = correction(EVENT_TYPES)
    return outbox.once(
        credential,
        f"{SERVICE}.update",
        {"id": endpoint_id, **body},
        idempotency_key=idempotency_key,
        now=now,
        send=lambda repeats: gateway.act(SERVICE, "update", endpoint_id, body, idempotency_key=idempotency_key),
        keep=lambda payload: None,
    )


def _keep_secret(credential: StripeCredential, payload: Mapping[str, Any]) -> None:
    """Store the new secret beside what is valid already; a credential without one gets it as its own."""
    row = StripeCredential.objects.select_for_update().get(pk=credential.pk)
    if not row.webhook_secret:
        row.webhook_secret = secret_of(payload)
        row.save(update_fields=("webhook_secret", "updated_at"))
        return
    endpoint_id = str(payload["id"])
    StripeWebhookSecret.objects.get_or_create(
        credential=row,
        label=endpoint_id[:64],
        defaults={"endpoint_stripe_id": endpoint_id, "secret": secret_of(payload)},
    )


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def _is_public(host: str) -> bool:
    """Whether a name or number can be one that the internet reaches."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".test", ".internal", ".lan", ".example"))
