from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from financial import stripe_services
from financial.mirror.resources import BY_NAME, own_expand
from financial.models import (
    PaymentNotice,
    StripeCredential,
    StripeCustomer,
    StripeSubscription,
    StripeWebhookEvent,
    SyncRun,
)
from financial.sync import catchup
from tests import payloads
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.stripe_stub import StripeStub, status

pytestmark = pytest.mark.django_db


def happened(stub: StripeStub, event_type: str, subject: dict[str, Any], *, minutes_ago: int = 0) -> None:
    created = int((timezone.now() - timedelta(minutes=minutes_ago)).timestamp())
    stub.put(payloads.event(event_type, subject, f"evt_{event_type}_{subject['id']}", created=created))


@pytest.fixture
def synced(credential: StripeCredential, stripe_stub: StripeStub) -> StripeCredential:
    """An account whose mirror is complete: what follows is caught up with by events."""
    stripe_services.sync_now(credential, requested_by="test")
    stripe_stub.requests.clear()
    return credential


def sync(credential: StripeCredential) -> SyncRun:
    run = stripe_services.sync_now(credential, requested_by="test")
    assert run.kind == SyncRun.Kind.INCREMENTAL
    return run


def asked(stub: StripeStub, prefix: str) -> list[str]:
    return [path for path in stub.requests if path.startswith(prefix + "/")]


def test_an_event_that_never_came_is_stored_and_applied(synced: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.customer())
    happened(stripe_stub, "customer.created", payloads.customer())

    sync(synced)

    event = StripeWebhookEvent.objects.get()
    assert (event.source, event.state, event.deliveries, event.attempts) == ("catch-up", "done", 0, 1)
    assert json.loads(bytes(event.body or b""))["id"] == event.event_id
    assert StripeCustomer.objects.get().name == "Ada"


def test_several_events_of_one_object_cost_one_request(synced: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.customer())
    for event_type in ("customer.created", "customer.updated", "payment_method.attached"):
        happened(stripe_stub, event_type, {**payloads.customer(), "customer": "cus_1"})

    step = sync(synced).steps.get(resource="customer")

    assert len(asked(stripe_stub, "/v1/customers")) == 1
    assert (step.read, step.written) == (1, 1)


def test_an_event_that_was_applied_costs_no_request(synced: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.customer())
    happened(stripe_stub, "customer.created", payloads.customer())
    sync(synced)
    stripe_stub.requests.clear()

    sync(synced)

    assert asked(stripe_stub, "/v1/customers") == []
    assert StripeWebhookEvent.objects.count() == 1


def test_a_later_delivery_of_an_event_that_was_caught_up_with_is_only_counted(
    synced: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.customer())
    happened(stripe_stub, "customer.created", payloads.customer())
    sync(synced)
    body = payloads.body_of(stripe_stub.objects["evt_customer.created_cus_1"])

    event = stripe_services.receive_webhook(
        body, payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp())
    )

    assert (event.state, event.deliveries, event.source) == ("done", 1, "catch-up")


def test_a_webhook_that_waits_is_applied_by_the_sync(synced: StripeCredential, stripe_stub: StripeStub) -> None:
    """Nobody may be working: a sync that says it is complete must be."""
    stripe_stub.put(payloads.customer())
    happened(stripe_stub, "customer.created", payloads.customer())
    body = payloads.body_of(stripe_stub.objects["evt_customer.created_cus_1"])
    stripe_services.receive_webhook(body, payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp()))

    sync(synced)

    assert StripeCustomer.objects.exists()
    assert StripeWebhookEvent.objects.get().state == "done"


def test_a_deletion_is_final_even_if_an_update_is_told_after_it(
    synced: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.customer())
    happened(stripe_stub, "customer.deleted", payloads.customer(), minutes_ago=5)
    happened(stripe_stub, "customer.updated", payloads.customer())

    sync(synced)

    assert StripeCustomer.objects.get().is_deleted


def test_a_canceled_subscription_is_not_gone(synced: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.customer(), payloads.product(), payloads.price(), payloads.subscription(status="canceled"))
    happened(stripe_stub, "customer.subscription.deleted", payloads.subscription())

    sync(synced)

    assert (StripeSubscription.objects.get().status, StripeSubscription.objects.get().deleted_at) == ("canceled", None)


def test_events_of_what_is_not_mirrored_are_not_stored(synced: StripeCredential, stripe_stub: StripeStub) -> None:
    happened(stripe_stub, "tax_rate.created", {"id": "txr_1", "object": "tax_rate"})

    sync(synced)

    assert not StripeWebhookEvent.objects.exists()


def test_events_from_before_the_overlap_are_not_read(synced: StripeCredential, stripe_stub: StripeStub) -> None:
    happened(stripe_stub, "customer.updated", payloads.customer(), minutes_ago=61)

    sync(synced)

    assert not StripeWebhookEvent.objects.exists()


def test_events_of_what_is_listed_anyway_are_covered_without_a_request(
    synced: StripeCredential, stripe_stub: StripeStub
) -> None:
    for number in range(120):
        subject = payloads.customer(f"cus_{number}")
        stripe_stub.put(subject)
        happened(stripe_stub, "customer.created", subject)
    gone = payloads.customer("cus_gone")
    happened(stripe_stub, "customer.deleted", gone)

    run = sync(synced)

    assert asked(stripe_stub, "/v1/customers") == []
    assert StripeCustomer.objects.alive().count() == 120
    assert StripeCustomer.objects.get(stripe_id="cus_gone").is_deleted
    covered = StripeWebhookEvent.objects.filter(type="customer.created")
    assert {event.state for event in covered} == {"done"}
    assert {event.changes[0]["by"] for event in covered} == {f"sync {run.pk}"}


