from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from financial import stripe_services
from financial.models import StripeCredential, StripeProduct, StripeWebhookEvent, SyncRun
from tests import payloads
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.django_db(transaction=True)


def deliver(stub: StripeStub) -> None:
    stub.put(payloads.product())
    body = payloads.body_of(payloads.event("product.created", payloads.product()))
    stripe_services.receive_webhook(body, payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp()))


def test_the_worker_applies_events_and_runs_syncs_that_were_asked_for(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    deliver(stripe_stub)
    run = stripe_services.request_sync(credential, requested_by="ada", resources=["product"])

    call_command("financial_worker", "--once", stdout=StringIO())

    run.refresh_from_db()
    assert run.state == "done"
    assert StripeWebhookEvent.objects.get().state == "done"
    assert StripeProduct.objects.exists()


def test_a_run_whose_credential_lost_its_key_fails_with_the_reason(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_services.request_sync(credential, requested_by="ada")
    StripeCredential.objects.update(secret_key="")

    call_command("financial_worker", "--once", stdout=StringIO())

    run = SyncRun.objects.get()
    assert (run.state, "has no secret key" in run.error) == ("failed", True)
