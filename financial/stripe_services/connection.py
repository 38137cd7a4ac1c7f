"""The way to Stripe for a credential, and whose account its key opens."""

from __future__ import annotations

from financial import conf
from financial.gateway import AccountFacts, Budget, StripeGateway
from financial.models import StripeCredential, StripeRequest


def gateway_for(credential: StripeCredential) -> StripeGateway:
    """Return the way to Stripe for a credential.

    Raises:
        CredentialRefused: it has no key, one of the other mode, or a live one that would go elsewhere than to Stripe.
    """
    return StripeGateway(
        credential.usable_secret_key(),
        base_url=conf.get("STRIPE_BASE_URL"),
        connect_timeout_seconds=conf.get("STRIPE_CONNECT_TIMEOUT_SECONDS"),
        read_timeout_seconds=conf.get("STRIPE_READ_TIMEOUT_SECONDS"),
        attempts=conf.get("STRIPE_ATTEMPTS"),
        backoff_seconds=conf.get("STRIPE_BACKOFF_SECONDS"),
        budget=_budget_of(credential),
    )


def _budget_of(credential: StripeCredential) -> Budget:
    """All gateways of a credential in this process share its requests a second."""
    mode = "LIVE" if credential.livemode else "TEST"
    return Budget.shared(
        f"credential {credential.pk}",
        conf.get(f"STRIPE_{mode}_REQUESTS_PER_SECOND"),
        conf.get("STRIPE_ENDPOINT_REQUESTS_PER_SECOND"),
    )


def test_connection(credential: StripeCredential) -> AccountFacts:
    """Ask Stripe whose account the credential's key opens, and remember the account's id.

    Raises:
        CredentialRefused, GatewayError: the key cannot be used; the message says why and what to do.
    """
    facts = gateway_for(credential).account()
    StripeCredential.objects.filter(pk=credential.pk).update(
        account_id=facts.account_id, needs_attention="", paused_until=None, pause_reason="", pauses=0
    )
    return facts


test_connection.__test__ = False  # type: ignore[attr-defined]  # no test, whatever a collector thinks of the name


def was_sent(credential: StripeCredential | None, idempotency_key: str) -> bool:
    """Return whether a form with this key was sent to Stripe before, whatever came of it."""
    sent = StripeRequest.objects.filter(credential=credential, idempotency_key=idempotency_key[:255])
    return bool(sent.exists())


def request_id(credential: StripeCredential, idempotency_key: str) -> str:
    """Return under which id Stripe logged what a form did (`req_…`); empty where it is not known."""
    sent = StripeRequest.objects.filter(credential=credential, idempotency_key=idempotency_key)
    return str(sent.values_list("stripe_request_id", flat=True).first() or "")
