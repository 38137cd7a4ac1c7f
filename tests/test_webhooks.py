from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.utils import timezone

from financial import stripe_services, webhooks
from financial.gateway import StripeGateway
from financial.mirror import store
from financial.mirror.resources import BY_EVENT, BY_NAME
from financial.models import (
    MIRROR_MODELS,
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripeProduct,
    StripeSubscription,
    StripeTransaction,
    StripeWebhookEvent,
    Transaction,
)
from tests import books, payloads
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET
from tests.stripe_stub import StripeStub, error_body, status

pytestmark = pytest.mark.django_db
State = StripeWebhookEvent.State
Deliver = Callable[..., StripeWebhookEvent]


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


def work(at: datetime | None = None) -> int:
    return webhooks.apply_due(stripe_services.gateway_for, now=at or timezone.now())


def paid(stub: StripeStub) -> dict[str, Any]:
    """A payment that Stripe knows with everything that belongs to it."""
    balance = payloads.balance_transaction()
    charge = payloads.charge(balance_transaction=balance)
    payment = payloads.payment_intent(latest_charge=charge)
    stub.put(payloads.customer(), payment, charge, balance)
    return payment


def test_a_succeeded_payment_is_mirrored_and_booked_with_its_exact_fee(
    deliver: Deliver, stripe_stub: StripeStub
) -> None:
    deliver("payment_intent.succeeded", paid(stripe_stub))

    assert work() == 1
    payment = StripePaymentIntent.objects.get()
    booked = payment.stripe_transaction.transaction
    assert (booked.status, booked.fee_minor, booked.net_minor) == ("settled", 117, 2882)
    assert payment.customer.name == "Ada"
    assert StripeCharge.objects.get().payment_intent == payment
    event = StripeWebhookEvent.objects.get()
    assert (event.state, event.attempts, event.due_at, event.error) == ("done", 1, None, "")


def test_the_fee_is_estimated_until_charge_updated_brings_it(deliver: Deliver, stripe_stub: StripeStub) -> None:
    charge = payloads.charge(balance_transaction=None)
    payment = payloads.payment_intent(latest_charge=charge)
    stripe_stub.put(payloads.customer(), payment, charge)
    deliver("payment_intent.succeeded", payment)
    work()
    assert Transaction.objects.get().status == "estimated"

    exact = payloads.balance_transaction(fee=150, net=2849)
    stripe_stub.put(payloads.charge(balance_transaction=exact))
    deliver("charge.updated", charge)
    work()

    booked = Transaction.objects.get()
    assert (booked.status, booked.fee_minor) == ("settled", 150)
    assert StripeTransaction.objects.get().estimated_fee_minor == 117


def test_the_same_event_many_times_does_everything_once(deliver: Deliver, stripe_stub: StripeStub) -> None:
    payment = paid(stripe_stub)
    for _ in range(3):
        deliver("payment_intent.succeeded", payment, "evt_same")
        work()

    event = StripeWebhookEvent.objects.get()
    assert (event.deliveries, event.attempts, event.state) == (3, 1, "done")
    assert Transaction.objects.count() == 1


def test_any_order_of_events_ends_in_the_same_state(deliver: Deliver, stripe_stub: StripeStub) -> None:
    payment = paid(stripe_stub)
    charge, balance = payment["latest_charge"], payloads.balance_transaction()
    events = [
        ("customer.created", payloads.customer(name="as it was")),
        ("payment_intent.created", {**payment, "status": "requires_payment_method"}),
        ("payment_intent.succeeded", payment),
        ("charge.succeeded", {**charge, "balance_transaction": None}),
        ("charge.updated", {**charge, "balance_transaction": balance["id"]}),
    ]
    seen = set()
    orders = list(itertools.permutations(events))
    for number, order in enumerate([orders[0], orders[-1], *random.Random(5).sample(orders, 22)]):
        books.clear()
        for model in reversed(MIRROR_MODELS):
            model.objects.all().delete()
        for event_type, subject in order:
            deliver(event_type, subject, f"evt_{number}_{event_type}")
        work()
        seen.add(str(state()))

    assert len(seen) == 1


def state() -> list[Any]:
    """Everything that matters, without keys and counters of our own."""
    rows = [model.objects.order_by("stripe_id").values_list("stripe_id", "digest") for model in MIRROR_MODELS]
    booked = Transaction.objects.values_list("source_stripe_id", "status", "amount_minor", "fee_minor", "net_minor")
    links = StripeCharge.objects.values_list("payment_intent__stripe_id", "customer__stripe_id")
    return [list(found) for found in (*rows, booked, links)]


