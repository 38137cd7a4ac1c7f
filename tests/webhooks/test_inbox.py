"""Claims, leases and endings, in one process and between real workers."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connection

from financial import stripe_services, webhooks
from financial.models import StripeCredential, StripeProduct, StripeWebhookEvent
from financial.webhooks import inbox
from tests import payloads
from tests.stripe_stub import StripeStub
from tests.views import factory

State = StripeWebhookEvent.State
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def waiting(credential: StripeCredential, number: int = 1, **values: Any) -> StripeWebhookEvent:
    facts = {"type": "product.updated", "object_type": "product", "object_stripe_id": f"prod_{number}"}
    due = {"state": State.WAITING, "due_at": NOON, "received_at": NOON, "event_id": f"evt_{number}"}
    return factory.event(credential, **{**facts, **due, **values})


@pytest.mark.django_db
def test_a_claim_lasts_as_long_as_the_setting_says(credential: StripeCredential, settings: Any) -> None:
    settings.FINANCIAL_WEBHOOK_LEASE_SECONDS = 30
    event = waiting(credential)

    assert webhooks.claim(event, now=NOON)

    event.refresh_from_db()
    assert (event.due_at, event.attempts) == (NOON + timedelta(seconds=30), 1)
    assert (event.first_attempt_at, event.last_attempt_at, bool(event.lease)) == (NOON, NOON, True)


@pytest.mark.django_db
def test_the_first_attempt_is_remembered(credential: StripeCredential) -> None:
    event = waiting(credential)
    webhooks.claim(event, now=NOON)
    webhooks.claim(event, now=NOON + timedelta(hours=1))

    event.refresh_from_db()
    assert (event.first_attempt_at, event.last_attempt_at) == (NOON, NOON + timedelta(hours=1))


@pytest.mark.django_db
def test_who_lost_its_lease_changes_nothing(credential: StripeCredential) -> None:
    waiting(credential)
    slow = inbox.claim_due(now=NOON, size=5)
    quick = inbox.claim_due(now=NOON + timedelta(minutes=3), size=5)
    assert slow is not None
    assert quick is not None
    inbox.close(quick, [(quick.events[0], [])], now=NOON)

    inbox.postpone(slow, slow.events, "too late", now=NOON)
    inbox.release(slow, slow.events, "too late", now=NOON)
    inbox.close(slow, [(slow.events[0], [{"change": "deleted"}])], now=NOON)

    event = StripeWebhookEvent.objects.get()
    assert (event.state, event.error, event.changes, event.attempts) == (State.DONE, "", [], 2)


@pytest.mark.django_db
def test_a_batch_takes_the_oldest_first_and_no_more_than_asked(credential: StripeCredential) -> None:
    for number in range(5):
        waiting(credential, number, due_at=NOON - timedelta(minutes=number))

    lease = inbox.claim_due(now=NOON, size=2)

    assert lease is not None
    assert [event.event_id for event in lease.events] == ["evt_4", "evt_3"]


@pytest.mark.django_db
def test_an_empty_inbox_costs_one_query(credential: StripeCredential, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert inbox.claim_due(now=NOON, size=5) is None


@pytest.mark.django_db
def test_events_that_fail_together_do_not_come_back_together(credential: StripeCredential) -> None:
    for number in range(20):
        waiting(credential, number)
    lease = inbox.claim_due(now=NOON, size=20)
    assert lease is not None

    inbox.postpone(lease, lease.events, "poison", now=NOON)

    due = set(StripeWebhookEvent.objects.values_list("due_at", flat=True))
    assert len(due) == 20
    assert min(due) >= NOON + timedelta(minutes=1)
    assert max(due) <= NOON + timedelta(minutes=1.1)


@pytest.mark.django_db
def test_what_is_held_for_a_sync_is_left_alone_until_it_ends(credential: StripeCredential) -> None:
    waiting(credential)
    later = NOON + timedelta(hours=1)
    webhooks.hold(StripeWebhookEvent.objects.all(), lease="sync 1", until=later)

    assert inbox.claim_due(now=NOON, size=5) is None
    assert inbox.claim_due(now=later, size=5) is not None


@pytest.mark.django_db
def test_replaying_leaves_alone_what_a_worker_has(credential: StripeCredential) -> None:
    event = waiting(credential)
    webhooks.claim(event, now=NOON)

    assert webhooks.replay(StripeWebhookEvent.objects.all(), now=NOON) == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_work_and_do_nothing_twice(stripe_stub: StripeStub) -> None:
    credential = StripeCredential.objects.create(name="Test", secret_key="sk_test_0000000000000000", is_active=True)
    for number in range(60):
        stripe_stub.put(payloads.product(f"prod_{number}"))
        waiting(credential, number)
    taken: Counter[str] = Counter()
    together = threading.Barrier(3)

    def work() -> None:
        try:
            together.wait(timeout=20)
            while lease := inbox.claim_due(now=NOON, size=4):
                taken.update(event.event_id for event in lease.events)
                inbox.close(lease, [(event, []) for event in lease.events], now=NOON)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(taken.values()) == {1}
    assert len(taken) == 60


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_objects_end_with_each_event_done(stripe_stub: StripeStub) -> None:
    credential = StripeCredential.objects.create(name="Test", secret_key="sk_test_0000000000000000", is_active=True)
    for number in range(40):
        stripe_stub.put(payloads.product(f"prod_{number % 5}"))
        waiting(credential, number, object_stripe_id=f"prod_{number % 5}")

    def work() -> None:
        try:
            webhooks.apply_due(stripe_services.gateway_for, now=NOON)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(StripeWebhookEvent.objects.values_list("state", flat=True)) == {State.DONE}
    assert StripeProduct.objects.count() == 5
