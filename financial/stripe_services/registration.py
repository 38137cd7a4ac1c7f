"""The webhook endpoint at Stripe: looked at, registered, corrected, its secret rolled."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.utils import timezone

from financial import conf, endpoints, signing
from financial.errors import (
    FinancialError,
)
from financial.models import (
    StripeCredential,
)
from financial.stripe_services.connection import gateway_for


def webhook_registration(credential: StripeCredential, url: str) -> endpoints.Registration:
    """Ask Stripe for the endpoint with this address; one request per hundred endpoints.

    Raises:
        CredentialRefused, GatewayError: Stripe could not be asked; the message says why and what to do.
    """
    return endpoints.look(url, gateway_for(credential))


def webhook_url_refusal(credential: StripeCredential, url: str) -> str:
    """Return why Stripe would not deliver to this address, in words; empty if it would."""
    is_stripe = urlsplit(conf.get("STRIPE_BASE_URL")).hostname == "api.stripe.com"
    return endpoints.refusal(url, livemode=credential.livemode, is_stripe=is_stripe)


def register_webhook(credential: StripeCredential, url: str, *, idempotency_key: str) -> str:
    """Register this address at Stripe with the events we apply, store its signing secret, and return its id.

    Raises:
        FinancialError: nothing was registered, or nobody knows; then the same key finishes it.
    """
    if refusal := webhook_url_refusal(credential, url):
        raise FinancialError(refusal)
    gateway = gateway_for(credential)
    return endpoints.register(credential, url, gateway, idempotency_key=idempotency_key, now=timezone.now())


def unfinished_registration(credential: StripeCredential) -> str:
    """Return the key with which `register_webhook` finishes what was begun; empty if nothing is open."""
    return endpoints.unfinished(credential, now=timezone.now())


def correct_webhook(credential: StripeCredential, endpoint_id: str, *, idempotency_key: str) -> str:
    """Have an endpoint sent exactly the events we apply, and return its id.

    Raises:
        FinancialError: as `register_webhook`.
    """
    gateway = gateway_for(credential)
    return endpoints.correct(credential, endpoint_id, gateway, idempotency_key=idempotency_key, now=timezone.now())


def keep_previous_webhook_secret(credential: StripeCredential, secret: str) -> None:
    """Accept the signing secret that was just replaced for another day."""
    signing.keep_previous(credential, secret, now=timezone.now())
