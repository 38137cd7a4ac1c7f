"""What staff do with subscriptions, against the sandbox over HTTP with the real SDK, from 10.0.0 to the newest."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from financial.errors import FinancialError, OutcomeUnknown, RequestRefused
from financial.gateway import bodies
from financial.models import (
    MrrSpan,
    StripeCredential,
    StripeInvoice,
    StripeRequest,
    StripeSubscription,
)
from financial.reports.recurring import mrr
from financial.stripe_services import StripeService, terms_of
from sandbox.http.server import Server
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET
from tests.subscribers import as_changed, coupon, payer, priced, subscribed, with_card
from tests.sync.account import Account, deliver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.oldest_sdk]


@pytest.fixture
def service(sandbox: Server) -> StripeService:
    StripeCredential.objects.create(name="Sandbox", secret_key=TEST_KEY, is_active=True)
    return StripeService()


def monthly(service: StripeService) -> list[int]:
    return [amount.minor for amount in mrr(service.credential)]


def test_a_subscription_comes_with_its_invoice_and_its_recurring_revenue(service: StripeService) -> None:
    subscription = subscribed(service, quantity=2)

    assert (subscription.status, subscription.quantity) == ("active", 2)
    assert StripeInvoice.objects.get().stripe_id == subscription.latest_invoice_stripe_id
    assert monthly(service) == [1800]


def test_a_lasting_discount_lowers_recurring_revenue_from_the_first_answer_on(service: StripeService) -> None:
    coupon(service, id="LOYAL", percent_off=25, duration="forever")

    subscription = subscribed(service, coupon="LOYAL")

    assert [one.percent for one in terms_of(subscription).discounts] == [Decimal(25)]
    assert monthly(service) == [675]


def test_a_discount_is_found_by_the_code_customers_know_by_its_id_and_as_a_coupon(service: StripeService) -> None:
    coupon(service, id="autumn", amount_off=300, currency="usd", duration="repeating", duration_in_months=3)
    body = {"promotion": {"type": "coupon", "coupon": "autumn"}, "code": "LEAVES"}
    code = service.gateway.create("promotion_codes", body, idempotency_key="code-1")

    by_code, by_id, itself = (service.find_discount(text) for text in ("LEAVES", code["id"], "autumn"))

    assert by_code == by_id
    assert by_code is not None
    assert itself is not None
    assert (by_code.kind, by_code.stripe_id, by_code.name) == ("promotion_code", code["id"], "LEAVES")
    assert (itself.kind, itself.stripe_id) == ("coupon", "autumn")
    assert (itself.amount_minor, itself.currency, itself.duration, itself.months) == (300, "usd", "repeating", 3)
    assert by_code.is_valid
    assert itself.is_valid
    assert service.find_discount("nothing") is None
    assert service.find_discount("promo_nothing") is None


def test_an_invoice_is_sent_where_no_card_is_saved(service: StripeService) -> None:
    customer = service.create_customer("ada@example.com")

    subscription = service.create_subscription(customer, priced(service), days_until_due=14)

    assert (subscription.status, subscription.collection_method) == ("active", "send_invoice")
    assert terms_of(subscription).days_until_due == 14


def test_a_card_that_wants_the_customer_leaves_the_subscription_incomplete(service: StripeService) -> None:
    price = priced(service)

    subscription = service.create_subscription(payer(service, "pm_card_threeDSecure2Required"), price)

    assert subscription.status == "incomplete"
    assert StripeInvoice.objects.get().private["hosted_invoice_url"].startswith("http")
    assert monthly(service) == []


def test_quantity_and_price_are_changed_and_revenue_follows(service: StripeService) -> None:
    subscription = subscribed(service)
    dearer = service.create_price(subscription.price.product, Decimal("12.00"), recurring=True)

    more = service.change_subscription(subscription, as_changed(subscription, 3), proration="none")
    assert (more.quantity, monthly(service)) == (3, [2700])

    other = service.change_subscription(more, as_changed(more, 2, dearer), proration="none")
    assert (other.quantity, other.price, monthly(service)) == (2, dearer, [2400])


def test_the_same_change_sent_twice_is_done_once(service: StripeService) -> None:
    subscription = subscribed(service)
    for _ in range(2):
        service.change_subscription(subscription, as_changed(subscription, 3), proration="none", idempotency_key="one")
    service.change_subscription(subscription, as_changed(subscription, 4), proration="none", idempotency_key="two")

    again = service.change_subscription(
        subscription, as_changed(subscription, 3), proration="none", idempotency_key="one"
    )

    assert again.quantity == 4


def test_a_change_whose_answer_was_a_500_is_found_out(service: StripeService, sandbox: Server) -> None:
    subscription = subscribed(service)
    sandbox.world.faults.load([{"kind": "error_after", "method": "POST", "path": "/v1/subscriptions", "count": 1}])

    changed = service.change_subscription(subscription, as_changed(subscription, 3), proration="none")

    assert (changed.quantity, monthly(service)) == (3, [2700])


def test_a_pause_that_voids_invoices_takes_revenue_away_until_it_is_taken_back(service: StripeService) -> None:
    subscription = subscribed(service)

    paused = service.pause_subscription(subscription, "void", resumes_at=timezone.now() + timedelta(days=30))
    assert terms_of(paused).pause == "void"
    assert terms_of(paused).resumes_at is not None
    assert (paused.status, monthly(service)) == ("active", [])

    resumed = service.resume_subscription(paused)
    assert (terms_of(resumed).pause, monthly(service)) == ("", [900])


def test_a_pause_that_keeps_drafts_leaves_revenue_as_it_is(service: StripeService) -> None:
    service.pause_subscription(subscribed(service), "keep_as_draft")

    assert monthly(service) == [900]


def test_an_end_with_the_period_is_set_and_taken_back(service: StripeService) -> None:
    subscription = subscribed(service)

    leaving = service.cancel_subscription_later(subscription, comment="Moves away", feedback="other")
    assert (leaving.cancel_at_period_end, leaving.status) == (True, "active")
    assert leaving.payload["cancellation_details"]["feedback"] == "other"
    assert monthly(service) == [900]

    kept = service.keep_subscription(leaving)
    assert (kept.cancel_at_period_end, kept.cancel_at) == (False, None)


def test_an_end_now_takes_revenue_away(service: StripeService) -> None:
    subscription = subscribed(service)

    ended = service.cancel_subscription_now(subscription, comment="Wrong customer")

    assert ended.status == "canceled"
    assert ended.ended_at is not None
    assert monthly(service) == []


@pytest.mark.parametrize("kind", ["error_after", "drop_after"])
def test_an_end_whose_answer_was_lost_is_found_out(kind: str, service: StripeService, sandbox: Server) -> None:
    subscription = subscribed(service)
    sandbox.world.faults.load([{"kind": kind, "method": "DELETE", "path": "/v1/subscriptions", "count": 1}])

    ended = service.cancel_subscription_now(subscription, idempotency_key="end")

    assert (ended.status, monthly(service)) == ("canceled", [])
    assert StripeRequest.objects.get(operation="subscriptions.cancel").state == "done"


def test_an_unknown_outcome_is_finished_by_the_same_key(service: StripeService, sandbox: Server) -> None:
    subscription = subscribed(service)
    away = {"kind": "error_before", "method": "POST", "path": "/v1/subscriptions", "count": 3}
    sandbox.world.faults.load([away])
    with pytest.raises(OutcomeUnknown):
        service.cancel_subscription_later(subscription, idempotency_key="form-1")
    sandbox.world.idempotency.kept.clear()

    assert service.cancel_subscription_later(subscription, idempotency_key="form-1").cancel_at_period_end


def test_what_is_canceled_can_only_be_canceled(service: StripeService) -> None:
    ended = service.cancel_subscription_now(subscribed(service))

    with pytest.raises(FinancialError):
        service.change_subscription(ended, as_changed(ended, 2), proration="none")
    with pytest.raises(RequestRefused):
        service.pause_subscription(ended, "void")
    assert MrrSpan.objects.get().ends_at is not None


@pytest.mark.parametrize("proration", ["create_prorations", "always_invoice"])
def test_what_is_previewed_is_billed_to_the_cent(proration: str, service: StripeService, sandbox: Server) -> None:
    subscription = subscribed(service, "29.99")
    sandbox.advance(11 * 86_400 + 12_345)
    outlook = service.preview_change(subscription, as_changed(subscription, 4), proration)
    assert subscription.latest_invoice_stripe_id == service.look_at_subscription(subscription).latest_invoice_stripe_id

    sandbox.advance(500)
    service.change_subscription(
        subscription, as_changed(subscription, 4), proration=proration, prorated_at=outlook.asked_at
    )

    shown = outlook.now or outlook.next
    assert shown is not None
    previewed = sorted(line.amount_minor for line in shown.lines if line.is_proration)
    items = service.gateway.iterate("/v1/invoiceitems", {"customer": subscription.customer_stripe_id})
    assert sorted(item["amount"] for item in items) == previewed
    assert (outlook.now is not None) == (proration == "always_invoice")
    if outlook.now:
        assert StripeInvoice.objects.newest().first().total_minor == outlook.now.due_minor


def test_a_trial_that_ended_without_a_card_is_resumed_and_billed(service: StripeService, sandbox: Server) -> None:
    customer, price = service.create_customer("ada@example.com"), priced(service)
    body = bodies.subscription(customer.stripe_id, price.stripe_id, trial_days=1)
    body["trial_settings"] = {"end_behavior": {"missing_payment_method": "pause"}}
    made = service.gateway.create("subscriptions", body, idempotency_key="trial")
    sandbox.advance(2 * 86_400)
    StripeSubscription.objects.create(credential=service.credential, stripe_id=made["id"], livemode=False)
    paused = service.look_at_subscription(StripeSubscription.objects.get())
    assert paused.status == "paused"
    with_card(service, customer)

    resumed = service.resume_subscription(paused)

    assert resumed.status == "active"
    assert StripeInvoice.objects.get(stripe_id=resumed.latest_invoice_stripe_id).total_minor == 900


def test_webhooks_that_come_later_tell_the_same_revenue(service: StripeService, sandbox: Server) -> None:
    """They date it by whole seconds, and by the moment it happened rather than the moment it was answered."""
    StripeCredential.objects.update(webhook_secret=TEST_WEBHOOK_SECRET)
    service.credential.refresh_from_db()
    subscription = subscribed(service)
    sandbox.advance(3600)
    subscription = service.change_subscription(subscription, as_changed(subscription, 3), proration="none")
    sandbox.advance(3600)
    service.cancel_subscription_now(service.pause_subscription(subscription, "keep_as_draft"))
    before = list(MrrSpan.objects.order_by("starts_at"))

    for event in Account(sandbox.service, random.Random(1)).events():
        deliver(service.credential, event, service.gateway)

    after = list(MrrSpan.objects.order_by("starts_at"))
    assert [span.numerator for span in before] == [span.numerator for span in after] == [900, 2700]
    for one, other in zip(before, after, strict=True):
        assert abs(one.starts_at - other.starts_at) < timedelta(seconds=60)
        assert abs(one.ends_at - other.ends_at) < timedelta(seconds=60)
