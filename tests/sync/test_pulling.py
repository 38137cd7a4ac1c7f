from __future__ import annotations

import socket
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from financial import stripe_services, sync
from financial.errors import FinancialError, SyncAlreadyRunning
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
from financial.sync import pulling
from tests import payloads
from tests.stripe_stub import StripeStub, error_body, raw, status

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "ROWS_PER_WRITE", 500)


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


def customers(count: int, *, apart: int = 60) -> list[dict[str, Any]]:
    return [payloads.customer(f"cus_{n}", created=payloads.CREATED + n * apart) for n in range(count)]


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
    stripe_stub.put(*customers(1101))

    done = run(credential, resources=["customer"])

    step = done.steps.get()
    assert (step.read, step.written, step.delivered, step.stored) == (1101, 1101, 1101, 1101)
    assert step.verified_at is not None
    assert 12 <= step.pages <= 20
    assert step.slices > 1
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


def test_a_refused_key_ends_the_run_and_is_remembered(
    credential: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    settings.FINANCIAL_SYNC_READERS = 4
    stripe_stub.fail(status(401, error_body("", "Invalid API Key provided")), times=9)

    done = run(credential)

    assert done.state == "failed"
    assert ": Stripe API error: Invalid API Key provided" in done.error
    assert len(stripe_stub.requests) <= settings.FINANCIAL_SYNC_READERS
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
    assert StripeCustomer.objects.count() == 600
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
    credential: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    settings.FINANCIAL_SYNC_READERS = 1  # so that the sixth page is asked for before the first five are written
    stripe_stub.put(*customers(600))

    def webhook_meanwhile(step: SyncStep) -> None:
        if step.read == 500:
            newer = payloads.customer("cus_50", name="newer")
            store.save(credential, BY_NAME["customer"], newer, seen=store.draw(), api_version="test")

    assert run(credential, resources=["customer"], listener=webhook_meanwhile).state == "done"
    assert StripeCustomer.objects.get(stripe_id="cus_50").name == "newer"


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


def test_a_later_run_knows_how_much_to_expect(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(*customers(3))

    expected = [run(credential, kind=SyncRun.Kind.FULL).steps.get(resource="customer").expected for _ in range(2)]

    assert expected == [None, 3]


# What is left to a later run


def test_an_ended_run_is_gone_on_with_where_it_ended(
    credential: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    settings.FINANCIAL_SYNC_READERS = 1
    stripe_stub.put(payloads.product(), *customers(1200))

    def power_cut(step: SyncStep) -> None:
        if step.read >= 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(credential, listener=power_cut)
    assert StripeCustomer.objects.count() == 500
    stripe_stub.requests.clear()

    done = run(credential)

    assert (done.state, done.kind) == ("done", "full")
    assert StripeCustomer.objects.count() == 1200
    assert len([path for path in stripe_stub.requests if path.startswith("/v1/customers")]) < 10
    assert not [path for path in stripe_stub.requests if path.startswith("/v1/products")]


def test_a_run_that_went_on_catches_up_with_what_changed_since_the_first(
    credential: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    settings.FINANCIAL_SYNC_READERS = 1
    stripe_stub.put(*customers(1200))

    def power_cut(step: SyncStep) -> None:
        if step.read >= 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(credential, listener=power_cut)
    changed = payloads.customer("cus_1199", name="changed", created=payloads.CREATED + 1199 * 60)
    now = int(timezone.now().timestamp())
    stripe_stub.put(changed, payloads.event("customer.updated", changed, created=now))

    run(credential)

    assert StripeCustomer.objects.get(stripe_id="cus_1199").name == "changed"


# What changed since


def test_the_second_run_asks_only_for_what_changed(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    first = run(credential)
    changed = payloads.customer(name="changed")
    now = int(timezone.now().timestamp())
    stripe_stub.put(changed, payloads.event("customer.updated", changed, created=now))
    stripe_stub.requests.clear()

    done = run(credential)

    assert (first.kind, done.kind, done.state) == ("full", "incremental", "done")
    assert StripeCustomer.objects.get().name == "changed"
    asked = {path.split("?")[0] for path in stripe_stub.requests}
    assert asked == {"/v1/events", "/v1/customers/cus_1", "/v1/balance_transactions", "/v1/payouts", "/v1/balance"}


def test_what_was_deleted_since_becomes_a_tombstone(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    run(credential)
    now = int(timezone.now().timestamp())
    stripe_stub.put(payloads.event("customer.deleted", payloads.customer(), created=now))
    del stripe_stub.objects["cus_1"]

    done = run(credential)

    assert StripeCustomer.objects.get().is_deleted
    assert done.steps.get(resource="customer").gone == 1


def test_a_mirror_too_old_for_events_is_read_in_full(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    run(credential)
    SyncRun.objects.update(covers_until=timezone.now() - timedelta(days=29))

    assert run(credential).kind == "full"


def test_a_key_that_may_not_read_events_reads_in_full(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    run(credential)
    stripe_stub.fail(status(403, error_body("", "no permission for events")), path="/v1/events")

    done = run(credential)

    assert (done.kind, done.state) == ("full", "done")


def test_full_can_be_asked_for(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    run(credential)

    assert run(credential, kind=SyncRun.Kind.FULL).kind == "full"


def test_a_failed_run_never_counts_as_covering(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    stripe_stub.fail(status(403, error_body("", "no permission")), path="/v1/charges")

    assert run(credential).state == "failed"
    assert run(credential).kind == "full"


# Proof


def test_a_row_gone_at_stripe_is_found_and_marked(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(*customers(3))
    run(credential)
    del stripe_stub.objects["cus_1"]

    done = run(credential, kind=SyncRun.Kind.FULL)

    step = done.steps.get(resource="customer")
    assert (step.delivered, step.stored, step.gone, step.unlisted) == (2, 2, 1, 0)
    assert StripeCustomer.objects.get(stripe_id="cus_1").is_deleted


def test_a_row_no_listing_shows_but_stripe_knows_is_kept(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(*customers(2))
    on_a_test_clock = payloads.customer("cus_clock")
    store.save_many(credential, BY_NAME["customer"], [on_a_test_clock], seen=store.draw(), api_version="test")
    stripe_stub.hidden["cus_clock"] = on_a_test_clock

    done = run(credential, kind=SyncRun.Kind.FULL)

    assert done.steps.get(resource="customer").unlisted == 1
    assert not StripeCustomer.objects.get(stripe_id="cus_clock").is_deleted


def test_verify_finds_nothing_to_say_of_a_true_mirror(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    account(stripe_stub)
    run(credential)
    before = snapshot()

    done = run(credential, kind=SyncRun.Kind.VERIFY)

    assert (done.state, done.error, snapshot() == before) == ("done", "", True)
    assert all(step.verified_at for step in done.steps.all())


def test_verify_names_what_differs_and_writes_nothing(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(*customers(5))
    run(credential)
    StripeCustomer.objects.filter(stripe_id="cus_0").delete()
    StripeCustomer.objects.filter(stripe_id="cus_1").update(digest="tampered")
    del stripe_stub.objects["cus_2"]
    before = snapshot()

    done = run(credential, kind=SyncRun.Kind.VERIFY)

    assert done.state == "failed"
    assert done.error == "customer: 1 missing here, 1 different here, 1 gone at Stripe"
    assert snapshot() == before


def test_what_was_made_since_the_last_sync_may_be_missing_still(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    account(stripe_stub)
    run(credential)
    now = int(timezone.now().timestamp())
    stripe_stub.put(payloads.balance_transaction("txn_new", created=now + 1))

    assert run(credential, kind=SyncRun.Kind.VERIFY).state == "done"


def test_a_verification_does_not_move_what_the_next_run_starts_from(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    account(stripe_stub)
    run(credential, kind=SyncRun.Kind.VERIFY)

    assert run(credential).kind == "full"


# The lock


def test_the_lock_of_a_process_that_died_here_ends_at_once(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    now = timezone.now()
    SyncRun.objects.create(
        credential=credential,
        state="running",
        requested_at=now,
        seen_at=now,
        owner=f"{socket.gethostname()} {ended.pid}",
    )

    assert run(credential).state == "done"
