"""The app's front door: `StripeService`, and the wiring credential → gateway → step.

Every function is one call further; no rules, no SQL, no HTTP live here.
"""

from __future__ import annotations

from financial.gateway.offers import Offer
from financial.gateway.previews import InvoicePreview
from financial.gateway.subscription_bodies import ItemChange
from financial.mirror.resources import RESOURCES
from financial.mirror.terms import Reduction, Terms, hosted_invoice_url, monthly_minor, terms_of
from financial.previews import Outlook
from financial.stripe_services.connection import gateway_for, request_id, test_connection, was_sent
from financial.stripe_services.fetching import fetch_object
from financial.stripe_services.inbox import (
    apply_events,
    event_payload,
    fetch_event,
    receive_webhook,
    replay_dead_events,
    replay_event,
    replay_events,
    set_event_aside,
    signing_secrets,
)
from financial.stripe_services.prices import tiers_of
from financial.stripe_services.registration import (
    correct_webhook,
    keep_previous_webhook_secret,
    register_webhook,
    unfinished_registration,
    webhook_registration,
    webhook_url_refusal,
)
from financial.stripe_services.service import StripeService
from financial.stripe_services.syncing import rebuild_mrr, request_sync, run_sync, sync_now

RESOURCE_NAMES = tuple(resource.name for resource in RESOURCES)  # of what is mirrored, parents first

__all__ = [
    "RESOURCE_NAMES",
    "InvoicePreview",
    "ItemChange",
    "Offer",
    "Outlook",
    "Reduction",
    "StripeService",
    "Terms",
    "apply_events",
    "correct_webhook",
    "event_payload",
    "fetch_event",
    "fetch_object",
    "gateway_for",
    "hosted_invoice_url",
    "keep_previous_webhook_secret",
    "monthly_minor",
    "rebuild_mrr",
    "receive_webhook",
    "register_webhook",
    "replay_dead_events",
    "replay_event",
    "replay_events",
    "request_id",
    "request_sync",
    "run_sync",
    "set_event_aside",
    "signing_secrets",
    "sync_now",
    "terms_of",
    "test_connection",
    "tiers_of",
    "unfinished_registration",
    "was_sent",
    "webhook_registration",
    "webhook_url_refusal",
]