def test_the_object_is_asked_for_because_the_event_may_be_old(deliver: Deliver, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product(name="as it is now"))
    deliver("product.updated", payloads.product(name="as it was"))

    work()

    assert StripeProduct.objects.get().name == "as it is now"


def test_deleted_leaves_a_tombstone_that_a_late_update_does_not_revive(
    deliver: Deliver, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.product())
    deliver("product.created", payloads.product())
    deliver("product.deleted", payloads.product())
    deliver("product.updated", payloads.product(name="late"))

    work()

    assert StripeProduct.objects.get().is_deleted
    assert set(StripeWebhookEvent.objects.values_list("state", flat=True)) == {"done"}


def test_an_object_stripe_no_longer_knows_becomes_a_tombstone(deliver: Deliver, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.customer())
    deliver("customer.created", payloads.customer())
    work()
    stripe_stub.put({"id": "cus_1", "object": "customer", "deleted": True})
    deliver("customer.updated", payloads.customer())

    work()

    assert StripeCustomer.objects.get().is_deleted


def test_a_canceled_subscription_is_kept_as_canceled(deliver: Deliver, stripe_stub: StripeStub) -> None:
    canceled = payloads.subscription(status="canceled", ended_at=payloads.CREATED)
    stripe_stub.put(payloads.customer(), payloads.product(), payloads.price(), canceled)

    deliver("customer.subscription.deleted", canceled)
    work()

    row = StripeSubscription.objects.get()
    assert (row.status, row.is_deleted) == ("canceled", False)
    assert row.price.product.name == "Novel"


def test_missing_parents_are_fetched_first(deliver: Deliver, stripe_stub: StripeStub) -> None:
    paid(stripe_stub)

    deliver("charge.succeeded", payloads.charge())
    work()

    assert StripeCharge.objects.get().payment_intent.customer.name == "Ada"


def test_a_parent_stripe_does_not_know_is_left_out(deliver: Deliver, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.payment_intent(latest_charge=None))

    deliver("payment_intent.succeeded", payloads.payment_intent())
    work()

    payment = StripePaymentIntent.objects.get()
    assert (payment.customer, payment.customer_stripe_id) == (None, "cus_1")


def test_an_unknown_type_is_kept_and_ignored(deliver: Deliver) -> None:
    event = deliver("treasury.something.happened", {"id": "tr_1", "object": "treasury"})

    assert event.state == State.IGNORED
    assert work() == 0


def test_an_event_of_the_other_mode_is_misrouted(deliver: Deliver) -> None:
    event = deliver("product.created", payloads.product(), livemode=True)

    assert event.state == State.MISROUTED
    assert work() == 0
    assert not StripeProduct.objects.exists()


def test_an_event_of_a_connected_account_is_misrouted(deliver: Deliver) -> None:
    assert deliver("product.created", payloads.product(), account="acct_9").state == State.MISROUTED


def test_a_failing_event_waits_and_does_not_block_the_others(deliver: Deliver, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product("prod_1"), payloads.product("prod_2"))
    stripe_stub.fail(status(400, error_body("", "poison")), path="/v1/products/prod_1")
    now = timezone.now()
    deliver("product.created", payloads.product("prod_1"))
    deliver("product.created", payloads.product("prod_2"))

    assert work() == 2

    failed = StripeWebhookEvent.objects.get(object_stripe_id="prod_1")
    assert (failed.state, failed.attempts) == ("waiting", 1)
    assert "poison" in failed.error
    assert failed.due_at is not None
    assert failed.due_at >= now + timedelta(minutes=1)
    assert StripeProduct.objects.get().stripe_id == "prod_2"


def test_a_failed_event_is_tried_again_when_it_is_due(deliver: Deliver, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product())
    stripe_stub.fail(status(400), path="/v1/products")
    deliver("product.created", payloads.product())
    work()
    assert work() == 0

    assert work(timezone.now() + timedelta(minutes=2)) == 1
    event = StripeWebhookEvent.objects.get()
    assert (event.state, event.attempts, event.error) == ("done", 2, "")


def test_an_event_that_always_fails_ends_by_needing_attention(deliver: Deliver, stripe_stub: StripeStub) -> None:
    stripe_stub.fail(status(400, error_body("", "poison")), times=99, path="/v1/products")
    deliver("product.created", payloads.product())
    at = timezone.now()

    for _ in range(20):
        work(at)
        at += timedelta(hours=9)

    event = StripeWebhookEvent.objects.get()
    assert (event.state, event.attempts, event.due_at) == ("dead", len(webhooks.PAUSES) + 1, None)
    assert "poison" in event.error


