from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from financial import stripe_services, sync
from financial.errors import FinancialError, SyncAlreadyRunning
from financial.gateway import Page, StripeGateway
from financial.mirror import store
from financial.mirror.resources import BY_NAME, RESOURCES
from financial.models import (
    MIRROR_MODELS,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripeTransaction,
    SyncRun,
    SyncStep,
    Transaction,
)
from tests import payloads
from tests.stripe_stub import StripeStub, error_body, raw, status

pytestmark = pytest.mark.django_db


def account(stub: StripeStub) -> None:
    stub.put(
        payloads.product(),
        payloads.price(),
        payloads.customer(),
        payloads.payment_intent(),
        payloads.charge(),
        payloads.balance_transaction(),
        payloads.subscription(),
    )


def run(credential: StripeCredential, **options: Any) -> SyncRun:
    return stripe_services.sync_now(credential, requested_by="test", **options)


def snapshot() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (*MIRROR_MODELS, Transaction, StripeTransaction)]


def test_a_whole_account_is_mirrored_linked_and_booked(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)

    done = run(credential)

    assert (done.state, done.error, done.booked, done.settled) == ("done", "", 1, 1)
    payment = StripePaymentIntent.objects.get()
    assert payment.customer == StripeCustomer.objects.get()
    assert payment.stripe_transaction.transaction.net_minor == 2882
    assert payment.charges.get().card_last4 == "4242"
    assert payment.customer.subscriptions.get().price.product.name == "Novel"


def test_running_twice_changes_nothing(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    run(credential)
    before = snapshot()

    again = run(credential)

    assert snapshot() == before
    assert [step.written for step in again.steps.all()] == [0] * len(RESOURCES)


def test_every_page_is_read(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(*(payloads.customer(f"cus_{n}") for n in range(1101)))

    done = run(credential, resources=["customer"])

    step = done.steps.get()
    assert (step.pages, step.read, step.written) == (12, 1101, 1101)
    assert StripeCustomer.objects.count() == 1101


def test_canceled_subscriptions_and_tiers_are_asked_for(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    run(credential)

    asked = " ".join(stripe_stub.requests)
    assert "/v1/subscriptions?limit=100&status=all" in asked
    assert "/v1/prices?limit=100&expand%5B%5D=data.tiers" in asked


def test_a_missing_permission_fails_its_resource_and_no_other(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    account(stripe_stub)
    message = "The provided key does not have the permission 'rak_charge_read'."
    stripe_stub.fail(status(403, error_body("", message)), path="/v1/charges")

    done = run(credential)

    assert done.state == "failed"
    assert "charge: Stripe API error" in done.error
    assert "rak_charge_read" in done.error
    assert StripePaymentIntent.objects.count() == 1
    credential.refresh_from_db()
    assert "rak_charge_read" in credential.needs_attention


def test_a_refused_key_ends_the_run_and_is_remembered(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.fail(status(401, error_body("", "Invalid API Key provided")))

    done = run(credential)

    assert done.state == "failed"
    assert done.error.startswith("product: Stripe API error: Invalid API Key provided")
    assert len(stripe_stub.requests) == 1
    credential.refresh_from_db()
    assert "Invalid API Key" in credential.needs_attention


def test_a_good_sync_clears_what_needed_attention(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    StripeCredential.objects.update(needs_attention="old trouble")

    run(credential)

    credential.refresh_from_db()
    assert credential.needs_attention == ""


def test_what_was_read_before_a_failure_stays_and_the_next_run_completes(
    credential: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 2
    stripe_stub.put(*(payloads.customer(f"cus_{n}") for n in range(650)))

    def cut_the_seventh_page(path: str) -> None:
        if "starting_after=cus_50" in path and not stripe_stub.faults:
            stripe_stub.fail(raw(b'{"object": "list", "data": [{"id"', length=5000), times=1)

    stripe_stub.before = cut_the_seventh_page
    failed = run(credential, resources=["customer"])
    stripe_stub.before = lambda path: None
    stripe_stub.faults.clear()

    assert failed.state == "failed"
    assert failed.error.startswith("customer: Stripe API error: The connection was lost before")
    assert StripeCustomer.objects.count() == 500
    assert run(credential, resources=["customer"]).state == "done"
    assert StripeCustomer.objects.count() == 650


def test_429_500_and_a_cut_off_page_are_survived(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    stripe_stub.fail(status(429), path="/v1/customers")
    stripe_stub.fail(status(500), path="/v1/customers")
    stripe_stub.fail(raw(b"<html>", length=600), path="/v1/customers")

    assert run(credential).state == "done"
    assert StripeCustomer.objects.count() == 1


def test_a_listing_starts_over_when_its_cursor_was_deleted(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(*(payloads.customer(f"cus_{n}") for n in range(250)))

    def delete_the_cursor(path: str) -> None:
        if "starting_after=cus_150" in path:
            stripe_stub.objects.pop("cus_150", None)

    stripe_stub.before = delete_the_cursor

    assert run(credential, resources=["customer"]).state == "done"
    assert StripeCustomer.objects.filter(stripe_id__in=["cus_0", "cus_149", "cus_249"]).count() == 3


def test_a_webhook_applied_while_a_page_is_under_way_is_not_overwritten(
    credential: StripeCredential, stripe_stub: StripeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe_stub.put(payloads.customer(name="old"))
    list_page = StripeGateway.list_page

    def page_overtaken_by_a_webhook(self: StripeGateway, *args: Any, **options: Any) -> Page:
        page = list_page(self, *args, **options)
        newer = payloads.customer(name="new")
        store.save(credential, BY_NAME["customer"], newer, seen=store.draw(), api_version="test")
        return page

    monkeypatch.setattr(StripeGateway, "list_page", page_overtaken_by_a_webhook)

    assert run(credential, resources=["customer"]).state == "done"
    assert StripeCustomer.objects.get().name == "new"


def test_two_syncs_of_one_credential_refuse_each_other(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    now = timezone.now()
    first = sync.request(credential, requested_by="a", resources=[], now=now)

    with pytest.raises(SyncAlreadyRunning, match="already under way"):
        run(credential)
    assert sync.claim(first, now=now)
    assert not sync.claim(first, now=now)


def test_the_lock_of_a_dead_run_ends(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    long_ago = timezone.now() - timedelta(minutes=10)
    dead = SyncRun.objects.create(
        credential=credential, state="running", requested_at=long_ago, started_at=long_ago, seen_at=long_ago
    )
    SyncStep.objects.create(run=dead, resource="customer", state="running")

    assert run(credential).state == "done"
    dead.refresh_from_db()
    assert dead.state == "failed"
    assert "Run it again" in dead.error


def test_an_unknown_resource_is_named_with_the_known_ones(credential: StripeCredential) -> None:
    with pytest.raises(FinancialError, match="'customers'; choose from product, price, customer"):
        run(credential, resources=["customers"])
    assert not SyncRun.objects.exists()


def test_a_listener_hears_every_resource_begin_and_end(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    heard: list[tuple[str, str]] = []

    run(credential, listener=lambda step: heard.append((step.resource, step.state)))

    for resource in RESOURCES:
        assert (resource.name, "running") in heard
        assert (resource.name, "done") in heard
