from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from financial import stripe_services, webhooks
from financial.models import StripeCredential, StripeWebhookEvent
from tests import payloads
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.stripe_stub import StripeStub

Deliver = Callable[..., StripeWebhookEvent]
Work = Callable[..., int]


@pytest.fixture
def deliver(credential: StripeCredential, stripe_stub: StripeStub) -> Deliver:
    """Deliver one event as Stripe would; the row it became."""

    def send(event_type: str, subject: dict[str, Any], event_id: str = "", **changes: Any) -> StripeWebhookEvent:
        event = payloads.event(event_type, subject, event_id or f"evt_{event_type}_{subject['id']}", **changes)
        body = payloads.body_of(event)
        return stripe_services.receive_webhook(
            body, payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp())
        )

    return send


@pytest.fixture
def work() -> Work:
    """Apply what is due, now or at the time given; how many events were tried."""

    def apply_due(at: datetime | None = None) -> int:
        return webhooks.apply_due(stripe_services.gateway_for, now=at or timezone.now())

    return apply_due