def test_an_unexpected_error_is_kept_with_the_event(
    deliver: Deliver, stripe_stub: StripeStub, caplog: pytest.LogCaptureFixture
) -> None:
    stripe_stub.put({**payloads.product(), "object": "teapot"})
    deliver("product.created", payloads.product())

    work()

    event = StripeWebhookEvent.objects.get()
    assert event.state == State.WAITING
    assert event.error


def test_the_lease_of_a_dead_worker_ends(deliver: Deliver, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product())
    event = deliver("product.created", payloads.product())
    now = timezone.now()
    assert webhooks.claim(event, now=now)

    assert work(now + timedelta(seconds=30)) == 0
    assert work(now + timedelta(minutes=3)) == 1
    assert StripeProduct.objects.exists()


def test_two_workers_do_not_take_the_same_event(deliver: Deliver) -> None:
    event = deliver("product.created", payloads.product())
    same = StripeWebhookEvent.objects.get(pk=event.pk)

    assert webhooks.claim(event, now=timezone.now())
    assert not webhooks.claim(same, now=timezone.now())


class Raced(StripeGateway):
    """Between its answer and our write somebody else is faster, once for each of `others`."""

    others: ClassVar[list[Callable[[], None]]] = []

    def look(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        answer = super().look(*args, **kwargs)
        if self.others:
            self.others.pop()()
        return answer


@pytest.fixture
def raced(stripe_stub: StripeStub) -> Iterator[webhooks.OpenGateway]:
    yield lambda _: Raced(TEST_KEY, base_url=stripe_stub.url)
    Raced.others.clear()


@pytest.mark.parametrize("objects", [1, 2])
def test_a_row_written_meanwhile_is_fetched_again(
    deliver: Deliver,
    stripe_stub: StripeStub,
    credential: StripeCredential,
    raced: webhooks.OpenGateway,
    settings: Any,
    objects: int,
) -> None:
    settings.FINANCIAL_WEBHOOK_FETCHERS = 1
    ids = [f"prod_{number}" for number in range(1, objects + 1)]
    for stripe_id in ids:
        stripe_stub.put(payloads.product(stripe_id, name="first look"))
        deliver("product.updated", payloads.product(stripe_id))

    def somebody_else() -> None:
        other = payloads.product(name="somebody else")
        store.save(credential, BY_NAME["product"], other, seen=store.draw(), api_version="test")
        stripe_stub.put(payloads.product(name="second look"))

    Raced.others.append(somebody_else)
    webhooks.apply_due(raced, now=timezone.now())

    assert StripeProduct.objects.get(stripe_id="prod_1").name == "second look"
    assert set(StripeWebhookEvent.objects.values_list("state", flat=True)) == {"done"}
    assert len(stripe_stub.requests) == objects + 1


def test_handle_webhook_stores_and_applies_at_once(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    body = payloads.body_of(payloads.event("payment_intent.succeeded", paid(stripe_stub)))
    header = payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp())
    service = stripe_services.StripeService()

    event = service.handle_webhook(body, header)
    again = service.handle_webhook(body, header)

    assert (event.state, again.state, again.deliveries) == ("done", "done", 2)
    assert Transaction.objects.get().status == "settled"


def test_refunds_disputes_and_payouts_reach_the_mirror(deliver: Deliver, stripe_stub: StripeStub) -> None:
    paid(stripe_stub)
    common = {"created": payloads.CREATED, "livemode": False, "currency": "usd", "amount": 500}
    refund = {"id": "re_1", "object": "refund", "charge": "ch_1", "payment_intent": "pi_1", **common}
    dispute = {"id": "dp_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1", **common}
    payout = {"id": "po_1", "object": "payout", "status": "paid", "arrival_date": payloads.CREATED, **common}
    stripe_stub.put(refund, dispute, payout)

    deliver("charge.refund.updated", refund)
    deliver("charge.dispute.created", dispute)
    deliver("payout.paid", payout)
    work()

    charge = StripeCharge.objects.get()
    assert charge.refunds.get().amount_minor == 500
    assert charge.disputes.get().payment_intent.customer.name == "Ada"
    assert set(StripeWebhookEvent.objects.values_list("state", flat=True)) == {"done"}


def test_the_fixed_event_types_are_among_those_applied() -> None:
    promised = {"payment_intent.succeeded"} | {f"customer.subscription.{x}" for x in ("created", "updated", "deleted")}

    assert promised <= set(BY_EVENT)
