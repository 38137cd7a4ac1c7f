from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from financial import stripe_services, webhooks
from financial.gateway import StripeGateway
from financial.mirror import store
from financial.mirror.resources import BY_NAME
from financial.models import (
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripeDispute,
    StripePaymentIntent,
    StripeProduct,
    StripeRefund,
    StripeWebhookEvent,
    Transaction,
)
from tests import payloads
from tests.conftest import TEST_KEY
from tests.stripe_stub import StripeStub, error_body, status
from tests.webhooks.conftest import Deliver, Work

pytestmark = pytest.mark.django_db
State = StripeWebhookEvent.State
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _asked_once(settings: Any) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 1


def states() -> set[tuple[str, int]]:
    return set(StripeWebhookEvent.objects.values_list("state", "attempts"))


# One look serves all events of an object


def test_several_events_of_one_object_cost_one_request(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    stripe_stub.put(payloads.product())
    for number in range(5):
        deliver("product.updated", payloads.product(), f"evt_{number}")

    assert work() == 5

    assert stripe_stub.requests == ["/v1/products/prod_1"]
    assert states() == {("done", 1)}


def test_the_first_event_tells_what_changed_and_the_others_what_covered_them(
    deliver: Deliver, stripe_stub: StripeStub, work: Work
) -> None:
    stripe_stub.put(payloads.product())
    deliver("product.created", payloads.product(), "evt_1")
    deliver("product.updated", payloads.product(), "evt_2")

    work()

    by_id = dict(StripeWebhookEvent.objects.values_list("event_id", "changes"))
    assert by_id["evt_1"] == [{"object": "product", "id": "prod_1", "change": "created"}]
    assert by_id["evt_2"] == [{"object": "product", "id": "prod_1", "change": "covered", "by": "evt_1"}]


def test_changes_are_told_apart(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    told = []
    for event_type, name in (("created", "a"), ("updated", "b"), ("updated", "b"), ("deleted", "")):
        stripe_stub.put(payloads.product(name=name))
        event = deliver(f"product.{event_type}", payloads.product(), f"evt_{len(told)}")
        work()
        event.refresh_from_db()
        told.append(event.changes[0]["change"])

    assert told == ["created", "updated", "unchanged", "deleted"]


def test_what_came_with_the_object_is_told_too(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    charge = payloads.charge(balance_transaction=payloads.balance_transaction())
    stripe_stub.put(payloads.customer(), payloads.payment_intent(latest_charge=charge))
    event = deliver("payment_intent.succeeded", payloads.payment_intent())

    work()

    event.refresh_from_db()
    assert event.changes[0] == {"object": "payment_intent", "id": "pi_1", "change": "created"}
    assert {(change["object"], change["change"]) for change in event.changes} == {
        (name, "created") for name in ("payment_intent", "charge", "balance_transaction", "customer")
    }


def test_an_event_that_waits_for_its_next_attempt_is_covered_by_a_later_one(
    deliver: Deliver, stripe_stub: StripeStub, work: Work
) -> None:
    stripe_stub.put(payloads.product())
    stripe_stub.fail(status(400), path="/v1/products")
    deliver("product.created", payloads.product())
    work()

    deliver("product.updated", payloads.product())
    work()

    assert states() == {("done", 1), ("done", 2)}


def test_events_another_worker_has_are_left_to_it(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    stripe_stub.put(payloads.product())
    theirs = deliver("product.created", payloads.product())
    webhooks.claim(theirs, now=timezone.now())

    deliver("product.updated", payloads.product())

    assert work() == 1
    theirs.refresh_from_db()
    assert theirs.state == State.WAITING


def test_applying_one_claimed_event_closes_all_of_its_object(deliver: Deliver, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product())
    first = deliver("product.created", payloads.product())
    deliver("product.updated", payloads.product())
    now = timezone.now()
    webhooks.claim(first, now=now)

    applied = webhooks.apply(first, stripe_services.gateway_for, now=now)

    assert applied.state == State.DONE
    assert states() == {("done", 1)}


def test_many_objects_are_written_together(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, connection_queries: Callable[..., int]
) -> None:
    def queries_for(count: int, start: int) -> int:
        for number in range(start, start + count):
            stripe_stub.put(payloads.product(f"prod_{number}"))
            deliver("product.created", payloads.product(f"prod_{number}"))
        return connection_queries(work)

    few = queries_for(2, 0)

    assert queries_for(20, 100) <= few + 20  # one closing statement and one row each, however they are counted


def test_payments_of_one_batch_are_all_booked(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    stripe_stub.put(payloads.customer())
    for number in range(4):
        balance = payloads.balance_transaction(f"txn_{number}", source=f"ch_{number}")
        charge = payloads.charge(f"ch_{number}", payment_intent=f"pi_{number}", balance_transaction=balance)
        payment = payloads.payment_intent(f"pi_{number}", latest_charge=charge)
        stripe_stub.put(payment)
        deliver("payment_intent.succeeded", payment)

    work()

    assert states() == {("done", 1)}
    assert list(Transaction.objects.values_list("status", flat=True)) == ["settled"] * 4
    assert sum(path.startswith("/v1/customers") for path in stripe_stub.requests) == 1


# Poison


@pytest.mark.parametrize("poison", [{"created": "yesterday"}, {"object": "teapot"}, {"metadata": []}])
def test_poison_in_a_batch_harms_nobody_else(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, poison: dict[str, Any]
) -> None:
    for number in range(5):
        changes = poison if number == 2 else {}
        stripe_stub.put(payloads.product(f"prod_{number}", **changes))
        deliver("product.updated", payloads.product(f"prod_{number}"))

    work()

    assert set(StripeProduct.objects.values_list("stripe_id", flat=True)) >= {f"prod_{n}" for n in (0, 1, 3, 4)}
    assert StripeWebhookEvent.objects.exclude(object_stripe_id="prod_2").filter(state=State.DONE).count() == 4


def test_what_cannot_be_booked_harms_no_other_payment(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    """Two payments that claim one balance transaction contradict each other; the third is booked."""
    stripe_stub.put(payloads.customer())
    for number, balance in enumerate(("txn_same", "txn_same", "txn_own")):
        settled = payloads.balance_transaction(balance, source=f"ch_{number}")
        charge = payloads.charge(f"ch_{number}", payment_intent=f"pi_{number}", balance_transaction=settled)
        payment = payloads.payment_intent(f"pi_{number}", latest_charge=charge)
        stripe_stub.put(payment)
        deliver("payment_intent.succeeded", payment)

    work()

    assert Transaction.objects.filter(stripe_transaction__payment_intent__stripe_id="pi_2", status="settled").exists()
    assert StripeWebhookEvent.objects.get(object_stripe_id="pi_2").state == State.DONE


# Stripe is away, or says no


def test_an_outage_costs_no_attempt_and_no_storm_of_requests(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, settings: Any
) -> None:
    settings.FINANCIAL_WEBHOOK_FETCHERS = 1
    stripe_stub.fail(status(503), times=1000)
    for number in range(20):
        deliver("product.updated", payloads.product(f"prod_{number}"))

    work()
    asked = len(stripe_stub.requests)
    work()

    assert asked == len(stripe_stub.requests) == 3
    assert states() == {("waiting", 0)}


def test_after_an_outage_everything_is_applied(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, credential: StripeCredential, settings: Any
) -> None:
    settings.FINANCIAL_WEBHOOK_FETCHERS = 1
    for number in range(4):
        stripe_stub.put(payloads.product(f"prod_{number}"))
        deliver("product.updated", payloads.product(f"prod_{number}"))
    stripe_stub.fail(status(500), times=3)
    work()

    work(timezone.now() + timedelta(seconds=10))

    assert states() == {("done", 1)}
    credential.refresh_from_db()
    assert (credential.pauses, credential.paused_until, credential.pause_reason) == (0, None, "")


def test_pauses_of_an_outage_grow_to_a_minute(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, credential: StripeCredential
) -> None:
    deliver("product.updated", payloads.product())
    stripe_stub.fail(status(500), times=1000)
    at, waits = timezone.now(), []
    for _ in range(7):
        work(at)
        credential.refresh_from_db()
        assert credential.paused_until is not None
        waits.append((credential.paused_until - at).total_seconds())
        at = credential.paused_until

    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert states() == {("waiting", 0)}


def test_an_object_that_always_fails_is_no_outage(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, credential: StripeCredential
) -> None:
    stripe_stub.fail(status(500), times=1000, path="/v1/products/prod_poison")
    deliver("product.updated", payloads.product("prod_poison"))
    work()
    stripe_stub.put(payloads.product())
    deliver("product.updated", payloads.product())

    at = timezone.now()
    for _ in range(20):
        at += 9 * HOUR
        work(at)

    poison = StripeWebhookEvent.objects.get(object_stripe_id="prod_poison")
    assert (poison.state, poison.attempts) == (State.DEAD, len(webhooks.PAUSES) + 1)
    credential.refresh_from_db()
    assert credential.paused_until is None or credential.paused_until < at


def test_a_refused_key_is_asked_once_and_shown(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, credential: StripeCredential, settings: Any
) -> None:
    settings.FINANCIAL_WEBHOOK_FETCHERS = 1
    stripe_stub.fail(status(401, error_body("", "Invalid API Key provided")), times=1000)
    for number in range(20):
        deliver("product.updated", payloads.product(f"prod_{number}"))

    work()
    work()

    credential.refresh_from_db()
    assert len(stripe_stub.requests) == 1
    assert "Invalid API Key" in credential.needs_attention
    assert states() == {("waiting", 0)}


def test_a_key_refused_for_days_kills_no_event(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    deliver("product.updated", payloads.product())
    stripe_stub.fail(status(401), times=20)
    at = timezone.now()
    for _ in range(20):
        work(at)
        at += 9 * HOUR

    stripe_stub.put(payloads.product())
    work(at)

    assert states() == {("done", 1)}


def test_a_new_key_ends_the_pause(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, credential: StripeCredential
) -> None:
    stripe_stub.put(payloads.product())
    stripe_stub.fail(status(401))
    deliver("product.updated", payloads.product())
    work()

    credential.refresh_from_db()
    credential.secret_key = "sk_test_another_0000000000"
    credential.save()

    assert work() == 1
    credential.refresh_from_db()
    assert (credential.needs_attention, credential.pauses) == ("", 0)


def test_a_paused_credential_holds_up_no_other(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, credential: StripeCredential
) -> None:
    other = StripeCredential.objects.create(name="Other", secret_key="sk_test_other_0000000000")
    stripe_stub.put(payloads.product())
    deliver("product.updated", payloads.product())
    StripeWebhookEvent.objects.update(credential=other)
    deliver("product.updated", payloads.product())
    StripeCredential.objects.filter(pk=credential.pk).update(paused_until=timezone.now() + HOUR)

    assert work() == 1
    assert StripeProduct.objects.get().credential == other


def test_a_missing_permission_holds_up_only_what_needs_it(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, credential: StripeCredential
) -> None:
    stripe_stub.put(payloads.product(), payloads.customer())
    stripe_stub.fail(status(403, error_body("", "Needs rak_customer_read")), path="/v1/customers")
    deliver("customer.updated", payloads.customer())
    deliver("product.updated", payloads.product())

    work()

    assert StripeWebhookEvent.objects.get(state=State.DONE).object_type == "product"
    assert StripeWebhookEvent.objects.get(state=State.WAITING).attempts == 1
    credential.refresh_from_db()
    assert "rak_customer_read" in credential.needs_attention


def test_a_credential_without_a_key_waits_for_one(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, credential: StripeCredential
) -> None:
    stripe_stub.put(payloads.product())
    deliver("product.updated", payloads.product())
    StripeCredential.objects.update(secret_key="")
    work()
    assert states() == {("waiting", 0)}

    credential.refresh_from_db()
    credential.secret_key = TEST_KEY
    credential.save()
    work()

    assert states() == {("done", 1)}


# Deletions are final


def test_a_deletion_of_what_we_never_saw_leaves_a_tombstone(
    deliver: Deliver, stripe_stub: StripeStub, work: Work
) -> None:
    deliver("product.deleted", payloads.product())
    work()

    stripe_stub.put(payloads.product(name="late"))
    deliver("product.updated", payloads.product(name="late"))
    work()

    assert StripeProduct.objects.get().is_deleted


def test_a_page_listed_before_the_deletion_does_not_bring_the_object(
    deliver: Deliver, work: Work, credential: StripeCredential
) -> None:
    seen = store.draw()
    deliver("product.deleted", payloads.product())
    work()

    page = [payloads.product(), payloads.product("prod_2")]
    store.save_many(credential, BY_NAME["product"], page, seen=seen, api_version="test", expect_new=True)

    assert StripeProduct.objects.alive().get().stripe_id == "prod_2"


def test_an_unknown_object_is_not_buried_by_an_answer(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    """Stripe may not know yet what it told us of; only an event that says so deletes what we never saw."""
    deliver("product.created", payloads.product())
    work()

    stripe_stub.put(payloads.product())
    deliver("product.updated", payloads.product())
    work()

    assert not StripeProduct.objects.get().is_deleted


# Events that only name what they changed


@pytest.mark.parametrize(
    ("event_type", "subject"),
    [
        ("payment_method.attached", {"id": "pm_1", "object": "payment_method", "customer": "cus_1"}),
        ("payment_method.updated", {"id": "pm_1", "object": "payment_method", "customer": {"id": "cus_1"}}),
        ("customer.discount.created", {"id": "di_1", "object": "discount", "customer": "cus_1"}),
        ("customer.source.deleted", {"id": "card_1", "object": "card", "customer": "cus_1"}),
    ],
)
def test_what_belongs_to_a_customer_makes_us_look_at_the_customer(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, event_type: str, subject: dict[str, Any]
) -> None:
    stripe_stub.put(payloads.customer())
    event = deliver(event_type, subject)

    work()

    assert (event.object_type, event.object_stripe_id) == ("customer", "cus_1")
    assert StripeCustomer.objects.get().default_payment_method_stripe_id == "pm_1"


def test_a_detached_payment_method_names_the_customer_it_was_taken_from(
    deliver: Deliver, stripe_stub: StripeStub, work: Work
) -> None:
    stripe_stub.put(payloads.customer(invoice_settings={"default_payment_method": None}))
    detached = {"id": "pm_1", "object": "payment_method", "customer": None}
    deliver(
        "payment_method.detached", detached, data={"object": detached, "previous_attributes": {"customer": "cus_1"}}
    )

    work()

    assert StripeCustomer.objects.get().default_payment_method_stripe_id == ""


def test_a_payment_method_of_nobody_is_ignored(deliver: Deliver) -> None:
    event = deliver("payment_method.updated", {"id": "pm_1", "object": "payment_method", "customer": None})

    assert event.state == State.IGNORED


@pytest.mark.parametrize(
    ("event_type", "kind", "model"),
    [("charge.dispute.created", "dispute", StripeDispute), ("refund.created", "refund", StripeRefund)],
)
def test_what_moves_a_charge_brings_the_charge_as_it_is_now(
    deliver: Deliver, stripe_stub: StripeStub, work: Work, event_type: str, kind: str, model: Any
) -> None:
    charge = payloads.charge(amount_refunded=500, disputed=True, balance_transaction=None)
    stripe_stub.put(payloads.customer(), payloads.payment_intent(latest_charge=None), charge)
    subject = {"id": "x_1", "object": kind, "created": payloads.CREATED, "currency": "usd", "amount": 500}
    stripe_stub.put({**subject, "charge": charge, "payment_intent": "pi_1"})

    deliver(event_type, subject)
    work()

    assert model.objects.get().charge == StripeCharge.objects.get()
    assert StripeCharge.objects.get().amount_refunded_minor == 500
    assert StripePaymentIntent.objects.exists()


# Side by side


def test_objects_are_asked_for_side_by_side(deliver: Deliver, stripe_stub: StripeStub, work: Work) -> None:
    import threading

    together = threading.Barrier(4, timeout=20)
    stripe_stub.before = lambda path: together.wait() and None
    for number in range(4):
        stripe_stub.put(payloads.product(f"prod_{number}"))
        deliver("product.updated", payloads.product(f"prod_{number}"))

    work()

    assert states() == {("done", 1)}


def test_a_worker_keeps_what_it_still_works_on(deliver: Deliver, stripe_stub: StripeStub, settings: Any) -> None:
    settings.FINANCIAL_WEBHOOK_LEASE_SECONDS, settings.FINANCIAL_WEBHOOK_FETCHERS = 0.3, 1
    for number in range(3):
        stripe_stub.put(payloads.product(f"prod_{number}"))
        deliver("product.updated", payloads.product(f"prod_{number}"))
    ends = []

    class Slow(StripeGateway):
        def look(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
            threading_event.wait(0.12)
            ends.append(StripeWebhookEvent.objects.values_list("due_at", flat=True).first())
            return super().look(*args, **kwargs)

    import threading

    threading_event = threading.Event()
    webhooks.apply_due(lambda _: Slow(TEST_KEY, base_url=stripe_stub.url), now=timezone.now())

    assert ends[0] < ends[-1]
    assert states() == {("done", 1)}