def test_what_a_failed_sync_held_is_left_to_the_workers(
    synced: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 1
    for number in range(5):
        happened(stripe_stub, "customer.created", payloads.customer(f"cus_{number}"))
    stripe_stub.fail(status(401), times=99, path="/v1/customers")

    run = sync(synced)

    assert (run.state, "Check the secret key" in run.error) == ("failed", True)
    waiting = StripeWebhookEvent.objects.filter(state="waiting", lease="", attempts=0, due_at__lte=timezone.now())
    assert waiting.count() == 5
    synced.refresh_from_db()
    assert "Check the secret key" in synced.needs_attention


def test_an_event_that_cannot_be_applied_fails_its_step_and_no_other(
    synced: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.customer(created="yesterday"), payloads.product())
    happened(stripe_stub, "customer.created", payloads.customer())
    happened(stripe_stub, "product.created", payloads.product())

    run = sync(synced)

    states = dict(run.steps.values_list("resource", "state"))
    assert (run.state, states["customer"], states["product"]) == ("failed", "failed", "done")
    assert "1 events could not be applied" in run.steps.get(resource="customer").error


def test_an_event_that_needs_attention_is_tried_once_more(synced: StripeCredential, stripe_stub: StripeStub) -> None:
    happened(stripe_stub, "customer.created", payloads.customer())
    stripe_stub.put(payloads.customer(created="yesterday"))
    sync(synced)
    StripeWebhookEvent.objects.update(state="dead", attempts=9, due_at=None)

    sync(synced)
    assert StripeWebhookEvent.objects.get().state == "dead"

    stripe_stub.put(payloads.customer())
    sync(synced)
    assert StripeWebhookEvent.objects.get().state == "done"


@pytest.mark.parametrize(("hours", "mails"), [(1, 1), (30, 0)])
def test_a_customer_is_not_told_of_what_was_found_out_days_later(
    synced: StripeCredential, stripe_stub: StripeStub, settings: Any, hours: int, mails: int
) -> None:
    settings.FINANCIAL_SEND_PAYMENT_EMAILS = True
    SyncRun.objects.update(covers_until=timezone.now() - timedelta(days=3))
    stripe_stub.put(
        payloads.customer(), payloads.payment_intent(latest_charge=payloads.charge(balance_transaction=None))
    )
    happened(stripe_stub, "payment_intent.succeeded", payloads.payment_intent(), minutes_ago=hours * 60)

    sync(synced)

    assert PaymentNotice.objects.count() == mails


def test_an_event_just_before_the_last_sync_is_read_again(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.customer())
    stripe_services.sync_now(credential, requested_by="test")
    changed = payloads.customer(name="told late")
    stripe_stub.put(changed)
    happened(stripe_stub, "customer.updated", changed, minutes_ago=30)

    stripe_services.sync_now(credential, requested_by="test")

    assert StripeCustomer.objects.get().name == "told late"


@pytest.mark.parametrize(("changes", "rows", "is_listed"), [(99, 0, False), (100, 0, True), (100, 10_001, False)])
def test_many_changes_of_few_rows_are_listed_instead(
    credential: StripeCredential, changes: int, rows: int, is_listed: bool
) -> None:
    StripeSubscription.objects.bulk_create(
        StripeSubscription(credential=credential, stripe_id=f"sub_{n}") for n in range(rows)
    )
    ids = {f"sub_{n}": False for n in range(changes)}

    assert catchup.is_too_much(credential, BY_NAME["subscription"], ids) is is_listed


def test_a_fetched_price_is_the_same_payload_as_a_listed_one(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    """Tiers come only if asked for, in a listing and for a single price alike; else a price would flap."""
    assert own_expand(BY_NAME["price"]) == ("tiers",)
    tiers = [{"up_to": None, "unit_amount": 500}]
    stripe_stub.put(payloads.product(), payloads.price(tiers=tiers))
    stripe_services.sync_now(credential, requested_by="test")

    stripe_stub.requests.clear()
    happened(stripe_stub, "price.updated", payloads.price())
    step = sync(credential).steps.get(resource="price")

    assert (step.read, step.written) == (1, 0)
    assert any("expand%5B%5D=tiers" in path for path in asked(stripe_stub, "/v1/prices"))


def test_an_object_stripe_lost_meanwhile_becomes_a_tombstone(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.customer())
    stripe_services.sync_now(credential, requested_by="test")
    del stripe_stub.objects["cus_1"]
    happened(stripe_stub, "customer.updated", payloads.customer())

    step = sync(credential).steps.get(resource="customer")

    assert (step.written, step.gone) == (0, 1)
    assert StripeCustomer.objects.get().is_deleted


def test_an_object_that_changed_and_changed_back_is_not_written(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.customer())
    first = stripe_services.sync_now(credential, requested_by="test")
    happened(stripe_stub, "customer.updated", payloads.customer())

    second = stripe_services.sync_now(credential, requested_by="test")

    assert (first.kind, second.kind) == (SyncRun.Kind.FULL, SyncRun.Kind.INCREMENTAL)
    assert second.steps.get(resource="customer").written == 0
