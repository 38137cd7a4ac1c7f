from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from financial import stripe_services
from financial.gateway import StripeGateway
from financial.mirror import store
from financial.mirror.resources import BY_NAME, own_expand
from financial.models import StripeCredential, StripeCustomer, StripeSubscription, SyncRun
from financial.sync import catchup
from tests import payloads
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.django_db


def happened(stub: StripeStub, event_type: str, subject: dict[str, Any], *, minutes_ago: int = 0) -> None:
    created = int((timezone.now() - timedelta(minutes=minutes_ago)).timestamp())
    stub.put(payloads.event(event_type, subject, f"evt_{event_type}_{subject['id']}", created=created))


def test_events_name_each_object_once_whatever_happened_to_it(stripe_stub: StripeStub, gateway: StripeGateway) -> None:
    for event_type in ("customer.created", "customer.updated"):
        happened(stripe_stub, event_type, payloads.customer())
    happened(stripe_stub, "product.updated", payloads.product())

    found = catchup.changed(gateway, since=timezone.now() - timedelta(hours=1))

    assert found == {"customer": {"cus_1": False}, "product": {"prod_1": False}}


def test_a_deletion_is_final_even_if_an_update_is_told_after_it(
    stripe_stub: StripeStub, gateway: StripeGateway
) -> None:
    happened(stripe_stub, "customer.deleted", payloads.customer(), minutes_ago=5)
    happened(stripe_stub, "customer.updated", payloads.customer())

    assert catchup.changed(gateway, since=timezone.now() - timedelta(hours=1))["customer"] == {"cus_1": True}


def test_a_canceled_subscription_is_not_gone(stripe_stub: StripeStub, gateway: StripeGateway) -> None:
    happened(stripe_stub, "customer.subscription.deleted", payloads.subscription())

    assert catchup.changed(gateway, since=timezone.now() - timedelta(hours=1))["subscription"] == {"sub_1": False}


def test_events_of_what_is_not_mirrored_are_passed_over(stripe_stub: StripeStub, gateway: StripeGateway) -> None:
    happened(stripe_stub, "tax_rate.created", {"id": "txr_1", "object": "tax_rate"})

    assert catchup.changed(gateway, since=timezone.now() - timedelta(hours=1)) == {}


def test_events_from_before_the_overlap_are_not_read(stripe_stub: StripeStub, gateway: StripeGateway) -> None:
    happened(stripe_stub, "customer.updated", payloads.customer(), minutes_ago=61)

    assert catchup.changed(gateway, since=timezone.now() - catchup.OVERLAP) == {}


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
    credential: StripeCredential, stripe_stub: StripeStub, gateway: StripeGateway
) -> None:
    """Tiers come only if asked for, in a listing and for a single price alike; else a price would flap."""
    assert own_expand(BY_NAME["price"]) == ("tiers",)
    tiers = [{"up_to": None, "unit_amount": 500}]
    stripe_stub.put(payloads.product(), payloads.price(tiers=tiers))
    stripe_services.sync_now(credential, requested_by="test")

    written, gone = catchup.bring_up_to_date(credential, BY_NAME["price"], {"price_1": False}, gateway)

    assert (written, gone) == (0, 0)
    assert any("expand%5B%5D=tiers" in path for path in stripe_stub.requests if path.startswith("/v1/prices/price_1"))


def test_an_object_stripe_lost_meanwhile_becomes_a_tombstone(
    credential: StripeCredential, stripe_stub: StripeStub, gateway: StripeGateway
) -> None:
    resource = BY_NAME["customer"]
    store.save_many(credential, resource, [payloads.customer()], seen=store.draw(), api_version="test")

    assert catchup.bring_up_to_date(credential, resource, {"cus_1": False}, gateway) == (0, 1)
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
