"""Stripe's own published fixtures through our whole line: webhook and sync, the pinned shape and one of 2023."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client

from financial import webhooks
from financial.mirror import store
from financial.mirror.resources import BY_NAME, RESOURCES, Resource
from financial.mirror.translate import DROPPED, PRIVATE
from financial.models import MirrorRow, StripeCredential, StripeWebhookEvent, SyncRun
from financial.stripe_services import gateway_for, sync_now
from tests import payloads
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.django_db

FOLDER = Path(__file__).parents[2] / "shared" / "stripe"
VERSIONS = {"2026": "fixtures3.json", "2023-08-16": "fixtures3.2023-08-16.json.gz"}
KINDS = [resource.name for resource in RESOURCES]
WITH_EVENTS = [resource.name for resource in RESOURCES if resource.events]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)

# Column -> where the fixture says it, written down apart from the app's own table.
AMOUNT = {"amount_minor": "amount", "currency": "currency"}
COLUMNS: dict[str, dict[str, str]] = {
    "product": {"name": "name", "active": "active", "default_price_stripe_id": "default_price"},
    "price": {"product_stripe_id": "product", "currency": "currency", "unit_amount_minor": "unit_amount", "type": "type",
              "unit_amount_decimal": "unit_amount_decimal", "active": "active", "billing_scheme": "billing_scheme"},
    "customer": {"email": "email", "name": "name", "currency": "currency", "balance_minor": "balance"},
    "payment_intent": {**AMOUNT, "status": "status", "capture_method": "capture_method",
                       "amount_received_minor": "amount_received"},
    "charge": {**AMOUNT, "status": "status", "paid": "paid", "captured": "captured", "disputed": "disputed",
               "amount_captured_minor": "amount_captured", "card_last4": "payment_method_details.card.last4",
               "card_brand": "payment_method_details.card.brand"},
    "refund": {**AMOUNT, "status": "status", "charge_stripe_id": "charge"},
    "dispute": {**AMOUNT, "status": "status", "reason": "reason", "charge_stripe_id": "charge"},
    "subscription": {"status": "status", "customer_stripe_id": "customer", "currency": "currency",
                     "price_stripe_id": "items.data.0.price.id", "quantity": "items.data.0.quantity"},
    "invoice": {"status": "status", "customer_stripe_id": "customer", "total_minor": "total", "currency": "currency",
                "amount_due_minor": "amount_due", "amount_paid_minor": "amount_paid"},
    "payout": {**AMOUNT, "status": "status", "method": "method", "automatic": "automatic"},
    "balance_transaction": {**AMOUNT, "fee_minor": "fee", "net_minor": "net", "type": "type", "status": "status",
                            "reporting_category": "reporting_category"},
}  # fmt: skip


@cache
def published(version: str) -> dict[str, dict[str, Any]]:
    path = FOLDER / VERSIONS[version]
    if not path.exists():
        return {}
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    resources: dict[str, dict[str, Any]] = json.loads(text)["resources"]
    return resources


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    if not published(request.param):
        pytest.skip("Stripe's fixtures are not beside the repository")
    return str(request.param)


def deliver(payload: dict[str, Any], event_type: str = "", event_id: str = "evt_1") -> StripeWebhookEvent:
    wrapped = payloads.event(event_type or BY_NAME[payload["object"]].events[0], payload, event_id)
    body = payloads.body_of(wrapped)
    signed = payloads.signature(body, TEST_WEBHOOK_SECRET, at=NOW.timestamp())
    answer = Client().post(
        "/studio/financial/stripe/webhook/",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": signed},
    )
    assert answer.status_code == 200
    webhooks.apply_due(gateway_for, now=NOW)
    return StripeWebhookEvent.objects.get(event_id=event_id)


def row_of(payload: dict[str, Any]) -> MirrorRow:
    return BY_NAME[payload["object"]].model.objects.get(stripe_id=payload["id"])


def said(payload: Any, path: str) -> Any:
    for step in path.split("."):
        payload = payload[int(step)] if isinstance(payload, list) else (payload or {}).get(step)
    return payload


def assert_mirrors(row: MirrorRow, payload: dict[str, Any]) -> None:
    for column, path in COLUMNS[payload["object"]].items():
        wanted = said(payload, path)
        found = getattr(row, column)
        assert found == wanted or (wanted is None and found in ("", None)), (column, found, wanted)
    assert row.livemode is payload.get("livemode", False) is False
    assert row.created_at == datetime.fromtimestamp(payload["created"], UTC)
    kept = {key: value for key, value in payload.items() if key not in DROPPED}
    assert row.whole_payload() == kept
    assert not PRIVATE.get(payload["object"], frozenset()) & {key for key, value in row.payload.items() if value}


@pytest.mark.parametrize("kind", WITH_EVENTS)
def test_published_object_passes_through_the_webhook_into_the_mirror(
    credential: StripeCredential, stripe_stub: StripeStub, version: str, kind: str
) -> None:
    payload = published(version)[kind]
    stripe_stub.put(payload)
    event = deliver(payload)
    assert (event.state, event.error) == (StripeWebhookEvent.State.DONE, "")
    row = row_of(payload)
    assert_mirrors(row, payload)
    assert all(getattr(row, f"{parent}_id") is None for parent in BY_NAME[kind].parents)


@pytest.mark.parametrize(
    ("resource", "event_type"),
    [(r, t) for r in RESOURCES for t in r.events if t not in r.gone],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_every_event_type_we_take_leads_to_the_object(
    credential: StripeCredential, stripe_stub: StripeStub, resource: Resource, event_type: str
) -> None:
    if not published("2026"):
        pytest.skip("Stripe's fixtures are not beside the repository")
    payload = published("2026")[resource.name]
    stripe_stub.put(payload)
    assert deliver(payload, event_type).state == StripeWebhookEvent.State.DONE
    assert row_of(payload).stripe_id == payload["id"]


def counts(run: SyncRun) -> dict[str, tuple[int, int]]:
    """How many objects of each kind a run read and wrote."""
    steps = run.steps.filter(resource__in=KINDS).values_list("resource", "read", "written")
    return {kind: (read, written) for kind, read, written in steps}


def test_all_published_objects_are_synced_and_a_second_sync_changes_nothing(
    credential: StripeCredential, stripe_stub: StripeStub, version: str
) -> None:
    found = [published(version)[kind] for kind in KINDS]
    stripe_stub.put(*found)
    run = sync_now(credential, requested_by="test")
    assert (run.state, run.error) == ("done", "")
    assert counts(run) == dict.fromkeys(KINDS, (1, 1))
    for payload in found:
        assert_mirrors(row_of(payload), payload)
    again = sync_now(credential, requested_by="test", kind=SyncRun.Kind.FULL)
    assert counts(again) == dict.fromkeys(KINDS, (1, 0))


def test_published_objects_find_their_parents_in_whatever_order_they_come(
    credential: StripeCredential, stripe_stub: StripeStub, version: str
) -> None:
    found = [published(version)[kind] for kind in WITH_EVENTS]
    stripe_stub.put(*found)
    for number, payload in enumerate(reversed(found)):
        assert deliver(payload, event_id=f"evt_{number}").state == StripeWebhookEvent.State.DONE
    ids = {payload["id"] for payload in found}
    for payload in found:
        row = row_of(payload)
        for parent in BY_NAME[payload["object"]].parents:
            named = getattr(row, f"{parent}_stripe_id")
            assert (getattr(row, f"{parent}_id") is not None) == (named in ids), (payload["object"], parent)


def test_object_that_does_not_say_its_mode_is_of_its_credentials(stripe_stub: StripeStub, version: str) -> None:
    live = StripeCredential.objects.create(name="Live", webhook_secret=TEST_WEBHOOK_SECRET, livemode=True)
    payload = published(version)["refund"]
    assert "livemode" not in payload
    store.save(live, BY_NAME["refund"], payload, seen=store.draw(), api_version="")
    assert row_of(payload).livemode is True


def test_old_and_new_shape_say_the_period_of_a_subscription(
    credential: StripeCredential, stripe_stub: StripeStub, version: str
) -> None:
    payload = published(version)["subscription"]
    on_the_object = "current_period_start" in payload
    assert on_the_object == (version == "2023-08-16")
    source = payload if on_the_object else payload["items"]["data"][0]
    stripe_stub.put(payload)
    deliver(payload)
    row: Any = row_of(payload)
    assert row.current_period_start_at == datetime.fromtimestamp(source["current_period_start"], UTC)
    assert row.current_period_end_at == datetime.fromtimestamp(source["current_period_end"], UTC)


def test_old_and_new_shape_say_the_subscription_of_an_invoice(
    credential: StripeCredential, stripe_stub: StripeStub, version: str
) -> None:
    invoice, subscription = (dict(published(version)[kind]) for kind in ("invoice", "subscription"))
    if version == "2023-08-16":
        invoice["subscription"] = subscription["id"]
    else:
        invoice["parent"] = {
            "type": "subscription_details",
            "subscription_details": {"subscription": subscription["id"], "metadata": {}},
        }
    stripe_stub.put(subscription, invoice)
    deliver(invoice)
    row: Any = row_of(invoice)
    assert (row.subscription_stripe_id, row.subscription.stripe_id) == (subscription["id"], subscription["id"])
